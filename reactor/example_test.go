package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// listen returns a listener that sends a text on every connection, and closes it.
func listen(text string) net.Listener {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return listener
}

// Two connections on one loop. Handlers are called one at a time, so they need no lock.
func ExampleReactor() {
	rose, violet := listen("a rose"), listen("a violet")
	defer rose.Close()
	defer violet.Close()

	var loop reactor.Reactor
	texts := make(map[string]string)
	for name, listener := range map[string]net.Listener{"rose": rose, "violet": violet} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		loop.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
			buffer := make([]byte, 1024)
			n, err := c.Read(buffer)
			texts[name] += string(buffer[:n])
			if err != nil && err != reactor.ErrWouldBlock {
				_ = c.Close() // io.EOF, or worse
			}
		}))
	}
	fmt.Println(loop.Run()) // until both are closed
	fmt.Println(texts["rose"], "and", texts["violet"])
	// Output:
	// <nil>
	// a rose and a violet
}

// A dial on the loop, and blocking work elsewhere.
func ExampleReactor_Dial() {
	rose := listen("a rose")
	defer rose.Close()

	var loop reactor.Reactor
	loop.Dial("rose", func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", rose.Addr().String())
	}, func(conn net.Conn, err error) {
		fmt.Println("dialed:", err)
		var text []byte
		loop.Go(
			func() { text, _ = io.ReadAll(conn) }, // may block
			func() { // on the loop again
				fmt.Printf("read: %s\n", text)
				_ = conn.Close()
			})
	})
	if err := loop.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// dialed: <nil>
	// read: a rose
}

// Timers fire in the order of their times. Run waits for connections and work, not for
// timers, so something else must keep it running.
func ExampleReactor_AfterFunc() {
	var loop reactor.Reactor
	loop.Call(func() {
		loop.AfterFunc(20*time.Millisecond, func() { fmt.Println("second") })
		loop.AfterFunc(10*time.Millisecond, func() { fmt.Println("first") })
		loop.AfterFunc(30*time.Millisecond, func() { fmt.Println("stopped") }).Stop()
	})
	loop.Go(func() { time.Sleep(200 * time.Millisecond) }, func() { fmt.Println("done") })
	if err := loop.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// first
	// second
	// done
}

// Work that blocks runs on another goroutine. The second function runs on the loop, so it
// needs no lock.
func ExampleReactor_Go() {
	var loop reactor.Reactor
	sum := 0 // belongs to the loop
	for _, n := range []int{20, 10} {
		square := 0
		loop.Go(
			func() { time.Sleep(time.Duration(n) * time.Millisecond); square = n * n },
			func() { sum += square },
		)
	}
	fmt.Println(loop.Run(), sum) // Run waits for the work
	// Output: <nil> 500
}

// Other goroutines use Call to access data that belongs to the loop.
func ExampleReactor_Call() {
	var loop reactor.Reactor
	words := 0 // belongs to the loop
	loop.Go(func() {
		for range 3 {
			loop.Call(func() { words++ })
		}
	}, func() { fmt.Println("all calls are made") })
	if err := loop.Run(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(words, "words")
	// Output:
	// all calls are made
	// 3 words
}

// The end of a context is handled on the loop, in this example by closing a connection.
// Otherwise the loop would wait for the silent peer.
func ExampleReactor_AfterContext() {
	conn, peer := net.Pipe()
	defer peer.Close() // sends nothing

	var loop reactor.Reactor
	c := loop.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {}))
	ctx, cancel := context.WithCancelCause(context.Background())
	loop.AfterContext(ctx, func() {
		fmt.Println("closed:", context.Cause(ctx))
		_ = c.Close()
	})
	time.AfterFunc(10*time.Millisecond, func() { cancel(errors.New("the user has left")) })
	fmt.Println(loop.Run())
	// Output:
	// closed: the user has left
	// <nil>
}

// A dial that takes too long fails, and the loop continues.
func ExampleReactor_DialTimeout() {
	never := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done() // no answer
		return nil, context.Cause(ctx)
	}
	var loop reactor.Reactor
	loop.DialTimeout("example.com:80", 10*time.Millisecond, never, func(_ net.Conn, err error) {
		fmt.Println(err == reactor.ErrDialTimeout, err)
	})
	fmt.Println(loop.Run())
	// Output:
	// true reactor: the dial took too long
	// <nil>
}
