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

// On a clock that is stepped by hand, bytes that the peer writes begin their way
// when the connection has taken them from the inner one, which takes a moment of
// real time. The trace tells when they have: then the clock can be moved.
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
	go func() { // a reader waits
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
