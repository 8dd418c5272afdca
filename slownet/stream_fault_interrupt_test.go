package slownet

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Writes of several goroutines do not interleave, even when a fault interrupts
// them in the middle.
func TestFaultsDoNotTearWrites(t *testing.T) {
	const size = 4 << 20
	for range 5 {
		near, far := tcpPairOf(t, Config{}, Config{})
		conn := near.(*Conn)
		var writing sync.WaitGroup
		for w := range 3 {
			writing.Go(func() {
				_, err := conn.Write(bytes.Repeat([]byte{byte('A' + w)}, size))
				assert.NoError(t, err)
			})
		}
		time.Sleep(5 * ms) // all of them are in the inner connection, which takes no more
		conn.Stall()
		conn.SetLinks(netem.Link{}, netem.Link{Latency: ms})
		conn.Resume()
		got := make([]byte, 3*size)
		_, err := io.ReadFull(far, got)
		require.NoError(t, err)
		for i := range 3 {
			part := got[i*size : (i+1)*size]
			assert.Equal(t, size, bytes.Count(part, part[:1]))
		}
		writing.Wait()
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	}
}

// Writers, and CloseWrite, do not wait for an io.Copy that waits for its
// source.
func TestWritesBesideAnIdleCopy(t *testing.T) {
	first, source := rawTCPPair(t)
	destination, last := rawTCPPair(t)
	conn := NewConn(destination, Config{})
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, source)
		copied <- err
	}()
	time.Sleep(10 * ms)
	conn.Stall()
	conn.Resume()
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(10*time.Second)))
	_, err := conn.Write([]byte("word"))
	require.NoError(t, err)
	got := make([]byte, 4)
	_, err = io.ReadFull(last, got)
	require.NoError(t, err)
	assert.Equal(t, "word", string(got))
	require.NoError(t, conn.CloseWrite())
	_, err = last.Read(got)
	assert.Equal(t, io.EOF, err)
	require.NoError(t, first.Close())
	require.NoError(t, <-copied)
	for _, c := range []net.Conn{source, conn, last} {
		require.NoError(t, c.Close())
	}
}

// Both ends see the end of the stream after CloseAfter, even with unread bytes.
func TestCloseAfterWithUnreadBytes(t *testing.T) {
	for _, direction := range []Direction{Read, Write} {
		for _, link := range []netem.Link{{}, {Latency: 5 * ms}} {
			near, far := tcpPairOf(t, bothWays(link), Config{})
			conn := near.(*Conn)
			conn.CloseAfter(direction, 1000)
			_, err := far.Write(make([]byte, 5000))
			require.NoError(t, err)
			time.Sleep(10 * ms)
			want := 0
			if direction == Write {
				want, _ = conn.Write(make([]byte, 2000))
				assert.Equal(t, 1000, want)
			} else {
				n, err := io.Copy(io.Discard, conn)
				require.NoError(t, err)
				assert.Equal(t, int64(1000), n)
			}
			n, err := io.Copy(io.Discard, far)
			assert.NoError(t, err)
			assert.Equal(t, int64(want), n)
			require.NoError(t, conn.Close())
			require.NoError(t, far.Close())
		}
	}
}

// Bytes up to CloseAfter's limit arrive, even if the peer reads them late, and bytes
// from the peer are unread: a reset would destroy them.
func TestCloseAfterAndASlowReader(t *testing.T) {
	const size = 1 << 20
	near, far := tcpPairOf(t, Config{}, Config{})
	conn := near.(*Conn)
	_, err := far.Write(make([]byte, 5000))
	require.NoError(t, err)
	time.Sleep(10 * ms)
	conn.CloseAfter(Write, size)
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		written <- err
	}()
	time.Sleep(50 * ms)
	n, err := io.Copy(io.Discard, far)
	assert.NoError(t, err)
	assert.Equal(t, int64(size), n)
	require.NoError(t, <-written)
	require.NoError(t, conn.Close())
	require.NoError(t, far.Close())
}

// A write that was interrupted in the middle goes on before writes that wait.
func TestAnInterruptedWriteGoesFirst(t *testing.T) {
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		conn.out.mu.Lock()
		conn.out.gate.shut()
		conn.out.halfDone = 1 // as exitWrite leaves it
		conn.out.mu.Unlock()
		go func() { _, _ = conn.Write([]byte("second")) }()
		synctest.Wait()
		go func() { _, _ = conn.out.write([]byte("first"), true) }()
		got := make([]byte, 11)
		_, err := io.ReadFull(far, got)
		require.NoError(t, err)
		assert.Equal(t, "firstsecond", string(got))
	})
}

