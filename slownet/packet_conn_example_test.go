package slownet_test

import (
	"fmt"
	"log"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A socket that sends over a link with a latency of 10 ms, which drops every
// datagram that is larger than its MTU.
func ExampleNewPacketConn() {
	receiver, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer receiver.Close()
	inner, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	sender := slownet.NewPacketConn(inner, slownet.Config{
		Write: netem.Link{Latency: 10 * time.Millisecond, MTU: 1200},
	})
	defer sender.Close()

	start := time.Now()
	for _, size := range []int{1200, 1201, 100} {
		if _, err := sender.WriteTo(make([]byte, size), receiver.LocalAddr()); err != nil {
			log.Fatal(err)
		}
	}
	buffer := make([]byte, 2000)
	for range 2 {
		n, _, err := receiver.ReadFrom(buffer)
		fmt.Println(n, "bytes,", err)
	}
	fmt.Println("at least 10 ms:", time.Since(start) >= 10*time.Millisecond)
	// Output:
	// 1200 bytes, <nil>
	// 100 bytes, <nil>
	// at least 10 ms: true
}
