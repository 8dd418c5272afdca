package simtest_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const century = 100 * 365 * 24 * time.Hour

// endless is the longest possible latency.
const endless time.Duration = 1<<63 - 1

// endsWithTheClock runs a simulation without a limit in a process of its own, and
// checks that it was stopped at the end of the clock.
func endsWithTheClock(t *testing.T, f func(t *testing.T, sim *simtest.Sim)) (output string) {
	t.Helper()
	output = failing(t, simtest.Config{TCP: unlimited, TimeLimit: -1}, f)
	if output != "" {
		assert.Contains(t, output, "stopped after 2296656h0m0s of simulated time: the clock has reached its end.")
	}
	return output
}

func TestLatencyOfACenturyWithoutATimeLimit(t *testing.T) {
	t.Parallel()
	output := endsWithTheClock(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetDefaultLink(netem.Link{Latency: century})
		client, _ := dialled(t, sim)
		assert.Equal(t, 2*century, sim.Elapsed())
		_, err := client.Write([]byte("x"))
		require.NoError(t, err)
		_, err = client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	if output != "" {
		assert.Contains(t, output, "the next event is at 2562047h47m16.854775807s\n")
	}
}

// dialled returns the dialling end of a connection that is not accepted yet.
func dialled(t *testing.T, sim *simtest.Sim) (net.Conn, net.Listener) {
	t.Helper()
	listener, err := sim.Host("b").Listen("tcp", ":1")
	require.NoError(t, err)
	client, err := sim.Host("a").Dial("tcp", "b:1")
	require.NoError(t, err)
	return client, listener
}

func TestDialOverAnEndlessLink(t *testing.T) {
	t.Parallel()
	endsWithTheClock(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("b")
		sim.SetDefaultLink(netem.Link{Latency: endless})
		_, err := sim.Host("a").Dial("tcp", "b:1")
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

// An event that is delayed to the end of time does not happen at once instead.
func TestEndlessWaysBack(t *testing.T) {
	t.Parallel()
	endsWithTheClock(t, func(t *testing.T, sim *simtest.Sim) {
		client, listener := dialled(t, sim)
		server, err := listener.Accept()
		require.NoError(t, err)
		udp, err := sim.Host("a").Dial("udp", "b:7")
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.SetLink("b", "a", netem.Link{Latency: endless})

		_, err = udp.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
		require.NoError(t, server.(interface{ CloseWrite() error }).CloseWrite())
		_, err = server.Read(make([]byte, 1))
		assert.EqualError(t, err, "EOF")
		time.Sleep(time.Second)
		assert.NoError(t, udp.SetReadDeadline(time.Now().Add(century)))
		_, err = udp.Read(make([]byte, 1))
		assert.ErrorContains(t, err, "i/o timeout", "the refusal is under way")
		assert.NoError(t, server.(interface{ CloseRead() error }).CloseRead(), "nothing says yet that the end has arrived")

		_, err = client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestWindowOverAnEndlessWayBack(t *testing.T) {
	t.Parallel()
	endsWithTheClock(t, func(t *testing.T, sim *simtest.Sim) {
		client, listener := dialled(t, sim)
		server, err := listener.Accept()
		require.NoError(t, err)
		sim.SetLink("b", "a", netem.Link{Latency: endless})
		go func() {
			for {
				if _, err := server.Read(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}()
		n, err := client.Write(make([]byte, 3<<20))
		assert.Equal(t, 1<<20, n)
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestEveryThatFiresOnlyOnce(t *testing.T) {
	t.Parallel()
	simtest.Config{TCP: unlimited, TimeLimit: -1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var calls []time.Duration
		sim.Every(endless/2+time.Hour, func() { calls = append(calls, sim.Elapsed()) })
		sim.Every(endless, func() { t.Error("called") })
		sim.At(endless, func() { t.Error("called") })
		time.Sleep(2 * century)
		sim.Settle()
		assert.Equal(t, []time.Duration{endless/2 + time.Hour}, calls)
	})
}

// A time limit beyond the end of the clock acts at that end.
func TestTimeLimitBeyondTheClock(t *testing.T) {
	t.Parallel()
	output := failing(t, simtest.Config{TimeLimit: endless}, func(t *testing.T, sim *simtest.Sim) { time.Sleep(endless) })
	if output != "" {
		assert.Contains(t, output, "the clock has reached its end")
	}
}
