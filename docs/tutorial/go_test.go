package tutorial

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// getAllAtOnce gets all poems, each with a goroutine that waits for its own.
func getAllAtOnce(client *clients.Client, addresses []string) [][]byte {
	poems := make([][]byte, len(addresses))
	var downloads sync.WaitGroup
	for i, address := range addresses {
		downloads.Go(func() {
			poems[i], _ = client.GetPoetry(context.Background(), address)
		})
	}
	downloads.Wait()
	return poems
}

func TestLesson(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		addresses := Serve(sim, Lesson())
		client := &clients.Client{Dial: sim.Host(Reader).DialContext}

		start := time.Now()
		client.GetAll(t.Context(), addresses)
		assert.Equal(t, 23*time.Second, time.Since(start))

		start = time.Now()
		client.GetAllAsync(t.Context(), addresses)
		assert.Equal(t, 10100*time.Millisecond, time.Since(start))

		start = time.Now()
		poems := getAllAtOnce(client, addresses)
		assert.Equal(t, 10100*time.Millisecond, time.Since(start))
		assert.Len(t, poems[0], 3003)
	})
}

// firstPieces returns the tasks of the first six pieces that arrive.
func firstPieces(t *testing.T, seed uint64) (tasks []int) {
	simtest.Config{Seed: seed}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		addresses := Serve(sim, Lesson())
		client := &clients.Client{Dial: sim.Host(Reader).DialContext}
		client.Observer = func(e clients.TaskEvent) {
			if e.Kind == clients.Piece && len(tasks) < 6 {
				tasks = append(tasks, e.Task)
			}
		}
		client.GetAllAsync(t.Context(), addresses)
	})
	return tasks
}

// seeds shows the order of the first pieces with some seeds.
func seeds(t *testing.T) string {
	var out strings.Builder
	for seed := range uint64(4) {
		tasks := firstPieces(t, seed)
		assert.Equal(t, tasks, firstPieces(t, seed))
		fmt.Fprintf(&out, "seed %d: tasks %s\n", seed, strings.Trim(fmt.Sprint(tasks), "[]"))
	}
	return out.String()
}

// cutOff gets the poems while the network to the first server is cut for five seconds.
func cutOff(t *testing.T, timeout time.Duration) (results []clients.Result) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		addresses := Serve(sim, Lesson())
		sim.At(2*time.Second, func() { sim.Partition([]string{"poet1"}, []string{Reader}) })
		sim.At(7*time.Second, func() { sim.Heal() })
		client := &clients.Client{Dial: sim.Host(Reader).DialContext, Timeout: timeout}
		results = client.GetAllAsync(t.Context(), addresses)
	})
	return results
}

// faults shows what a partition does to a patient and to an impatient client.
func faults(t *testing.T) string {
	var out strings.Builder
	for _, timeout := range []time.Duration{time.Minute, 3 * time.Second} {
		fmt.Fprintf(&out, "with a timeout of %v:\n", timeout)
		for i, result := range cutOff(t, timeout) {
			fmt.Fprintf(&out, "  task %d: %d bytes after %v, error: %v\n", i+1, len(result.Poem), result.Elapsed, result.Err)
		}
	}
	return out.String()
}
