package slownet

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// Every method may be called at any time, from any goroutine: nothing hangs,
// leaks or races.
func TestHammer(t *testing.T) {
	for seed := range tier.Count[uint64](30, 60) {
		random := rand.New(rand.NewPCG(seed, 3))
		config := Config{Read: hammerLink(random), Write: hammerLink(random), Seed: seed}
		near, far := tcpPairOf(t, config, Config{Read: hammerLink(random)})
		hammer(t, near.(*Conn), far, random)
	}
}

// hammerLink returns a link that is not too slow for real time, or none.
func hammerLink(random *rand.Rand) netem.Link {
	if random.IntN(3) == 0 {
		return netem.Link{}
	}
	link := talkLink(random)
	link.Latency /= 50
	link.Jitter.Deviation /= 50
	link.Pace.Wait /= 50
	link.Rate *= 100
	link.Loss, link.Corrupt = netem.Loss{}, netem.Chance{} // as retransmissions take seconds
	if link.Jitter.Deviation == 0 {
		link.Jitter = netem.Jitter{}
	}
	return link
}

func hammer(t *testing.T, conn *Conn, far net.Conn, random *rand.Rand) {
	var all sync.WaitGroup
	stop := make(chan struct{})
	repeat := func(do func(*rand.Rand)) {
		mine := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do(mine)
				}
			}
		})
	}
	pause := func(r *rand.Rand) { time.Sleep(time.Duration(r.Int64N(int64(2 * ms)))) }
	repeat(func(r *rand.Rand) { _, _ = conn.Write(make([]byte, r.IntN(20000))) })
	repeat(func(r *rand.Rand) { _, _ = conn.Read(make([]byte, r.IntN(20000))) })
	repeat(func(r *rand.Rand) { _, _ = far.Write(make([]byte, r.IntN(20000))) })
	repeat(func(r *rand.Rand) { _, _ = far.Read(make([]byte, r.IntN(20000))); runtime.Gosched() })
	repeat(func(r *rand.Rand) {
		pause(r)
		_ = conn.SetReadDeadline(time.Now().Add(time.Duration(r.Int64N(int64(ms)))))
	})
	repeat(func(r *rand.Rand) {
		pause(r)
		_ = conn.SetWriteDeadline(time.Now().Add(time.Duration(r.Int64N(int64(ms)))))
	})
	repeat(func(r *rand.Rand) { pause(r); _ = conn.SetDeadline(time.Time{}) })
	repeat(func(r *rand.Rand) { pause(r); conn.SetLinks(hammerLink(r), hammerLink(r)) })
	repeat(func(r *rand.Rand) { pause(r); conn.Stall(); pause(r); conn.Resume() })
	repeat(func(r *rand.Rand) { pause(r); _ = conn.SetLinger(r.IntN(3) - 1) })
	if random.IntN(2) == 0 {
		all.Go(func() { _, _ = io.Copy(conn, io.LimitReader(far, 100000)) })
		all.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	}
	end := random.IntN(4)
	time.Sleep(time.Duration(random.Int64N(int64(20 * ms))))
	switch end {
	case 0:
		conn.Reset()
	case 1:
		conn.CloseAfter(Direction(random.IntN(2)), random.Int64N(10000))
	case 2:
		_ = far.Close()
	}
	time.Sleep(time.Duration(random.Int64N(int64(5 * ms))))
	if random.IntN(2) == 0 {
		_ = conn.SetLinger(0)
	}
	closed := make(chan struct{})
	for range 2 {
		all.Go(func() { _ = shut(conn) })
	}
	if random.IntN(2) == 0 {
		time.Sleep(time.Duration(random.Int64N(int64(2 * ms))))
	}
	_ = far.Close()
	go func() {
		close(stop)
		all.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatalf("it hangs:\n%s", stacks())
	}
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = conn.Write(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}

