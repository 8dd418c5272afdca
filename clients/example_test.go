package clients_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/reactor"
)

// startServer serves a poem on a socket.
func startServer(poem string) (address string, server *poetryserver.Server) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	server = &poetryserver.Server{Poem: []byte(poem)}
	go server.Serve(listener)
	return listener.Addr().String(), server
}

// Getting several poems at once.
func ExampleClient_GetAllAsync() {
	rose, server := startServer("a rose")
	defer server.Close()
	violet, server := startServer("a violet")
	defer server.Close()

	var client clients.Client
	for _, result := range client.GetAllAsync(context.Background(), []string{rose, violet}) {
		fmt.Printf("%s, %v\n", result.Poem, result.Err)
	}
	// Output:
	// a rose, <nil>
	// a violet, <nil>
}

// Getting a poem on a loop that could do other work meanwhile.
func ExampleClient_GetPoetryAsync() {
	rose, server := startServer("a rose")
	defer server.Close()

	var client clients.Client
	var loop reactor.Reactor
	client.GetPoetryAsync(context.Background(), &loop, rose, func(poem []byte, err error) {
		fmt.Printf("%s, %v\n", poem, err)
	})
	fmt.Println("not yet")
	if err := loop.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// not yet
	// a rose, <nil>
}
