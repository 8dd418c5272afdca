package slownet_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A server behind a slow path: 10 ms one way, 1 Mbit/s.
func ExampleNewListener() {
	inner, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	listener := slownet.NewListener(inner, slownet.Config{
		Write: slownet.Link{Latency: 10 * time.Millisecond, Rate: slownet.Mbps},
	})
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Write(make([]byte, 2500)) // 20,000 bits take 20 ms
	}()

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	data, err := io.ReadAll(conn)
	fmt.Println(len(data), "bytes,", err)
	fmt.Println("at least 30 ms:", time.Since(start) >= 30*time.Millisecond)
	// Output:
	// 2500 bytes, <nil>
	// at least 30 ms: true
}

// The model by itself: no clock, no connection.
func ExampleFlow() {
	flow := slownet.NewFlow(slownet.Link{Latency: 40 * time.Millisecond, Rate: 250 * slownet.Kbps}, 0)
	for left := 2000; left > 0; {
		piece := flow.Send(0, left)
		fmt.Println(piece.Bytes, "bytes leave at", piece.Leave, "and arrive at", piece.Arrive)
		left -= piece.Bytes
	}
	// Output:
	// 1500 bytes leave at 48ms and arrive at 88ms
	// 500 bytes leave at 64ms and arrive at 104ms
}
