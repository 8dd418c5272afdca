package simtest_test

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A writer that waits for room in a link's queue continues when the link gets another
// queue with room.
func TestQueueThatGrows(t *testing.T) {
	slow := netem.Link{Rate: 8 * netem.Kbps, Queue: netem.Queue{Bytes: 1000}}
	for what, set := range map[string]func(sim *simtest.Sim, link netem.Link){
		"SetLink":        func(sim *simtest.Sim, link netem.Link) { sim.SetLink("a", "b", link) },
		"SetDefaultLink": (*simtest.Sim).SetDefaultLink,
	} {
		ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
			conn, _ := connected(t, sim)
			set(sim, slow)
			sim.At(500*ms, func() { set(sim, netem.Link{}) })
			n, err := conn.Write(make([]byte, 10000))
			assert.NoError(t, err, what)
			assert.Equal(t, 10000, n, what)
			assert.Equal(t, 500*ms, sim.Elapsed(), what)
		})
	}
}

// The reset from a host that does not know a connection can be lost. The sender
// retransmits, and gets another reset.
func TestAnswerOfARestartedHostIsLost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, _ := connected(t, sim)
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		sim.Host("b").Restart()
		_, err := conn.Write([]byte("is anybody there?"))
		require.NoError(t, err)
		sim.At(10*time.Second, func() { sim.Heal() })
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// Packets sent by a paused host leave in order, before those that it sends after it is
// resumed.
func TestOrderOfAPausedHost(t *testing.T) {
	for seed := range uint64(20) {
		simtest.Config{Seed: seed}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			conn, peer := connected(t, sim)
			write := func(c net.Conn, text string) {
				_, err := io.WriteString(c, text)
				assert.NoError(t, err)
			}
			sim.Host("a").Pause()
			write(peer, "5")
			for _, text := range []string{"1", "2", "3", "4"} {
				time.Sleep(time.Second)
				write(conn, text)
			}
			go func() {
				answer := make([]byte, 1)
				_, err := io.ReadFull(conn, answer) // the first thing it sees when it is resumed
				assert.NoError(t, err)
				write(conn, string(answer))
			}()
			sim.Host("a").Resume()
			text := make([]byte, 5)
			_, err := io.ReadFull(peer, text)
			assert.NoError(t, err)
			assert.Equal(t, "12345", string(text), "seed %d", seed)
		})
	}
}

// Dials that began at one instant, and that a crash ends, return in a fixed order.
func TestOrderOfDialsAtACrash(t *testing.T) {
	repeats(t, 60, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		sim.Host("b")
		host := sim.Host("a")
		var dials sync.WaitGroup
		for _, address := range []string{"b:1", "b:2", "b:3", "b:4", "b:5"} {
			dials.Go(func() {
				_, err := host.Dial("tcp", address)
				note("%s %v", address, err)
			})
		}
		time.Sleep(ms)
		host.Crash()
		dials.Wait()
	})
}

// A reset ends connections that only the dialler knows so far.
func TestResetBeforeTheAccept(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := sim.Host("a").Dial("tcp", "b:1")
		require.NoError(t, err)
		sim.Reset("a", "b")
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		require.NoError(t, listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(time.Minute)))
		_, err = listener.Accept()
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "there is none")
	})
}

// An end that has given up answers later segments with a reset.
func TestAnswerOfAnEndThatHasGivenUp(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		sim.PartitionOneWay([]string{"a"}, []string{"b"})
		_, err := conn.Write([]byte("is anybody there?"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		_, err = peer.Write([]byte("yes"))
		require.NoError(t, err)
		sim.Heal()
		_, err = peer.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// Data that arrives at a closed end is answered, or retransmitted until it is.
func TestAnswerOfAClosedEndIsLost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("b", "a", netem.Link{Latency: time.Second})
		conn, peer := connected(t, sim)
		_, err := peer.Write([]byte("are you there?"))
		require.NoError(t, err)
		time.Sleep(500 * ms)
		sim.Partition([]string{"a"}, []string{"b"})
		require.NoError(t, conn.Close())
		sim.At(time.Hour, func() { sim.Heal() })
		_, err = peer.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Less(t, sim.Elapsed(), time.Hour)
	})
}

