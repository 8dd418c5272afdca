package simtest_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withEach runs a test over ideal streams and over TCP.
func withEach(t *testing.T, config simtest.Config, f func(t *testing.T, sim *simtest.Sim, ideal bool)) {
	t.Helper()
	for _, congestion := range []netem.Congestion{netem.Unlimited, netem.CUBIC} {
		t.Run(congestion.String(), func(t *testing.T) {
			config.TCP.Congestion = congestion
			config.KeepPools = true
			config.Run(t, func(t *testing.T, sim *simtest.Sim) { f(t, sim, congestion == netem.Unlimited) })
		})
	}
}

// serve makes a host send size bytes to each client.
func serve(t *testing.T, host *simtest.Host, size int) {
	t.Helper()
	listener, err := host.Listen("tcp", ":1")
	require.NoError(t, err)
	go testnet.Serve(listener, func(conn net.Conn) { _, _ = conn.Write(make([]byte, size)) })
}

// fetch reads everything that a host's server sends.
func fetch(t *testing.T, from *simtest.Host, server string) (bytes int64) {
	t.Helper()
	conn, err := from.Dial("tcp", server+":1")
	if !assert.NoError(t, err) {
		return 0
	}
	defer conn.Close()
	bytes, err = io.Copy(io.Discard, conn)
	assert.NoError(t, err)
	return bytes
}

// fetchFromEach makes a client read from several servers at once, and returns the time
// that this takes.
func fetchFromEach(t *testing.T, sim *simtest.Sim, servers, size int) time.Duration {
	t.Helper()
	var all sync.WaitGroup
	start := sim.Elapsed()
	for i := range servers {
		name := fmt.Sprint("server", i)
		serve(t, sim.Host(name), size)
		all.Go(func() { assert.EqualValues(t, size, fetch(t, sim.Host("client"), name)) })
	}
	all.Wait()
	return sim.Elapsed() - start
}

// Downloads from several servers share the client's access.
func TestFourDownloadsShareTheAccess(t *testing.T) {
	took := make(map[int]time.Duration)
	for _, servers := range []int{1, 4} {
		withEach(t, simtest.Config{Link: netem.Link{Latency: 5 * ms}}, func(t *testing.T, sim *simtest.Sim, ideal bool) {
			sim.Host("client").SetAccess(netem.Profile{Down: netem.Link{Latency: 5 * ms, Rate: 12 * netem.Mbps}})
			got := fetchFromEach(t, sim, servers, 1_500_000)
			if ideal {
				assert.Equal(t, 30*ms+time.Duration(servers)*time.Second, got)
			} else {
				took[servers] = got
			}
		})
	}
	assert.InDelta(t, 4, took[4].Seconds()/took[1].Seconds(), 0.2)
	assert.InDelta(t, 4*1500./1448, took[4].Seconds(), 0.1)
}

// Traffic from a host to several others shares its Up, in both kinds of streams.
func TestUploadsShareTheAccess(t *testing.T) {
	withEach(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim, ideal bool) {
		sim.Host("server").SetAccess(netem.Profile{Up: netem.Link{Rate: 12 * netem.Mbps}})
		serve(t, sim.Host("server"), 750_000)
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() { assert.EqualValues(t, 750_000, fetch(t, sim.Host(fmt.Sprint("client", i)), "server")) })
		}
		all.Wait()
		if ideal {
			assert.Equal(t, time.Second, sim.Elapsed())
		} else {
			assert.InDelta(t, 1500./1448, sim.Elapsed().Seconds(), 0.05)
		}
	})
}

