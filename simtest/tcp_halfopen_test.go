package simtest_test

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Over a link that takes longer than the accepting end waits for the confirmation,
// that is answered with a reset when it comes, even if a SYN that was sent again has
// begun another handshake meanwhile.
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

// A SYN that comes when the accepting end has given up begins another handshake, which
// leads to a connection as any does.
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