// A goroutine exists while bytes are in flight, and none before and after.
func TestGoroutinesOnlyWhileInFlight(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: time.Second, Rate: netem.Mbps}), func(t *testing.T, conn *Conn, far net.Conn) {
		working := func() (working [2]bool) {
			synctest.Wait()
			for direction := range working {
				h := conn.half(Direction(direction))
				h.mu.Lock()
				working[direction] = h.background
				h.mu.Unlock()
			}
			return working
		}
		assert.Equal(t, [2]bool{}, working(), "a new connection")
		go func() { _, _ = io.ReadFull(far, make([]byte, 10)) }()
		_, err := conn.Write(make([]byte, 10))
		require.NoError(t, err)
		assert.Equal(t, [2]bool{Write: true}, working(), "what was written is in flight")
		time.Sleep(2 * time.Second)
		assert.Equal(t, [2]bool{}, working(), "it has arrived")

		go func() { _, _ = far.Write(make([]byte, 10)) }()
		_, err = conn.Read(make([]byte, 1))
		require.NoError(t, err)
		assert.Equal(t, [2]bool{Read: true}, working(), "nine wait to be read")
		_, err = io.ReadFull(conn, make([]byte, 9))
		require.NoError(t, err)
		assert.Equal(t, [2]bool{}, working(), "all is read")
	})
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	buffer := make([]byte, 1<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

// A deadline that passes while bytes are in flight costs none of them.
func TestDeadlineWhileInFlight(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() { _, _ = far.Write([]byte("late")) }()
		start := time.Now()
		require.NoError(t, conn.SetReadDeadline(start.Add(ms)))
		_, err := conn.Read(make([]byte, 4))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, ms, time.Since(start))
		require.NoError(t, conn.SetReadDeadline(time.Time{}))
		got := make([]byte, 4)
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err)
		assert.Equal(t, "late", string(got))
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// An end of the stream that was read ahead is reported only after the latency, and again by
// later reads.
func TestEndArrivesLate(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, far net.Conn) {
		go func() {
			_, _ = far.Write([]byte("all"))
			_ = far.Close()
		}()
		start := time.Now()
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "all", string(got))
		assert.Equal(t, time.Second, time.Since(start))
		_, err = conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
}

// A slow reader does not make the read-ahead take everything.
func TestUnreadIsBounded(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: ms}), func(t *testing.T, conn *Conn, far net.Conn) {
		var written atomic.Int64
		var writing sync.WaitGroup
		writing.Go(func() {
			for {
				n, err := far.Write(make([]byte, 1000))
				if written.Add(int64(n)); err != nil {
					return
				}
				time.Sleep(time.Microsecond)
			}
		})
		_, err := conn.Read(make([]byte, 1))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Greater(t, written.Load(), int64(maxUnread))
		assert.Less(t, written.Load(), int64(maxUnread+2000*1000))
		_, err = io.ReadFull(conn, make([]byte, 10<<20))
		require.NoError(t, err, "and then it goes on")
		require.NoError(t, far.Close())
		writing.Wait()
	})
}

// On a mock clock over a real socket, deadlines wake readers and writers on
// slow links, and bytes travel when the clock is advanced.
func TestMockClockBothWays(t *testing.T) {
	for _, tcp := range []netem.TCP{{Congestion: netem.Unlimited}, {Window: 1000}} {
		t.Run(tcp.Congestion.String(), func(t *testing.T) { checkMockClockBothWays(t, tcp) })
	}
}

func checkMockClockBothWays(t *testing.T, tcp netem.TCP) {
	mock := clock.NewMock()
	near, far := tcpPairOf(t, Config{Clock: mock, Read: netem.Link{Latency: 5 * time.Minute}, Write: netem.Link{Rate: 80}, TCP: tcp}, Config{})
	conn := near.(*Conn)
	_, err := far.Write([]byte("word"))
	require.NoError(t, err)
	results := make(chan error, 2)
	require.NoError(t, conn.SetDeadline(mock.Now().Add(time.Minute)))
	go func() {
		_, err := conn.Read(make([]byte, 4))
		results <- err
	}()
	go func() {
		_, err := conn.Write(make([]byte, 4000))
		results <- err
	}()
	time.Sleep(20 * ms)
	for range 2 {
		for done := false; !done; {
			mock.Add(time.Minute)
			select {
			case err := <-results:
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				done = true
			case <-time.After(ms):
			}
		}
	}
	require.NoError(t, conn.SetDeadline(time.Time{}))
	go func() {
		_, err := io.ReadFull(conn, make([]byte, 4))
		results <- err
	}()
	for done := false; !done; {
		mock.Add(time.Minute)
		select {
		case err := <-results:
			assert.NoError(t, err)
			done = true
		case <-time.After(ms):
		}
	}
	require.NoError(t, conn.SetLinger(0))
	require.NoError(t, conn.Close())
	require.NoError(t, far.Close())
}

// A raw connection is returned if the inner connection has one.
func TestSyscallConn(t *testing.T) {
	near, far := tcpPairOf(t, Config{}, Config{})
	raw, err := near.(*Conn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { assert.NotZero(t, fd) }))
	assert.IsType(t, &net.TCPConn{}, near.(*Conn).NetConn())
	require.NoError(t, near.Close())
	require.NoError(t, far.Close())
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		_, err := conn.SyscallConn()
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	})
}