// The latencies of the sender's Up, the link and the receiver's Down add up; none of
// them applies between a host and itself.
func TestLatenciesOfAccessesAddUp(t *testing.T) {
	config := simtest.Config{Link: netem.Link{Latency: 4 * ms}}
	for _, rate := range []netem.Rate{0, 1000 * netem.Gbps} { // with a rate each hop is an event
		withEach(t, config, func(t *testing.T, sim *simtest.Sim, _ bool) {
			access := func(up, down time.Duration) netem.Profile {
				return netem.Profile{Up: netem.Link{Latency: up, Rate: rate}, Down: netem.Link{Latency: down, Rate: rate}}
			}
			sim.Host("a").SetAccess(access(1*ms, 2*ms))
			sim.Host("b").SetAccess(access(16*ms, 32*ms))
			const there, back = 1*ms + 4*ms + 32*ms, 16*ms + 4*ms + 2*ms
			round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

			listener, err := sim.Host("b").Listen("tcp", ":1")
			require.NoError(t, err)
			client, err := sim.Host("a").Dial("tcp", "b:1")
			require.NoError(t, err)
			assert.Equal(t, there+back, round(sim.Elapsed()))
			server, err := listener.Accept()
			require.NoError(t, err)
			assert.Equal(t, 2*there+back, round(sim.Elapsed()))
			start := sim.Elapsed()
			_, err = server.Write([]byte("x"))
			require.NoError(t, err)
			_, err = client.Read(make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, back, round(sim.Elapsed()-start))

			start = sim.Elapsed()
			require.NoError(t, server.(interface{ SetLinger(int) error }).SetLinger(0))
			require.NoError(t, server.Close())
			_, err = client.Read(make([]byte, 1))
			require.ErrorIs(t, err, syscall.ECONNRESET)
			assert.Equal(t, back, round(sim.Elapsed()-start))

			start = sim.Elapsed()
			_, err = sim.Host("a").Dial("tcp", "b:2")
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			assert.Equal(t, there+back, round(sim.Elapsed()-start))

			start = sim.Elapsed()
			ping, err := sim.Host("a").Dial("udp", "b:2")
			require.NoError(t, err)
			_, err = ping.Write([]byte("x"))
			require.NoError(t, err)
			_, err = ping.Read(make([]byte, 1))
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			assert.Equal(t, there+back, round(sim.Elapsed()-start))

			start = sim.Elapsed()
			serve(t, sim.Host("a"), 1000)
			assert.EqualValues(t, 1000, fetch(t, sim.Host("a"), "a"))
			assert.Equal(t, start, sim.Elapsed())
		})
	}
}

// receive opens a socket and records the times of datagrams, by their first byte.
func receive(t *testing.T, sim *simtest.Sim, host string) (arrivals func() string) {
	t.Helper()
	socket, err := sim.Host(host).ListenPacket("udp", ":5")
	require.NoError(t, err)
	var mu sync.Mutex
	var all []string
	go func() {
		for data := make([]byte, 3000); ; {
			_, _, err := socket.ReadFrom(data)
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, fmt.Sprintf("%c %v", data[0], sim.Elapsed()))
			mu.Unlock()
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(all, ", ")
	}
}

// sendTo sends datagrams, one after another.
func sendTo(t *testing.T, sim *simtest.Sim, from, to, names string, size int) {
	t.Helper()
	conn, err := sim.Host(from).Dial("udp", to+":5")
	require.NoError(t, err)
	for i := range len(names) {
		_, err := conn.Write([]byte(strings.Repeat(names[i:i+1], size)))
		require.NoError(t, err)
	}
}

// drops returns a configuration that records the reasons of drops.
func drops(reasons *[]string) simtest.Config {
	*reasons = nil
	return simtest.Config{KeepPools: true, Trace: func(e trace.Event) {
		if e.Kind == trace.Drop {
			*reasons = append(*reasons, e.Note)
		}
	}}
}

