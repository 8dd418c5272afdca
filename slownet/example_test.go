package slownet_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A server behind a slow path: 10 ms one way, 1 Mbit/s.
func ExampleNewListener() {
	inner, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	listener := slownet.NewListener(inner, slownet.Config{
		Write: netem.Link{Latency: 10 * time.Millisecond, Rate: netem.Mbps},
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

	start := time.Now()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	data, err := io.ReadAll(conn)
	fmt.Println(len(data), "bytes,", err)
	fmt.Println("at least 30 ms:", time.Since(start) >= 30*time.Millisecond)
	// Output:
	// 2500 bytes, <nil>
	// at least 30 ms: true
}

// A web client at the end of a slow path. Connecting takes a round trip, and so
// does a request.
func ExampleDialer() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello from afar")
	}))
	defer server.Close()

	dialer := slownet.Dialer{Config: slownet.Config{
		Read:  netem.Link{Latency: 10 * time.Millisecond},
		Write: netem.Link{Latency: 10 * time.Millisecond},
	}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}

	start := time.Now()
	response, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%s, %v\n", body, err)
	fmt.Println("at least 40 ms:", time.Since(start) >= 40*time.Millisecond)
	// Output:
	// hello from afar, <nil>
	// at least 40 ms: true
}

// A connection that breaks off in the middle.
func ExampleConn_Reset() {
	inner, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	listener := slownet.NewListener(inner, slownet.Config{})
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "half a poem")
		conn.Read(make([]byte, 1)) // until the client has it
		conn.(*slownet.Conn).Reset()
	}()

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	half := make([]byte, 11)
	_, err = io.ReadFull(conn, half)
	fmt.Printf("%s, %v\n", half, err)
	conn.Write([]byte("?"))
	_, err = conn.Read(half)
	fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))
	// Output:
	// half a poem, <nil>
	// reset: true
}
