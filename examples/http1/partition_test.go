package http1

import (
	"context"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// partition cuts the two hosts off from each other.
func partition(sim *simtest.Sim) { sim.Partition([]string{"client"}, []string{"server"}) }

// timeout is TCP's retransmission timeout, srtt + max(200 ms, 4 rttvar), on a
// connection that has measured one round trip: rttvar is half of that round trip.
const timeout = roundTrip + 4*roundTrip/2

// retransmission returns the time after which TCP retransmits an unacknowledged segment
// for the nth time: 0.6 s, 1.2 s, 2.4 s and so on. The first retransmission is a tail
// loss probe, which for a single segment is due after 2 srtt + 200 ms, or after the
// timeout if that is less. Then the timeout begins, and doubles each time.
func retransmission(n int) time.Duration { return timeout << (n - 1) }

// A request that is lost in a partition is retransmitted after 0.6 s, 1.2 s and
// 2.4 s. The partition heals after two seconds, so the last retransmission gets
// through.
func TestPartitionThatHeals(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello)})
		client := newClient(t, sim.Host("client"))
		_, _ = get(t, client, "http://server/")

		partition(sim)
		sim.At(sim.Elapsed()+2*time.Second, func() { sim.Heal() })
		_, took := get(t, client, "http://server/")
		assert.Equal(t, 2400*time.Millisecond, retransmission(3))
		assert.Equal(t, retransmission(3)+roundTrip, took)

		_, took = get(t, client, "http://server/")
		assert.Equal(t, roundTrip, took, "on the same connection")
	})
}

// A short partition while the connection is idle is not noticed. Go's TCP
// keep-alive probes a silent peer after 15 s, and ends the connection when nine
// probes, 15 s apart, had no answer. The client detects that by itself, and
// reconnects for the next request.
func TestPartitionWhileIdle(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello)})
		client := newClient(t, sim.Host("client"))
		_, _ = get(t, client, "http://server/")
		const patience = (1 + 9) * 15 * time.Second

		partition(sim)
		time.Sleep(patience - 1)
		sim.Heal()
		_, took := get(t, client, "http://server/")
		assert.Equal(t, roundTrip, took)

		partition(sim)
		time.Sleep(patience + 1)
		sim.Heal()
		_, took = get(t, client, "http://server/")
		assert.Equal(t, 2*roundTrip, took)
	})
}

// A lost answer is retransmitted by the server, while the direction from the client to
// the server works all the time.
func TestPartitionOfTheAnswer(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				time.Sleep(time.Second)
			}
			hello(w, r)
		})})
		client := newClient(t, sim.Host("client"))
		_, _ = get(t, client, "http://server/")

		start := sim.Elapsed()
		sim.At(start+500*time.Millisecond, func() { sim.PartitionOneWay([]string{"server"}, []string{"client"}) })
		sim.At(start+2*time.Second, func() { sim.Heal() })
		// The answer is sent 1.1 s after the start, then after 0.6 s and 1.2 s.
		_, took := get(t, client, "http://server/slow")
		assert.Equal(t, oneWay+time.Second+retransmission(2)+oneWay, took)
	})
}

// A client with a timeout of five seconds waits for five seconds. Its request
// stays in flight nevertheless: TCP retransmits it until the partition has healed,
// and the server gets a request for whose response no client waits.
func TestPartitionAndClientTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		var mu sync.Mutex
		var asked []time.Duration
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked = append(asked, sim.Elapsed())
			mu.Unlock()
			hello(w, r)
		})})
		client := newClient(t, sim.Host("client"))
		client.Timeout = 5 * time.Second
		_, _ = get(t, client, "http://server/")

		partition(sim)
		start := sim.Elapsed()
		_, err := client.Get("http://server/")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, sim.Elapsed()-start)

		// The client has closed the connection. It reconnects.
		sim.Heal()
		_, took := get(t, client, "http://server/")
		assert.Equal(t, 2*roundTrip, took)

		time.Sleep(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, []time.Duration{
			roundTrip + oneWay,
			start + 5*time.Second + roundTrip + oneWay,
			start + retransmission(5) + oneWay, // 9.6 s
		}, asked)
	})
}

// A client that connects retries each second five times, then after 7 s, 11 s, 19
// s and so on.
func TestPartitionWhileConnecting(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello)})
		client := newClient(t, sim.Host("client"))

		partition(sim)
		sim.At(6*time.Second, func() { sim.Heal() })
		_, took := get(t, client, "http://server/")
		assert.Equal(t, 7*time.Second+2*roundTrip, took)
		client.CloseIdleConnections()

		// If the partition does not heal, the client gives up after 131 s, as
		// Linux does: 64 s after the last attempt.
		partition(sim)
		start := sim.Elapsed()
		_, err := client.Get("http://server/")
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 131*time.Second, sim.Elapsed()-start)
	})
}

// The server closes an idle connection while nothing reaches the client, which
// learns of it from TCP's next retransmission: 2.4 seconds late. A request that
// crosses the close is sent again on a new connection.
func TestPartitionHidesIdleTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello), IdleTimeout: 10 * time.Second})
		client := newClient(t, sim.Host("client"))
		_, _ = get(t, client, "http://server/")
		closes := sim.Elapsed() - oneWay + 10*time.Second

		partition(sim)
		sim.At(closes+2*time.Second, func() { sim.Heal() })
		time.Sleep(closes + retransmission(3) - sim.Elapsed() + oneWay/2)
		_, took := get(t, client, "http://server/")
		assert.Equal(t, oneWay/2+2*roundTrip, took)
	})
}

// A body that is interrupted in the middle continues with TCP's first retransmission
// after the partition, when its timeout expires. Each round trip without deviation
// reduces the mean deviation by a quarter, and Linux lets rttvar follow by a quarter
// once a round trip: after two of them, 4 rttvar is 400 - (400 - 225) / 4 ms.
func TestPartitionInBody(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 5 {
				time.Sleep(time.Second)
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
			}
		})})
		start := 2*roundTrip - oneWay // when the request has reached the server
		sim.At(start+2500*time.Millisecond, func() { partition(sim) })
		sim.At(start+3500*time.Millisecond, func() { sim.Heal() })
		response, err := newClient(t, sim.Host("client")).Get("http://server/")
		require.NoError(t, err)
		var arrived []time.Duration
		for one := make([]byte, 1); ; {
			if _, err := io.ReadFull(response.Body, one); err != nil {
				break
			}
			arrived = append(arrived, sim.Elapsed()-start-oneWay)
		}
		assert.NoError(t, response.Body.Close())
		assert.Equal(t, []time.Duration{
			time.Second,
			2 * time.Second,
			3*time.Second + roundTrip + 356250*time.Microsecond,
			4 * time.Second,
			5 * time.Second,
		}, arrived)
	})
}
