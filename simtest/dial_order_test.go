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
)

// Dials of one instant to several addresses do not race: those without an answer return
// in a fixed order, whether their host crashes or the simulation ends.
func TestOrderOfFailedDials(t *testing.T) {
	for name, end := range map[string]func(*simtest.Host){"crash": (*simtest.Host).Crash, "end": func(*simtest.Host) {}} {
		t.Run(name, func(t *testing.T) {
			repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
				for _, name := range []string{"b", "c", "d", "e", "f"} {
					sim.Host(name)
					sim.Blackhole(name)
					go func() {
						time.Sleep(time.Second)
						_, err := sim.Host("a").DialContext(context.Background(), "tcp", name+":1")
						note("%s: %v", name, err)
					}()
				}
				time.Sleep(2 * time.Second)
				end(sim.Host("a"))
				time.Sleep(time.Second)
			})
		})
	}
}

// UDP dials do not race either: the sockets' numbers and ports are in the order of the
// dialled addresses.
func TestOrderOfUDPDials(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		ear, err := sim.Host("b").ListenPacket("udp", ":9")
		require.NoError(t, err)
		for _, name := range []string{"one", "two", "three", "four"} {
			sim.SetName(name, simtest.Name{Host: "b"})
			go func() {
				time.Sleep(time.Second)
				conn, err := sim.Host("a").Dial("udp", name+":9")
				if assert.NoError(t, err) {
					assert.Equal(t, time.Second, sim.Elapsed(), "it takes no time")
					_, _ = io.WriteString(conn, name)
				}
			}()
		}
		for _, want := range []string{"four 32768", "one 32769", "three 32770", "two 32771"} {
			p := make([]byte, 100)
			n, from, err := ear.ReadFrom(p)
			require.NoError(t, err)
			heard := fmt.Sprint(string(p[:n]), " ", from.(*net.UDPAddr).Port)
			assert.Equal(t, want, heard)
			note("%s", heard)
		}
	})
}

// A UDP dial works on a paused host, as long as it is up.
func TestUDPDialOfAPausedHost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a := sim.Host("a")
		sim.Host("b")
		a.Pause()
		conn, err := a.Dial("udp", "b:1")
		require.NoError(t, err)
		assert.Zero(t, sim.Elapsed())
		a.Crash()
		_, err = conn.Write([]byte("x"))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = a.Dial("udp", "10.0.0.2:1")
		assert.ErrorIs(t, err, syscall.ENETDOWN)
	})
}
