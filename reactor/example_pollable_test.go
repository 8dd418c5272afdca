package reactor_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"syscall"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// A feed is a Pollable connection in memory: Push adds bytes, and End ends the stream.
type feed struct {
	net.Conn // the methods that the loop does not call

	mu     sync.Mutex // guards the fields below
	data   []byte
	ended  bool
	notify func()
}

func (f *feed) Push(text string) { f.change(func() { f.data = append(f.data, text...) }) }
func (f *feed) End()             { f.change(func() { f.ended = true }) }
func (f *feed) Close() error     { return nil }

// change changes the feed, and reports that it is readable.
func (f *feed) change(do func()) {
	f.mu.Lock()
	do()
	notify := f.notify
	f.mu.Unlock()
	if notify != nil {
		notify()
	}
}

// TryRead reads available bytes.
func (f *feed) TryRead(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(p, f.data)
	f.data = f.data[n:]
	switch {
	case n > 0:
		return n, nil
	case f.ended:
		return 0, io.EOF
	}
	return 0, syscall.EAGAIN
}

// NotifyReadable registers notify, and calls it at once if the feed is readable.
func (f *feed) NotifyReadable(notify func()) {
	f.mu.Lock()
	f.notify = notify
	isReadable := len(f.data) > 0 || f.ended
	f.mu.Unlock()
	if isReadable && notify != nil {
		notify()
	}
}

// A connection that is not a socket can report by itself that it is readable. The loop then
// needs no goroutine for it.
func ExamplePollable() {
	f := new(feed)
	var _ reactor.Pollable = f

	var loop reactor.Reactor
	loop.Add(f, reactor.HandlerFunc(func(c *reactor.Conn) {
		buffer := make([]byte, 1024)
		n, err := c.Read(buffer)
		fmt.Printf("%q %v\n", buffer[:n], err)
		switch err {
		case nil:
		case io.EOF:
			_ = c.Close()
		default: // reactor.ErrWouldBlock: nothing to read now
		}
	}))
	f.Push("a rose")
	loop.Call(f.End)
	if err := loop.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// "a rose" <nil>
	// "" EOF
}
