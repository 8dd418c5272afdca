package trace_test

import (
	"bytes"
	"fmt"
	"log"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A trace is written event by event, and read the same way.
func ExampleNewReader() {
	var file bytes.Buffer
	writer, err := trace.NewWriter(&file, trace.Header{Source: "simtest", Test: "TestElection"})
	if err != nil {
		log.Fatal(err)
	}
	conn := trace.Conn{Host: "reader", Network: "tcp", Number: 1}
	for _, e := range []trace.Event{
		{At: 100 * time.Millisecond, Kind: trace.Connect, From: "reader", To: "poet", Conn: conn},
		{At: 150 * time.Millisecond, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Length: 10},
	} {
		if err := writer.Write(&e); err != nil {
			log.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}

	reader, err := trace.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	fmt.Println(reader.Header().Test)
	for e, err := range reader.All() {
		if err != nil {
			log.Fatal(err) // the file is damaged or truncated
		}
		fmt.Println(e)
	}
	// Output:
	// TestElection
	// 100ms connect reader>poet reader/tcp#1
	// 150ms data poet>reader reader/tcp#1 offset 0, 10 bytes
}
