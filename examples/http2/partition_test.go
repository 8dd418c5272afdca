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

// timeout is TCP's retransmission timeout, srtt + max(200 ms, 4 rttvar), after the
// first request. The client's last frame acknowledges settings and gets no answer, so
// its acknowledgement is 40 ms late: srtt is 200 + 40/8 ms. After the first round trip,
// rttvar is half of that round trip. Each further round trip reduces the mean deviation
// by a quarter of the difference, and Linux lets rttvar follow by a quarter once a
// round trip: 4 rttvar is 400, then 400 - (400 - 225) / 4, then 356.25 - (356.25 -
// 208.75) / 4 ms.
const timeout = roundTrip + 5*time.Millisecond + 319375*time.Microsecond

// retransmission returns the time after which TCP retransmits an unacknowledged segment
// for the nth time. The retransmission timer waits for the timeout, and then twice as
// long each time. The first retransmission is a tail loss probe, after which the
// timeout begins.
func retransmission(n int) time.Duration { return timeout << (n - 1) }

// A client gives up on a request after five seconds. Its connection stays, and works
// again with TCP's next retransmission, 8.4 s after the segment was sent. Later data
// waits for another round trip, as a timeout leaves a window of one segment.
func TestPartitionAndClientTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, hello)
		client := &http.Client{Transport: newTransport(t, sim), Timeout: 5 * time.Second}
		get(t, client)
		time.Sleep(time.Second) // the last frame is acknowledged meanwhile

		partition(sim)
		start := sim.Elapsed()
		_, err := client.Get("https://server/")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, sim.Elapsed()-start)

		sim.Heal()
		get(t, client)
		assert.Equal(t, retransmission(5)+2*roundTrip, sim.Elapsed()-start)
		assert.Equal(t, roundTrip, get(t, client))
	})
}

// A client that sends a ping after ten seconds without data, and waits three
// for the answer, knows after thirteen seconds that the connection does not
// work.
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

// While the network works the ping is answered, and a request may take any
// time.
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