// Datagrams wait for the rate of each line, no matter which host sent the datagrams
// before them, and are dropped when its queue is full.
func TestDatagramsPassThreeLines(t *testing.T) {
	var reasons []string
	drops(&reasons).Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Rate: 80 * netem.Kbps, Latency: ms}})
		sim.SetLink("a", "c", netem.Link{Rate: 40 * netem.Kbps, Latency: 2 * ms})
		sim.Host("c").SetAccess(netem.Profile{Down: netem.Link{Rate: 20 * netem.Kbps, Latency: 4 * ms}})
		arrivals := receive(t, sim, "c")
		sendTo(t, sim, "a", "c", "12", 100)
		time.Sleep(20 * ms)
		sendTo(t, sim, "b", "c", "3", 100) // enters Down at 20 ms, before 1 does
		time.Sleep(time.Second)
		// 1 leaves Up at 10 ms, the link at 31 ms, and waits for 3, which has passed Down
		// at 60 ms.
		assert.Equal(t, "3 64ms, 1 104ms, 2 144ms", arrivals())
	})
	assert.Empty(t, reasons)

	short := netem.Link{Rate: 8 * netem.Kbps, Queue: netem.Queue{Packets: 1}}
	for where, set := range map[string]func(sim *simtest.Sim){
		"queue full, a's Up":   func(sim *simtest.Sim) { sim.Host("a").SetAccess(netem.Profile{Up: short}) },
		"queue full":           func(sim *simtest.Sim) { sim.SetLink("a", "c", short) },
		"queue full, c's Down": func(sim *simtest.Sim) { sim.Host("c").SetAccess(netem.Profile{Down: short}) },
	} {
		drops(&reasons).Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Latency: ms}})
			sim.Host("c").SetAccess(netem.Profile{Down: netem.Link{Rate: netem.Gbps}})
			set(sim)
			arrivals := receive(t, sim, "c")
			sendTo(t, sim, "a", "c", "12", 1000)
			time.Sleep(10 * time.Second)
			assert.Regexp(t, `^1 1\.00[0-9]*s$`, arrivals())
		})
		assert.Equal(t, []string{where}, reasons)
	}
}

// Impairments of an access affect everything that crosses it.
func TestLossOnAnAccess(t *testing.T) {
	lossy := netem.Link{Loss: netem.Loss{Random: 1}}
	for where, set := range map[string]func(sim *simtest.Sim){
		"a's Up":   func(sim *simtest.Sim) { sim.Host("a").SetAccess(netem.Profile{Up: lossy}) },
		"c's Down": func(sim *simtest.Sim) { sim.Host("c").SetAccess(netem.Profile{Down: lossy}) },
	} {
		for _, congestion := range []netem.Congestion{netem.Unlimited, netem.CUBIC} {
			var reasons []string
			config := drops(&reasons)
			config.TCP.Congestion = congestion
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				sim.SetDefaultLink(netem.Link{Latency: 10 * ms})
				serve(t, sim.Host("c"), 100)
				client, server := connected(t, sim)
				_ = server
				set(sim)
				arrivals := receive(t, sim, "c")
				sendTo(t, sim, "a", "c", "1", 100)
				_, err := sim.Host("a").Dial("tcp", "c:1")
				require.ErrorIs(t, err, syscall.ETIMEDOUT)
				assert.Empty(t, arrivals())
				_ = client
			})
			for _, reason := range reasons {
				assert.Contains(t, []string{"loss, " + where, "lost, " + where}, reason)
			}
			assert.Greater(t, len(reasons), 5)
		}
	}
}

// A writer gives up if the packets of its ideal stream are repeatedly lost on the
// peer's access.
func TestWriterOverALossyAccess(t *testing.T) {
	var reasons []string
	config := drops(&reasons)
	config.Link.Latency = 10 * ms
	withEach(t, config, func(t *testing.T, sim *simtest.Sim, ideal bool) {
		client, _ := connected(t, sim)
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{Loss: netem.Loss{Random: 1}}})
		_, err := client.Write([]byte("x"))
		require.NoError(t, err)
		_, err = client.Read(make([]byte, 1))
		if ideal {
			require.ErrorIs(t, err, syscall.ETIMEDOUT)
			assert.InDelta(t, 660, sim.Elapsed().Seconds(), 10)
			assert.Equal(t, []string{"lost 15 times, b's Down"}, reasons)
		} else { // keep-alive gets no answers to the peer
			require.ErrorIs(t, err, syscall.ECONNRESET)
			assert.InDelta(t, 150, sim.Elapsed().Seconds(), 1)
		}
	})
}

