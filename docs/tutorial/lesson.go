package tutorial

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/poetry"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Poet is a slow server: its poem, its pace, and how far away it is.
type Poet struct {
	Poem       string        // the name of a built-in poem
	Bytes      int           // of each piece
	Delay      time.Duration // after each piece
	Concurrent bool          // serves all clients at once
	Latency    time.Duration // one way, between it and the reader
}

// Lesson returns the three servers of the lesson.
func Lesson() []Poet {
	return []Poet{
		{Poem: "ecstasy", Bytes: 30, Delay: 100 * time.Millisecond},
		{Poem: "fascination", Bytes: 10, Delay: 100 * time.Millisecond},
		{Poem: "science", Bytes: 10, Delay: 100 * time.Millisecond},
	}
}

// Reader is the name of the host of the clients.
const Reader = "reader"

// Serve starts the servers, each on a host of its own, and returns their addresses,
// such as "poet1:10000".
func Serve(sim *simtest.Sim, poets []Poet) (addresses []string) {
	for i, poet := range poets {
		poem, ok := poetry.Poem(poet.Poem)
		if !ok {
			panic(fmt.Sprintf("there is no poem %q", poet.Poem))
		}
		host := fmt.Sprint("poet", i+1)
		sim.SetLink(Reader, host, netem.Link{Latency: poet.Latency})
		sim.SetLink(host, Reader, netem.Link{Latency: poet.Latency})
		listener, err := sim.Host(host).Listen("tcp", fmt.Sprint(":", 10000+i))
		if err != nil {
			panic(err) // the port is free
		}
		server := &poetryserver.Server{
			Poem:       poem,
			Pace:       netem.Pace{Bytes: poet.Bytes, Wait: poet.Delay},
			Concurrent: poet.Concurrent,
		}
		go server.Serve(listener)
		addresses = append(addresses, fmt.Sprint(host, ":", 10000+i))
	}
	return addresses
}
