package tutorial

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// repeat returns servers with the same settings.
func repeat(n int, poet Poet) (poets []Poet) {
	for range n {
		poets = append(poets, poet)
	}
	return poets
}

// measure returns how long a client takes to get the poems of all servers.
func measure(t *testing.T, poets []Poet, get func(*clients.Client, context.Context, []string) []clients.Result) (elapsed time.Duration) {
	simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		addresses := Serve(sim, poets)
		client := &clients.Client{Dial: sim.Host(Reader).DialContext, Timeout: time.Hour}
		start := time.Now()
		get(client, t.Context(), addresses)
		elapsed = time.Since(start)
	})
	return elapsed
}

// timings answers the first exercise.
func timings(t *testing.T) string {
	lesson := Lesson()
	slow, far := Lesson(), Lesson()
	slow[0].Delay = time.Second
	for i := range far {
		far[i].Latency = 150 * time.Millisecond
	}
	var out strings.Builder
	fmt.Fprintln(&out, "servers                          blocking   asynchronous")
	for _, row := range []struct {
		name  string
		poets []Poet
	}{
		{"1, the second of the lesson", lesson[1:2]},
		{"3, as in the lesson", lesson},
		{"10 like the second", repeat(10, lesson[1])},
		{"100 like the second", repeat(100, lesson[1])},
		{"3, the first with --delay 1", slow},
		{"3, each 150 ms away", far},
	} {
		blocking := measure(t, row.poets, (*clients.Client).GetAll)
		async := measure(t, row.poets, (*clients.Client).GetAllAsync)
		fmt.Fprintf(&out, "%-30s %8.1f s %12.1f s\n", row.name, blocking.Seconds(), async.Seconds())
	}
	return out.String()
}

// oneServer goes on with the first exercise: three tasks at one server.
func oneServer(t *testing.T) string {
	var out strings.Builder
	fmt.Fprintln(&out, "3 tasks at one server            blocking   asynchronous")
	for _, concurrent := range []bool{false, true} {
		poet := Lesson()[1]
		poet.Concurrent = concurrent
		get := func(get func(*clients.Client, context.Context, []string) []clients.Result) time.Duration {
			return measure(t, []Poet{poet}, func(c *clients.Client, ctx context.Context, addresses []string) []clients.Result {
				return get(c, ctx, []string{addresses[0], addresses[0], addresses[0]})
			})
		}
		name := map[bool]string{false: "one client at a time", true: "with --concurrent"}[concurrent]
		fmt.Fprintf(&out, "%-30s %8.1f s %12.1f s\n", name, get((*clients.Client).GetAll).Seconds(), get((*clients.Client).GetAllAsync).Seconds())
	}
	return out.String()
}

// A getPoetry that returned the text without waiting for it.
func getPoetryNow(client *clients.Client, loop *reactor.Reactor, address string) (poem []byte) {
	client.GetPoetryAsync(context.Background(), loop, address, func(text []byte, err error) {
		poem = text // too late
	})
	return poem // nothing has arrived
}

// A getPoetry that waits for the text, called on the loop.
func waitOnTheLoop(client *clients.Client, addresses []string, out io.Writer) error {
	var loop reactor.Reactor
	start := time.Now()
	report := func(address string, poem []byte) {
		fmt.Fprintf(out, "%s: %d bytes after %v\n", address, len(poem), time.Since(start))
	}
	for _, address := range addresses[1:] {
		client.GetPoetryAsync(context.Background(), &loop, address, func(poem []byte, err error) {
			report(address, poem)
		})
	}
	loop.Call(func() {
		poem, _ := client.GetPoetry(context.Background(), addresses[0]) // nothing else happens meanwhile
		report(addresses[0], poem)
	})
	return loop.Run()
}

// The form that it has: it returns nothing, and calls a function with the text.
func getPoetryLater(client *clients.Client, addresses []string, out io.Writer) error {
	var loop reactor.Reactor
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	for _, address := range addresses {
		client.GetPoetryAsync(ctx, &loop, address, func(poem []byte, err error) {
			fmt.Fprintf(out, "%s: %d bytes after %v, error: %v\n", address, len(poem), time.Since(start), err)
		})
	}
	fmt.Fprintln(out, "all calls have returned")
	return loop.Run()
}
