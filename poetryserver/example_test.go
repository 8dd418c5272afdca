package poetryserver_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A server that sends five bytes, waits for 10 ms, and so on, and reports each client that
// has received the whole poem.
func ExampleServer() {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan int, 1)
	server := &poetryserver.Server{
		Poem: []byte("Science! true daughter of Old Time thou art!"),
		Pace: netem.Pace{Bytes: 5, Wait: 10 * time.Millisecond},
		Observer: func(e poetryserver.ClientEvent) {
			if e.Kind == poetryserver.Done {
				done <- e.Bytes
			}
		},
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	start := time.Now()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	poem, err := io.ReadAll(conn)
	fmt.Printf("%s, %v\n", poem, err)
	fmt.Println("at least 80 ms:", time.Since(start) >= 80*time.Millisecond)
	fmt.Println("sent:", <-done)

	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("closed:", errors.Is(<-served, poetryserver.ErrServerClosed))
	// Output:
	// Science! true daughter of Old Time thou art!, <nil>
	// at least 80 ms: true
	// sent: 44
	// closed: true
}
