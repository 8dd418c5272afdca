package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	projectclients "github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// serve is a straightforward server with a goroutine per connection. It prints
// the same lines as slowpoetry.
func serve(args []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	size := flags.Int("num-bytes", 10, "number of `bytes` sent at a time")
	delay := flags.Duration("delay", 100*time.Millisecond, "the `wait` after each piece")
	_ = flags.Parse(args)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Serving on", listener.Addr())
	for poem := poem(); ; {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			fmt.Println(conn.RemoteAddr(), "connected")
			for rest := poem; len(rest) > 0; {
				n, err := conn.Write(rest[:min(*size, len(rest))])
				if err != nil {
					return
				}
				fmt.Println(conn.RemoteAddr(), "sent", n, "bytes")
				rest = rest[n:]
				time.Sleep(*delay)
			}
			fmt.Println(conn.RemoteAddr(), "done")
		}()
	}
}

// get is a client with a goroutine per connection. It prints the same lines as
// get-poetry.
func get(ports []string) {
	start := time.Now()
	var mu sync.Mutex // guards the printer, and the results
	printer := cli.Printer{Out: os.Stdout, Err: os.Stderr}
	results := make([]projectclients.Result, len(ports))
	var poems sync.WaitGroup
	for i, port := range ports {
		poems.Go(func() {
			address := "127.0.0.1:" + port
			poem, err := getPoem(address, func(n int) {
				mu.Lock()
				defer mu.Unlock()
				printer.Async(projectclients.TaskEvent{Kind: projectclients.Piece, Task: i + 1, Address: address, Bytes: n})
			})
			results[i] = projectclients.Result{Address: address, Poem: poem, Err: err}
		})
	}
	poems.Wait()
	printer.Sums(results)
	printer.Total(results, time.Since(start))
}

func getPoem(address string, tell func(n int)) (poem []byte, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	buffer := make([]byte, 1024)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			poem = append(poem, buffer[:n]...)
			tell(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return poem, nil
		case err != nil:
			return poem, err
		}
	}
}
