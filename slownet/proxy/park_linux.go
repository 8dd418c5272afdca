package proxy

import (
	"cmp"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A lot is where sockets are that wait for bytes without a goroutine each: an
// epoll descriptor, which one goroutine waits for, by way of the runtime's poller.
type lot struct {
	file *os.File // of the epoll descriptor
	raw  syscall.RawConn
	done chan struct{}

	mu     sync.Mutex // guards what follows
	places map[uint64]*place
	last   uint64
}

// A place is a socket in the lot.
type place struct {
	lot   *lot
	raw   syscall.RawConn
	id    uint64
	ready func(broken bool) // told once for each park
}

// newLot returns nil where there is no such thing.
func newLot() *lot {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	l := &lot{file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), places: map[uint64]*place{}}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		_ = l.file.Close()
		return nil
	}
	go l.watch()
	return l
}

// watch tells places that bytes have come, until the lot is closed.
func (l *lot) watch() {
	defer close(l.done)
	var events [128]unix.EpollEvent
	for {
		n := 0
		err := l.raw.Read(func(fd uintptr) bool {
			err := error(unix.EINTR)
			for err == unix.EINTR {
				n, err = unix.EpollWait(int(fd), events[:], 0)
			}
			return n != 0
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:max(n, 0)] {
			l.mu.Lock()
			p := l.places[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32]
			l.mu.Unlock()
			if p != nil {
				p.ready(e.Events&unix.EPOLLERR != 0)
			}
		}
	}
}

// close ends the lot; places tell nothing any longer.
func (l *lot) close() {
	if l != nil {
		_ = l.file.Close()
		<-l.done
	}
}

// place makes a place for a socket, or returns nil where there is none.
func (l *lot) place(conn any, ready func(broken bool)) *place {
	socket, ok := conn.(syscall.Conn)
	if l == nil || !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	p := &place{lot: l, raw: raw, ready: ready}
	l.mu.Lock()
	l.last++
	p.id = l.last
	l.places[p.id] = p
	l.mu.Unlock()
	if p.control(unix.EPOLL_CTL_ADD, unix.EPOLLONESHOT) != nil {
		p.leave()
		return nil
	}
	return p
}

// park has ready called, once, when there are bytes to read, the end of the stream
// or an error. It reports whether it will be.
func (p *place) park() bool {
	return p != nil && p.control(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT) == nil
}

// parkForReset has ready called, once, when the peer resets the connection.
func (p *place) parkForReset() {
	if p != nil {
		_ = p.control(unix.EPOLL_CTL_MOD, unix.EPOLLONESHOT)
	}
}

// leave gives the place up. The socket leaves the lot when it is closed.
func (p *place) leave() {
	if p != nil {
		p.lot.mu.Lock()
		defer p.lot.mu.Unlock()
		delete(p.lot.places, p.id)
	}
}

func (p *place) control(op int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(uint32(p.id)), Pad: int32(uint32(p.id >> 32))}
	var gone, failed error
	err := p.lot.raw.Control(func(epoll uintptr) {
		gone = p.raw.Control(func(fd uintptr) {
			failed = unix.EpollCtl(int(epoll), op, int(fd), &event)
		})
	})
	return cmp.Or(err, gone, failed)
}
