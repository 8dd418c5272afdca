package http2

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// partition cuts the two hosts off from each other.
func partition(sim *simtest.Sim) { sim.Partition([]string{"client"}, []string{"server"}) }

// retransmission is how long after a first attempt TCP makes the nth to send
// something that is lost. It waits a round trip, which it has measured, then
// twice as long, and so on.
func retransmission(n int) time.Duration { return (1<<n - 1) * roundTrip }

// A client gives a request up after five seconds. Its connection stays, and
// works again when TCP next sends what was lost, 6.2 s after it was.
func TestPartitionAndClientTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, hello)
		client := &http.Client{Transport: newTransport(t, sim), Timeout: 5 * time.Second}
		get(t, client)

		partition(sim)
		start := sim.Elapsed()
		_, err := client.Get("https://server/")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, sim.Elapsed()-start)

		sim.Heal()
		get(t, client)
		assert.Equal(t, retransmission(5)+roundTrip, sim.Elapsed()-start)
		assert.Equal(t, roundTrip, get(t, client))
	})
}

// A client that sends a ping when it has heard nothing for ten seconds, and
// waits three for the answer, knows after thirteen seconds that the connection
// does not work.
func TestPartitionAndPing(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-r.Context().Done()
			}
			hello(w, r)
		})
		transport := newTransport(t, sim)
		transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 3 * time.Second}
		client := &http.Client{Transport: transport}
		get(t, client)
		heard := sim.Elapsed()

		sim.At(heard+5*time.Second, func() { partition(sim) })
		_, err := client.Get("https://server/slow")
		assert.ErrorContains(t, err, "client connection lost")
		assert.Equal(t, heard+10*time.Second+3*time.Second, sim.Elapsed())

		sim.Heal()
		assert.Equal(t, connecting+roundTrip, get(t, client))
	})
}

// While the network works the ping is answered, and a request may take as long
// as it wants.
func TestPingIsAnswered(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			hello(w, r)
		})
		transport := newTransport(t, sim)
		transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 3 * time.Second}
		assert.Equal(t, connecting+roundTrip+time.Hour, get(t, &http.Client{Transport: transport}))
	})
}
