package simtest_test

import (
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heapInUse returns the number of bytes of the heap that are in use.
func heapInUse() int {
	least := uint64(math.MaxInt)
	for range 4 { // two for finalizers and pools, more because of other goroutines
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		least = min(least, stats.HeapAlloc)
	}
	return int(least)
}

// A thousand hosts listen (three hundred in the quick tests), and each connects to ten
// others: ten thousand connections, all open at once. Each carries some bytes there and
// back. When they are closed, nothing is left of them: a second round takes as much
// memory as the first. (The first leaves some memory in the runtime, which keeps
// goroutine structures.)
func TestTenThousandConnections(t *testing.T) {
	hosts, degree := tier.Count(300, 1000), 10
	if raceEnabled || testing.Short() {
		hosts = 200
	}
	conns := hosts * degree
	cfg := simtest.Config{Link: netem.Link{Latency: 5 * ms}}
	cfg.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var echoes sync.WaitGroup
		name := func(i int) string { return fmt.Sprint("h", i%hosts) }
		for i := range hosts {
			listener, err := sim.Host(name(i)).Listen("tcp", ":7")
			require.NoError(t, err)
			echoes.Go(func() { echoAll(&echoes, listener) })
		}
		var open, closed [2]int // bytes in use
		for round := range 2 {
			var exchanged, left sync.WaitGroup
			leave := make(chan struct{})
			start := sim.Elapsed()
			for i := range hosts {
				for j := range degree {
					exchanged.Add(1)
					left.Go(func() {
						conn, err := sim.Host(name(i)).DialContext(t.Context(), "tcp", name(i+j+1)+":7")
						if assert.NoError(t, err) {
							exchange(t, conn, 100)
						}
						exchanged.Done()
						<-leave
						assert.NoError(t, conn.Close())
					})
				}
			}
			exchanged.Wait()
			assert.Equal(t, 30*ms, sim.Elapsed()-start, "three round trips: to connect, and for two exchanges")
			open[round] = heapInUse()
			close(leave)
			left.Wait()
			time.Sleep(time.Second)
			closed[round] = heapInUse()
		}
		each := (open[1] - closed[0]) / conns
		t.Logf("%d connections: %d bytes each while open, %d in all afterwards", conns, each, closed[1]-closed[0])
		assert.Less(t, each, 8<<10, "bytes for a connection, with both ends")
		// The runtime keeps goroutines that have ended, and the test's process other memory.
		assert.Less(t, (closed[1]-closed[0])/conns, 64, "bytes for a connection that is closed")
	})
}

// echoAll echoes on every connection.
func echoAll(echoes *sync.WaitGroup, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		echoes.Go(func() {
			defer conn.Close()
			buffer := make([]byte, 256)
			for {
				n, err := conn.Read(buffer)
				if err != nil {
					return
				}
				if _, err := conn.Write(buffer[:n]); err != nil {
					return
				}
			}
		})
	}
}

// exchange sends some bytes and gets them back, twice.
func exchange(t *testing.T, conn net.Conn, size int) {
	t.Helper()
	sent, got := make([]byte, size), make([]byte, size)
	for i := range sent {
		sent[i] = byte(i)
	}
	for range 2 {
		_, err := conn.Write(sent)
		assert.NoError(t, err)
		_, err = io.ReadFull(conn, got)
		assert.NoError(t, err)
		assert.Equal(t, sent, got)
	}
}
