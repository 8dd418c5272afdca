package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A connection whose SYN-ACK was lost ends with its listener: a crashed machine does
// not retransmit it, and a machine that is up refuses the next SYN, since there is no
// listener.
func TestHalfOpenConnectionsGoWithTheListener(t *testing.T) {
	const refused = 1000*ms + 2*latency // the second SYN is
	for _, test := range []struct {
		name  string
		end   func(server *simtest.Host, listener net.Listener)
		want  error
		after time.Duration
	}{
		{"crash", func(h *simtest.Host, _ net.Listener) { h.Crash() }, syscall.ETIMEDOUT, 131 * time.Second},
		{"kill", func(h *simtest.Host, _ net.Listener) { h.Kill() }, syscall.ECONNREFUSED, refused},
		{"close", func(_ *simtest.Host, l net.Listener) { _ = l.Close() }, syscall.ECONNREFUSED, refused},
		{"restart", func(h *simtest.Host, _ net.Listener) { h.Restart() }, syscall.ECONNREFUSED, refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
				client, server := sim.Host("client"), sim.Host("server")
				listener, err := server.Listen("tcp", ":80")
				require.NoError(t, err)
				sim.PartitionOneWay([]string{"server"}, []string{"client"})
				sim.At(500*ms, func() {
					sim.Heal()
					test.end(server, listener)
				})
				_, err = client.Dial("tcp", "server:80")
				require.ErrorIs(t, err, test.want)
				assert.Equal(t, test.after, sim.Elapsed())
			})
		})
	}
}

// A program that listens again after a restart answers the retransmitted SYN.
func TestRestartedListenerAnswersTheNextSYN(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		client, server := sim.Host("client"), sim.Host("server")
		server.Run(echoes(server, func(error) {}))
		sim.PartitionOneWay([]string{"server"}, []string{"client"})
		sim.At(500*ms, func() {
			sim.Heal()
			server.Restart()
		})
		conn, err := client.DialContext(context.Background(), "tcp", "server:7")
		require.NoError(t, err)
		assert.Equal(t, 1000*ms+2*latency, sim.Elapsed())
		write1(t, conn, 'x')
		read1(t, conn, 'x')
	})
}

// A host that crashes before the handshake has ended there does not retransmit the
// SYN-ACK, which would tell the other end that the host is up.
func TestCrashBeforeTheHandshakeHasEnded(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		client, err := sim.Host("a").Dial("tcp", "b:1")
		require.NoError(t, err)
		heard := sim.Elapsed()
		sim.Host("b").Crash()
		at, err := readError(t, sim, client)
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 150*time.Second, at-heard)
	})
}

// Over a link that takes longer than the accepting end waits for the confirmation, the
// confirmation is answered with a reset, even if a retransmitted SYN has begun another
// handshake meanwhile.
func TestConfirmationComesTooLate(t *testing.T) {
	for _, late := range []time.Duration{32, 33, 34, 45, 60, 65} {
		t.Run(fmt.Sprint(int(late)), func(t *testing.T) {
			late := late * time.Second
			overTCP(t, simtest.Config{Link: netem.Link{Latency: late}, TimeLimit: -1}, func(t *testing.T, sim *simtest.Sim) {
				_, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				client, err := sim.Host("a").Dial("tcp", "b:1")
				require.NoError(t, err)
				require.Equal(t, 2*late, sim.Elapsed())
				_, err = client.Write(make([]byte, 200))
				require.NoError(t, err)
				at, err := readError(t, sim, client)
				require.ErrorIs(t, err, syscall.ECONNRESET)
				assert.Equal(t, 4*late, at)
			})
		})
	}
}

// A SYN that arrives after the accepting end has given up begins another handshake,
// which leads to a normal connection.
func TestSYNAfterTheAnswersHaveEnded(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		a := sim.Host("a")
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		sim.At(65*time.Second, func() { sim.Heal() })
		client, err := a.Dial("tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, 67*time.Second+2*latency, sim.Elapsed())
		server, err := listener.Accept()
		require.NoError(t, err)
		write1(t, client, 'x')
		read1(t, server, 'x')
		write1(t, server, 'y')
		read1(t, client, 'y')
		require.NoError(t, server.Close())
		_, err = client.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
}