// The answer to a dial that waits for a paused host does not survive a crash.
func TestDialOfAPausedHostThatCrashes(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		host := sim.Host("a")
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		sim.At(500*ms, host.Pause)
		sim.At(5*time.Second, host.Crash)
		_, err = host.Dial("tcp", "b:1")
		assert.ErrorIs(t, err, syscall.ENETDOWN)
		assert.Equal(t, 5*time.Second, sim.Elapsed())
	})
}

// A closed end that has given up answers as if it had never existed.
func TestAnswerOfAClosedEndThatHasGivenUp(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		sim.PartitionOneWay([]string{"a"}, []string{"b"})
		require.NoError(t, conn.Close())
		time.Sleep(20 * time.Minute) // until it gives up
		_, err := peer.Write([]byte("are you there?"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.Heal()
		_, err = peer.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// A host that refuses continues to do so when one of its ports becomes a black hole.
func TestRefusedBehindABlackhole(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		sim.Refuse("b")
		sim.At(500*ms, func() { sim.Blackhole("b:1") }) // the request is in flight
		_, err = sim.Host("a").Dial("tcp", "b:1")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

// A reset that answers data is not queued after a lost end of the stream.
func TestResetIsNotHeldUpByALostEnd(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 100 * time.Millisecond}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		time.Sleep(time.Second)
		sim.Partition([]string{"a"}, []string{"b"})
		start := sim.Elapsed()
		require.NoError(t, peer.Close()) // sent at 0, again at 0.2 s, 0.6 s, 1.4 s
		time.Sleep(time.Second)
		sim.Heal()
		_, err := conn.Write([]byte("x")) // arrives at the closed peer at 1.1 s
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, 1200*time.Millisecond, sim.Elapsed()-start)
	})
}

// A lost reset is not retransmitted: nothing remembers the connection.
func TestLostResetIsNotRetransmitted(t *testing.T) {
	simtest.Config{TCP: unlimited, Link: netem.Link{Latency: 100 * time.Millisecond}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		_, err := conn.Write([]byte("unread"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.Partition([]string{"a"}, []string{"b"})
		require.NoError(t, peer.Close()) // a reset
		time.Sleep(time.Second)
		sim.Heal()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorContains(t, err, "i/o timeout", "at %v", sim.Elapsed())
	})
}

// A writer that waits for room in the window keeps probing, and so learns that the
// other end is gone even if there was no notice, or the notice was lost.
func TestWriterWithAFullWindowFindsOut(t *testing.T) {
	tests := []struct {
		what string
		goes func(sim *simtest.Sim, peer net.Conn)
		err  error
		at   time.Duration // since it vanished; probed at 0.2 s, 0.6 s, 1.4 s
	}{
		{"the reset is lost", func(sim *simtest.Sim, peer net.Conn) {
			sim.Partition([]string{"a"}, []string{"b"})
			assert.NoError(t, peer.Close())
			time.Sleep(time.Second)
			sim.Heal()
		}, syscall.ECONNRESET, 1600 * ms},
		{"the window update is lost", func(sim *simtest.Sim, peer net.Conn) {
			sim.PartitionOneWay([]string{"b"}, []string{"a"})
			_, err := io.ReadFull(peer, make([]byte, 1<<20))
			assert.NoError(t, err)
			assert.NoError(t, peer.Close())
			time.Sleep(time.Second)
			sim.Heal()
		}, syscall.ECONNRESET, 1600 * ms},
		{"the window update is lost, and the close comes later", func(sim *simtest.Sim, peer net.Conn) {
			sim.PartitionOneWay([]string{"b"}, []string{"a"})
			_, err := io.ReadFull(peer, make([]byte, 1<<20))
			assert.NoError(t, err)
			time.Sleep(500 * ms)
			assert.NoError(t, peer.Close())
			time.Sleep(500 * ms)
			sim.Heal()
		}, syscall.ECONNRESET, 1300 * ms},
		{"the host is restarted", func(sim *simtest.Sim, _ net.Conn) {
			sim.Host("b").Crash()
			time.Sleep(time.Second)
			sim.Host("b").Restart()
		}, syscall.ECONNRESET, 1600 * ms},
		{"the host has crashed", func(sim *simtest.Sim, _ net.Conn) {
			sim.Host("b").Crash()
		}, syscall.ETIMEDOUT, 522200 * ms},
	}
	for _, test := range tests {
		simtest.Config{TCP: unlimited, Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			conn, peer := connected(t, sim)
			go func() {
				time.Sleep(time.Second - sim.Elapsed())
				test.goes(sim, peer)
			}()
			require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Hour)))
			n, err := conn.Write(make([]byte, 2<<20))
			assert.Equal(t, 1<<20, n, test.what)
			assert.ErrorIs(t, err, test.err, test.what)
			assert.Equal(t, time.Second+test.at, sim.Elapsed(), test.what)
		})
	}
}

