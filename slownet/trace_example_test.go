package slownet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// The trace of real connections is written to a file, which "slownet report" turns into
// a page or a packet capture. Here the file is in memory; trace.Create creates one on
// disk.
func ExampleConfig_trace() {
	var file bytes.Buffer
	writer, err := trace.NewWriter(&file, trace.Header{Source: "slownet"})
	if err != nil {
		log.Fatal(err)
	}
	var mu sync.Mutex // as events of several connections come at once
	dialer := slownet.Dialer{Config: slownet.Config{
		Read:     netem.Link{Latency: 5 * time.Millisecond},
		Payloads: -1, // all
		Trace: func(e trace.Event) {
			mu.Lock()
			defer mu.Unlock()
			_ = writer.Write(&e) // Close returns the error
		},
	}}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "roses")
		_ = conn.Close()
	}()
	conn, err := dialer.DialContext(context.Background(), "tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		log.Fatal(err)
	}
	_ = conn.Close()

	mu.Lock()
	defer mu.Unlock()
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}
	reader, err := trace.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range reader.All() {
		if err != nil {
			log.Fatal(err)
		}
		if slownet.DirectionOf(e) == slownet.Read {
			fmt.Printf("%v %q\n", e.Kind, e.Payload)
		}
	}
	// Output:
	// send ""
	// data "roses"
	// close ""
}