// A ping waits in the queue of another peer's transfer, which a discipline keeps short.
func TestPingBesideATransferOnTheAccess(t *testing.T) {
	ping := func(discipline netem.Discipline) (roundTrip time.Duration) {
		config := simtest.Config{Link: netem.Link{Latency: 10 * ms}, TCP: netem.TCP{Congestion: netem.CUBIC}}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			queue := netem.Queue{Packets: 100, Discipline: discipline}
			sim.Host("client").SetAccess(netem.Profile{Down: netem.Link{Rate: 10 * netem.Mbps, Queue: queue}})
			arrivals := receive(t, sim, "client")
			sim.At(2*time.Second, func() { sendTo(t, sim, "other", "client", "p", 10) })
			fetchFromEach(t, sim, 1, 4_000_000)
			var err error
			roundTrip, err = time.ParseDuration(strings.TrimPrefix(arrivals(), "p "))
			require.NoError(t, err)
			roundTrip -= 2 * time.Second
		})
		return roundTrip
	}
	fifo := ping(netem.FIFO)
	assert.Greater(t, fifo, 60*ms)
	assert.Less(t, fifo, 10*ms+101*1500*8*time.Second/10_000_000)
	assert.Less(t, ping(netem.CoDel), 40*ms)
	assert.Less(t, ping(netem.FQCoDel), 15*ms)
}

// The two copies of a datagram that was duplicated on one line have separate draws on
// the next.
func TestCopiesOnAnAccess(t *testing.T) {
	simtest.Config{Seed: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Duplicate: netem.Chance{Probability: 1}}})
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{Loss: netem.Loss{Random: 0.5}}})
		arrivals := receive(t, sim, "b")
		const names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		sendTo(t, sim, "a", "b", names, 1)
		sim.Settle()
		copies := make(map[int]int)
		for _, name := range names {
			copies[strings.Count(arrivals(), string(name)+" 0s")]++
		}
		assert.Greater(t, copies[0], 4)
		assert.Greater(t, copies[1], 10)
		assert.Greater(t, copies[2], 4)
	})
}

// An ideal stream takes as long as its packets take to pass three rates, one after
// another.
func TestIdealStreamPassesThreeRates(t *testing.T) {
	simtest.Config{TCP: netem.TCP{Congestion: netem.Unlimited}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Rate: 12 * netem.Mbps, Latency: ms}})
		sim.SetLink("a", "b", netem.Link{Rate: 6 * netem.Mbps, Latency: ms})
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{Rate: 120 * netem.Mbps, Latency: ms}})
		client, server := connected(t, sim)
		start := sim.Elapsed()
		_, err := client.Write(make([]byte, 150_000))
		require.NoError(t, err)
		require.NoError(t, client.Close())
		n, err := io.Copy(io.Discard, server)
		require.NoError(t, err)
		assert.EqualValues(t, 150_000, n)
		// The first packet takes 1 ms on Up, then a hundred take 2 ms each on the link,
		// and the last 0.1 ms on Down.
		assert.Equal(t, 3*ms+1*ms+200*ms+100*time.Microsecond, sim.Elapsed()-start)
	})
}

// The writer of an ideal stream waits for the queue of Up and for the queue of the link.
func TestQueueOfUpMakesAWriterWait(t *testing.T) {
	limited := netem.Link{Rate: 8 * netem.Kbps, Queue: netem.Queue{Bytes: 1000}, MTU: 100}
	longer := netem.Link{Queue: netem.Queue{Bytes: 5000}}
	for _, links := range [][2]netem.Link{{limited, {}}, {{}, limited}, {limited, longer}, {longer, limited}} {
		simtest.Config{TCP: netem.TCP{Congestion: netem.Unlimited}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("a").SetAccess(netem.Profile{Up: links[0]})
			sim.SetLink("a", "b", links[1])
			client := waitForTheQueue(t, sim)
			sim.At(2*time.Second, func() { sim.Host("a").SetAccess(netem.Profile{}) })
			sim.At(2*time.Second, func() { sim.SetLink("a", "b", netem.Link{}) })
			_, err := client.Write(make([]byte, 5000))
			require.NoError(t, err)
			assert.Equal(t, 2*time.Second, sim.Elapsed().Truncate(100*ms))
		})
	}
}