// Bytes that come in during a stall enter the link when the stall ends.
func TestBytesThatComeInDuringAStall(t *testing.T) {
	for _, before := range []bool{false, true} {
		overPipe(t, bothWays(netem.Link{Latency: time.Second}), func(t *testing.T, conn *Conn, far net.Conn) {
			start := time.Now()
			arrivals := readAll(conn)
			if before { // and is in flight when the stall begins
				_, err := far.Write([]byte("1"))
				require.NoError(t, err)
			}
			time.Sleep(500 * ms)
			conn.Stall()
			go func() { _, _ = far.Write([]byte("22")) }()
			time.Sleep(9500 * ms)
			conn.Resume()
			time.Sleep(5 * time.Second)
			require.NoError(t, far.Close())
			got := <-arrivals
			assert.Equal(t, arrival{2, 11 * time.Second}, got[len(got)-2])
			assert.Less(t, 10*time.Second, time.Since(start))
		})
	}
}

// The close of a connection that a listener delays arrives no sooner than its
// bytes would.
func TestCloseOfADelayedConnection(t *testing.T) {
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		conn.delay(time.Hour)
		end := readAll(far)
		require.NoError(t, conn.Close())
		assert.Equal(t, []arrival{{0, time.Hour}}, <-end)
	})
}

// However a clock is advanced while a connection is about to wait, nothing is
// missed.
func TestClockThatIsAdvancedAtAnyTime(t *testing.T) {
	for range 300 {
		mock := clock.NewMock()
		near, far := net.Pipe()
		conn := NewConn(near, Config{Clock: mock, Write: netem.Link{Latency: time.Second}})
		launched := make(chan struct{})
		go func() {
			_, _ = conn.Write([]byte("word"))
			close(launched)
		}()
		read := make(chan struct{})
		go func() {
			_, err := io.ReadFull(far, make([]byte, 4))
			assert.NoError(t, err)
			close(read)
		}()
		<-launched
		mock.Add(time.Second)
		select {
		case <-read:
		case <-time.After(10 * time.Second):
			t.Fatal("it was missed")
		}
		require.NoError(t, conn.SetLinger(0))
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	}
}

// Faults of a listener that are caused at the same time take effect one after
// another: they leave all connections, and the listener, in the same state.
func TestListenerFaultsAtTheSameTime(t *testing.T) {
	s := serve(t, Config{})
	var conns []*Conn
	for range 5 {
		_, conn := s.connect()
		conns = append(conns, conn)
	}
	for range 100 {
		var faults sync.WaitGroup
		faults.Go(s.Stall)
		faults.Go(s.Resume)
		faults.Wait()
		for _, conn := range conns {
			conn.in.mu.Lock()
			assert.Equal(t, s.stalled, conn.in.stalled)
			conn.in.mu.Unlock()
		}
	}
}

// A connection with a waiting reader costs no more than the reader's own memory.
func TestMemoryOfAWaitingReader(t *testing.T) {
	const n = 200
	for name, link := range map[string]netem.Link{"zero": {}, "shaped": {Latency: ms, Rate: netem.Mbps}} {
		synctest.Test(t, func(t *testing.T) {
			var conns []*Conn
			var readers sync.WaitGroup
			before := heapInUse()
			for range n {
				near, far := net.Pipe()
				conn := NewConn(near, bothWays(link))
				conns = append(conns, conn)
				readers.Go(func() {
					var buffer [16]byte
					_, _ = conn.Read(buffer[:])
					_ = far.Close()
				})
			}
			synctest.Wait()
			each := (heapInUse() - before) / n
			assert.Less(t, each, int64(8<<10), "%s, goroutine and pipe included", name)
			for _, conn := range conns {
				require.NoError(t, conn.SetLinger(0))
				require.NoError(t, conn.Close())
			}
			readers.Wait()
		})
	}
}

// heapInUse returns the size of the heap in bytes.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// A trace reports the bytes that were discarded when the connection was closed.
func TestTraceOfDiscardedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		near, far := net.Pipe()
		conn := NewConn(near, Config{Write: netem.Link{Latency: time.Second, Rate: 8 * netem.Kbps, Queue: netem.Queue{Bytes: 100}}, Trace: log.trace})
		for range 2 {
			_, err := conn.Write(make([]byte, 10))
			require.NoError(t, err)
		}
		require.NoError(t, conn.SetLinger(0))
		require.Error(t, shut(conn))
		assert.Contains(t, log.of(Write), "0s write drop 0+20 discarded")
		require.NoError(t, far.Close())
	})
}
