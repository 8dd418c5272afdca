package simtest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fault of a schedule has the same effects as the test's own call, on connections
// that are busy, idle, or wait for their peers, and on datagrams.
func TestChaosEqualsTheTestsOwnFaults(t *testing.T) {
	const ms = time.Millisecond
	link := netem.Link{Latency: 20 * ms}
	slow, lossy, gone := link, link, link
	slow.Latency += 300 * ms
	lossy.Loss.Random = 0.3
	gone.Loss.Random = 1
	a, b := []string{"a"}, []string{"b"}
	both := func(sim *Sim, link netem.Link) { sim.SetProfile("a", "b", netem.Profile{Up: link, Down: link}) }
	misbehaves := Name{Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	for words, calls := range map[string]struct{ begin, end func(sim *Sim) }{
		"partition a | b":     {func(sim *Sim) { sim.Partition(a, b) }, func(sim *Sim) { sim.Heal() }},
		"partition a > b":     {func(sim *Sim) { sim.PartitionOneWay(a, b) }, func(sim *Sim) { sim.Heal() }},
		"partition b > a":     {func(sim *Sim) { sim.PartitionOneWay(b, a) }, func(sim *Sim) { sim.Heal("a") }},
		"hold a | b":          {func(sim *Sim) { sim.Hold("a", "b") }, func(sim *Sim) { sim.Release("a", "b") }},
		"slow a | b by 300ms": {func(sim *Sim) { both(sim, slow) }, func(sim *Sim) { both(sim, link) }},
		"lossy a | b by 30%":  {func(sim *Sim) { both(sim, lossy) }, func(sim *Sim) { both(sim, link) }},
		"lossy b > a by 100%": {func(sim *Sim) { sim.SetLink("b", "a", gone) }, func(sim *Sim) { sim.SetLink("b", "a", link) }},
		"kill b":              {func(sim *Sim) { sim.Host("b").Kill() }, func(sim *Sim) { sim.Host("b").Restart() }},
		"crash b":             {func(sim *Sim) { sim.Host("b").Crash() }, func(sim *Sim) { sim.Host("b").Restart() }},
		"crash a":             {func(sim *Sim) { sim.Host("a").Crash() }, func(sim *Sim) { sim.Host("a").Restart() }},
		"pause b":             {func(sim *Sim) { sim.Host("b").Pause() }, func(sim *Sim) { sim.Host("b").Resume() }},
		"name b":              {func(sim *Sim) { sim.SetName("b", misbehaves) }, func(sim *Sim) { sim.SetName("b", Name{}) }},
		"restart b":           {func(sim *Sim) { sim.Host("b").Restart() }, nil},
		"reset b | a":         {func(sim *Sim) { sim.Reset("a", "b") }, nil},
	} {
		for _, tcp := range []netem.TCP{{}, {Congestion: netem.Unlimited}} {
			for lasts, at := range map[time.Duration]time.Duration{
				4 * time.Minute: 1530 * ms, // long enough for an idle end to give up
				2500 * ms:       1455 * ms, // something is in flight
			} {
				if lasts > time.Minute && tcp.Congestion == netem.Unlimited && !tier.Long() {
					continue
				}
				line := fmt.Sprintf("fault %v %s", at, words)
				if calls.end != nil {
					line += fmt.Sprintf(" for %v", lasts)
				}
				events := func(chaos Chaos, script func(sim *Sim)) (events []string) {
					config := Config{Link: link, TCP: tcp, Window: 30_000, Chaos: chaos, Trace: func(e trace.Event) {
						if e.Kind != trace.Fault && e.Kind != trace.HostEvent {
							events = append(events, e.String())
						}
					}}
					carriedOut(t, config, func(t *testing.T, sim *Sim) {
						script(sim)
						everyKindOfTraffic(t, sim)
						time.Sleep(lasts + 30*time.Second)
					})
					return events
				}
				own := events(Chaos{}, func(sim *Sim) {
					sim.At(at, func() { calls.begin(sim) })
					if calls.end != nil {
						sim.At(at+lasts, func() { calls.end(sim) })
					}
				})
				require.Greater(t, len(own), 50)
				assert.Equal(t, own, events(Chaos{Schedule: line, Quiet: -1}, func(*Sim) {}), line)
			}
		}
	}
}

// everyKindOfTraffic makes host a talk to host b: on connections that are reopened when
// they fail, on an idle one, on one with a slow reader, and by datagrams.
func everyKindOfTraffic(t *testing.T, sim *Sim) {
	a, b := sim.Host("a"), sim.Host("b")
	a.Run(func(ctx context.Context) error { return chatter(ctx, a, "b") })
	b.Run(func(ctx context.Context) error { return chatter(ctx, b, "a") })
	read := func(conn net.Conn, pause time.Duration) {
		buffer := make([]byte, 10_000)
		for {
			if _, err := conn.Read(buffer); err != nil {
				_ = conn.Close()
				return
			}
			time.Sleep(pause)
		}
	}
	for i, pause := range []time.Duration{0, 170 * time.Millisecond} {
		listener, err := b.Listen("tcp", fmt.Sprint(":", i+2))
		require.NoError(t, err)
		b.Go(func(context.Context) {
			conn, err := listener.Accept()
			if err == nil {
				read(conn, pause)
			}
		})
	}
	a.Go(func(context.Context) {
		if conn, err := a.Dial("tcp", "b:2"); err == nil {
			read(conn, 0)
		}
	})
	a.Go(func(context.Context) {
		if conn, err := a.Dial("tcp", "b:3"); err == nil {
			_, _ = conn.Write(make([]byte, 400_000))
			_ = conn.Close()
		}
	})
	socket, err := b.ListenPacket("udp", ":4")
	require.NoError(t, err)
	b.Go(func(context.Context) {
		for err := error(nil); err == nil; {
			_, _, err = socket.ReadFrom(make([]byte, 10))
		}
	})
	a.Go(func(ctx context.Context) {
		conn, err := a.Dial("udp", "b:4")
		if err != nil {
			return
		}
		for ctx.Err() == nil {
			_, _ = conn.Write([]byte("datagram"))
			time.Sleep(410 * time.Millisecond)
		}
	})
}
