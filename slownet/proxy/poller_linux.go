package proxy

import (
	"cmp"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A poller waits for bytes on sockets that have no goroutine of their own. It is
// an epoll descriptor, on which one goroutine waits through the runtime's poller.
type poller struct {
	file *os.File // of the epoll descriptor
	raw  syscall.RawConn
	done chan struct{}

	mu      sync.Mutex // guards the fields below
	sockets map[uint64]*polledSocket
	last    uint64
}

// A polledSocket is a socket in the poller.
type polledSocket struct {
	poller *poller
	raw    syscall.RawConn
	id     uint64
	ready  func(broken bool) // called once for each arm
}

// newPoller returns a poller, or nil if there is no epoll.
func newPoller() *poller {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	l := &poller{file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), sockets: map[uint64]*polledSocket{}}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		_ = l.file.Close()
		return nil
	}
	go l.watch()
	return l
}

// watch calls ready for sockets that have bytes, until the poller is closed.
func (l *poller) watch() {
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
			p := l.sockets[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32]
			l.mu.Unlock()
			if p != nil {
				p.ready(e.Events&unix.EPOLLERR != 0)
			}
		}
	}
}

// close closes the poller. After that, ready is not called.
func (l *poller) close() {
	if l != nil {
		_ = l.file.Close()
		<-l.done
	}
}

// add adds a socket, or returns nil if it cannot be polled.
func (l *poller) add(conn any, ready func(broken bool)) *polledSocket {
	socket, ok := conn.(syscall.Conn)
	if l == nil || !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	p := &polledSocket{poller: l, raw: raw, ready: ready}
	l.mu.Lock()
	l.last++
	p.id = l.last
	l.sockets[p.id] = p
	l.mu.Unlock()
	if p.control(unix.EPOLL_CTL_ADD, unix.EPOLLONESHOT) != nil {
		p.remove()
		return nil
	}
	return p
}

// arm makes the poller call ready, once, when there are bytes to read, the end of
// the stream or an error. It reports whether it will.
func (p *polledSocket) arm() bool {
	return p != nil && p.control(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT) == nil
}

// armForReset makes the poller call ready, once, when the peer resets the connection.
func (p *polledSocket) armForReset() {
	if p != nil {
		_ = p.control(unix.EPOLL_CTL_MOD, unix.EPOLLONESHOT)
	}
}

// remove stops polling. The socket leaves the epoll set when it is closed.
func (p *polledSocket) remove() {
	if p != nil {
		p.poller.mu.Lock()
		defer p.poller.mu.Unlock()
		delete(p.poller.sockets, p.id)
	}
}

func (p *polledSocket) control(op int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(uint32(p.id)), Pad: int32(uint32(p.id >> 32))}
	var gone, failed error
	err := p.poller.raw.Control(func(epoll uintptr) {
		gone = p.raw.Control(func(fd uintptr) {
			failed = unix.EpollCtl(int(epoll), op, int(fd), &event)
		})
	})
	return cmp.Or(err, gone, failed)
}
