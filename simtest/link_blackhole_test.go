package simtest_test

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Through an MTU black hole, handshakes and requests pass, but an answer that fills a
// packet never arrives, and its sender finally gives up.
func TestTunnelHangsInAnMTUBlackHole(t *testing.T) {
	hole := netem.Link{Latency: 20 * time.Millisecond, Rate: 10 * netem.Mbps, MTU: 1400, DropOversize: true}
	for _, congestion := range []netem.Congestion{netem.Unlimited, netem.CUBIC} {
		t.Run(congestion.String(), func(t *testing.T) {
			config := simtest.Config{TCP: netem.TCP{Congestion: congestion}}
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				sim.SetLink("server", "client", hole)
				sim.SetLink("client", "server", hole)
				listener, err := sim.Host("server").Listen("tcp", ":80")
				require.NoError(t, err)
				gaveUp := make(chan error, 1)
				go func() {
					conn, err := listener.Accept()
					if !assert.NoError(t, err) {
						return
					}
					defer conn.Close()
					_, err = io.ReadFull(conn, make([]byte, 200))
					assert.NoError(t, err)
					_, err = conn.Write(make([]byte, 5)) // fits
					assert.NoError(t, err)
					time.Sleep(time.Second)
					_, _ = conn.Write(make([]byte, 40_000))
					_, err = conn.Read(make([]byte, 1))
					gaveUp <- err
				}()
				conn, err := sim.Host("client").Dial("tcp", "server:80")
				require.NoError(t, err)
				_, err = conn.Write(make([]byte, 200))
				require.NoError(t, err)
				_, err = io.ReadFull(conn, make([]byte, 5))
				require.NoError(t, err)
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
				n, err := conn.Read(make([]byte, 1))
				assert.Zero(t, n)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				assert.ErrorIs(t, <-gaveUp, syscall.ETIMEDOUT)
			})
		})
	}
}