// A writer finds out, too, if the connection was never accepted, and the reset from its
// closing listener is lost.
func TestWriterFindsOutThatTheListenerIsClosed(t *testing.T) {
	simtest.Config{TCP: unlimited, Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := sim.Host("a").Dial("tcp", "b:1")
		require.NoError(t, err)
		go func() {
			time.Sleep(time.Second - sim.Elapsed())
			sim.Partition([]string{"a"}, []string{"b"})
			assert.NoError(t, listener.Close())
			time.Sleep(time.Second)
			sim.Heal()
		}()
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Hour)))
		n, err := conn.Write(make([]byte, 2<<20))
		assert.Equal(t, 1<<20, n)
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, 2600*ms, sim.Elapsed())
	})
}

// Writers that get window updates after a network is healed continue in a fixed order.
func TestOrderOfWritersWhenHealed(t *testing.T) {
	repeatsIn(t, ideal, 40, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		var writers sync.WaitGroup
		var peers []net.Conn
		for i := range 6 {
			conn, err := sim.Host("a").Dial("tcp", "b:1")
			require.NoError(t, err)
			peer, err := listener.Accept()
			require.NoError(t, err)
			peers = append(peers, peer)
			writers.Go(func() {
				_, err := conn.Write(make([]byte, 1<<20+1))
				note("%d %v", i, err)
			})
		}
		sim.Settle()
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		for _, peer := range peers {
			_, err := io.ReadFull(peer, make([]byte, 1000))
			require.NoError(t, err)
		}
		sim.Settle()
		sim.Heal()
		writers.Wait()
	})
}

// Bytes that arrived before a reset can be read after it, whatever arrives later.
func TestUnreadBytesBeforeAReset(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		_, err := io.WriteString(conn, "before")
		require.NoError(t, err)
		time.Sleep(150 * ms)
		_, err = io.WriteString(conn, "behind")
		require.NoError(t, err)
		time.Sleep(50 * ms)
		sim.Reset("a", "b")
		time.Sleep(time.Second)
		text, err := io.ReadAll(peer)
		assert.Equal(t, "before", string(text))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// An end that is closed in both directions answers data with a reset, which overtakes
// bytes that it has not sent yet.
func TestDataForAnEndThatIsShutDown(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		sim.SetLink("a", "b", netem.Link{Latency: 100 * ms, Rate: 8 * netem.Kbps})
		sim.SetLink("b", "a", netem.Link{Latency: 100 * ms})
		_, err := conn.Write(make([]byte, 3000)) // in packets that take 1.5 s each
		require.NoError(t, err)
		require.NoError(t, conn.(half).CloseWrite())
		require.NoError(t, conn.(half).CloseRead())
		_, err = peer.Write([]byte("late"))
		require.NoError(t, err)
		time.Sleep(100 * ms)
		sim.Settle()
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		n, err := io.Copy(io.Discard, peer)
		assert.ErrorIs(t, err, syscall.ECONNRESET, "its end of the stream was not sent")
		assert.EqualValues(t, 1500, n, "the packet that was under way")
		assert.Equal(t, 1600*ms, sim.Elapsed())
	})
}