// A Pace on the link applies to each connection separately, with and without accesses.
func TestPaceBesideAnAccess(t *testing.T) {
	withEach(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim, _ bool) {
		sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Rate: 12 * netem.Mbps}})
		sim.SetLink("a", "b", netem.Link{Pace: netem.Pace{Bytes: 1000, Wait: 10 * ms}})
		client, server := connected(t, sim)
		start := sim.Elapsed()
		_, err := client.Write(make([]byte, 100_000))
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, server, 100_000)
		require.NoError(t, err)
		assert.InDelta(t, 1, (sim.Elapsed() - start).Seconds(), 0.03)
	})
}

// No more bytes arrive at a host than its access passes, whatever is sent to it.
func TestNoMoreArrivesThanTheAccessPasses(t *testing.T) {
	const rate = 4 * netem.Mbps
	for seed := range uint64(tier.Count(6, 200)) {
		type arrival struct {
			at time.Duration
			n  int
		}
		var all []arrival
		config := simtest.Config{Seed: seed, KeepPools: true, Trace: func(e trace.Event) {
			if e.To == "client" && e.Kind == trace.Data {
				all = append(all, arrival{e.At, e.Length})
			}
		}}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			random := rand.New(rand.NewPCG(seed, 0))
			client := sim.Host("client")
			client.SetAccess(netem.Profile{Down: netem.Link{Rate: rate, Queue: netem.Queue{Packets: 1 << 20}}})
			_ = receive(t, sim, "client")
			var fetches sync.WaitGroup
			for i := range 1 + random.IntN(5) {
				name, size := fmt.Sprint("server", i), 1+random.IntN(300_000)
				congestion := oneOf(random, netem.Unlimited, netem.CUBIC, netem.Reno)
				sim.Host(name).SetTCP(netem.TCP{Congestion: congestion})
				if congestion != netem.Unlimited {
					client.SetTCP(netem.TCP{Congestion: congestion})
				}
				sim.SetLink(name, "client", netem.Link{Latency: time.Duration(random.IntN(20)) * ms})
				serve(t, sim.Host(name), size)
				fetches.Go(func() { assert.EqualValues(t, size, fetch(t, client, name)) })
				sendTo(t, sim, name, "client", strings.Repeat("d", random.IntN(20)), 1+random.IntN(1500))
				time.Sleep(time.Duration(random.IntN(50)) * ms)
			}
			fetches.Wait()
		})
		// A bucket that holds a packet, and fills at the rate, is never empty.
		level, last := 1500.0, time.Duration(0)
		for _, a := range all {
			level = min(1500, level+float64(rate)/8*(a.at-last).Seconds()) - float64(a.n)
			last = a.at
			require.GreaterOrEqual(t, level, -0.01, "seed %d, at %v", seed, a.at)
		}
		require.NotEmpty(t, all)
	}
}

// Invalid arguments panic.
func TestInvalidAccess(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.PanicsWithValue(t, `simtest: Host.SetAccess of "a": netem: profile: Up: Latency is -1ns: it must be 0 or more`, func() {
			sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Latency: -1}})
		})
		assert.PanicsWithValue(t, `simtest: Host.SetAccess of "a": an access cannot have a Pace, which is not shared: set it with Sim.SetLink or Sim.SetDefaultLink`, func() {
			sim.Host("a").SetAccess(netem.Profile{Down: netem.Link{Pace: netem.Pace{Wait: 1}}})
		})
	})
}
