package slownet_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Two clients that share a line of 8 Mbit/s, and TCP with slow start.
func ExampleNewPath() {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() { // each client gets 100,000 bytes
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Write(make([]byte, 100_000))
			}()
		}
	}()

	path := slownet.NewPath(slownet.Config{
		Read:  netem.Link{Latency: 5 * time.Millisecond, Rate: 8 * netem.Mbps, Queue: netem.Queue{Packets: 100, Discipline: netem.FQCoDel}},
		Write: netem.Link{Latency: 5 * time.Millisecond, Rate: netem.Mbps},
		TCP:   netem.TCP{Congestion: netem.CUBIC},
	})
	start, done := time.Now(), make(chan int64)
	for range 2 {
		go func() {
			conn, err := path.Dialer().DialContext(context.Background(), "tcp", listener.Addr().String())
			if err != nil {
				log.Fatal(err)
			}
			defer conn.Close()
			n, _ := io.Copy(io.Discard, conn)
			done <- n
		}()
	}
	fmt.Println(<-done+<-done, "bytes")
	fmt.Println("in 0.2 s or more:", time.Since(start) >= 200*time.Millisecond)
	// Output:
	// 200000 bytes
	// in 0.2 s or more: true
}
