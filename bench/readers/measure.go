package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/poetry"
)

// A measurement has the figures of one side.
type measurement struct {
	resident   float64 // bytes a connection
	own        float64 // of these, bytes other than the poem's
	cpu        time.Duration
	goroutines int
	late       float64 // as a share of the time that the pace takes
}

// A pair is the two sides of a run.
type pair struct{ server, client measurement }

// run measures a server and a client with many connections and, as the baseline
// of a process, with one.
func run(server, client command, dir string) (*pair, error) {
	one, err := face(server, client, dir, 1, 10*time.Millisecond)
	if err != nil {
		return nil, err
	}
	many, err := face(server, client, dir, *clients, *delay)
	if err != nil {
		return nil, err
	}
	result := &pair{
		server: compare(one.server, many.server),
		client: compare(one.client, many.client),
	}
	result.client.own -= float64(len(poem()))
	result.client.late = float64(many.took)/float64(time.Duration(pieces())*(*delay)) - 1
	result.server.goroutines, result.client.goroutines, err = countGoroutines(server, client, dir)
	return result, err
}

func poem() []byte {
	poem, _ := poetry.Poem("ecstasy")
	return poem
}

// pieces returns the number of pieces of the poem.
func pieces() int { return (len(poem()) + *numBytes - 1) / *numBytes }

// compare returns the cost of each connection.
func compare(one, many *process) measurement {
	resident := float64(many.peak-one.peak) / float64(max(1, *clients-1))
	return measurement{resident: resident, own: resident, cpu: many.cpu() / time.Duration(*clients)}
}

// A meeting is a run of a server with a client.
type meeting struct {
	server, client *process
	took           time.Duration
}

// face makes a client get n poems from a server.
func face(server, client command, dir string, n int, delay time.Duration) (*meeting, error) {
	m, err := meet(server, client, dir, n, delay)
	if err != nil {
		return nil, err
	}
	defer m.server.stop()
	if err := m.client.wait(3*time.Duration(pieces())*delay+time.Minute, m.server); err != nil {
		return nil, err
	}
	m.took, err = m.client.took(n)
	return m, err
}

// meet starts a server, and a client that gets n poems from it.
func meet(server, client command, dir string, n int, delay time.Duration) (*meeting, error) {
	s, err := server.start(dir, "server", fmt.Sprintf("--num-bytes=%d", *numBytes), fmt.Sprintf("--delay=%v", delay))
	if err != nil {
		return nil, err
	}
	port, err := s.port()
	if err != nil {
		s.stop()
		return nil, err
	}
	c, err := client.start(dir, "client", slices.Repeat([]string{port}, n)...)
	if err != nil {
		s.stop()
		return nil, err
	}
	return &meeting{server: s, client: c}, nil
}

// countGoroutines counts the goroutines when all connections are established.
func countGoroutines(server, client command, dir string) (ofServer, ofClient int, err error) {
	const patience = time.Minute
	m, err := meet(server, client, dir, *clients, patience)
	if err != nil {
		return 0, 0, err
	}
	defer m.server.stop()
	defer m.client.stop()
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		out, err := m.client.lines("got")
		if err != nil {
			return 0, 0, err
		}
		if out >= *clients {
			break
		}
		if time.Since(start) > patience {
			return 0, 0, fmt.Errorf("only %d of %d are connected after %v", out, *clients, patience)
		}
	}
	// The server's goroutines wait for the pace, so they have not noticed yet
	// that the client has gone.
	if ofClient, err = m.client.goroutines(); err != nil {
		return 0, 0, err
	}
	ofServer, err = m.server.goroutines()
	return ofServer, ofClient, err
}
