package slownet_test

import (
	"fmt"
	"log"
	"net"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// On a mock clock, bytes that the peer writes are in flight after the connection
// has read them from the inner one, which takes a moment of real time. The trace
// reports when that has happened: then the clock can be advanced.
func Example_mockClock() {
	mock := clock.NewMock()
	taken := make(chan struct{}, 1)
	inner, peer := net.Pipe()
	conn := slownet.NewConn(inner, slownet.Config{
		Clock: mock,
		Read:  netem.Link{Latency: time.Minute},
		Trace: func(e trace.Event) {
			if e.Kind == trace.Send && slownet.DirectionOf(e) == slownet.Read {
				taken <- struct{}{}
			}
		},
	})
	defer conn.Close()
	defer peer.Close()

	start := mock.Now()
	read := make(chan string)
	go func() { // a reader, which waits
		buffer := make([]byte, 100)
		n, err := conn.Read(buffer)
		if err != nil {
			log.Fatal(err)
		}
		read <- string(buffer[:n])
	}()
	if _, err := peer.Write([]byte("hello from afar")); err != nil {
		log.Fatal(err)
	}
	<-taken // it is in flight
	mock.Add(time.Minute)
	fmt.Println(<-read, "after", mock.Since(start))
	// Output: hello from afar after 1m0s
}
