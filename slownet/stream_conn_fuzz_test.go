package slownet

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/require"
)

// text returns n bytes, from an offset on, of the text that the fuzzer sends.
func text(offset int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((offset + int64(i)) * 31 >> 3)
	}
	return b
}

// A talk is a connection over a pipe on which both ends send and receive all
// the time, whatever is done to it.
type talk struct {
	conn    *Conn
	far     net.Conn
	ends    sync.WaitGroup
	stopped atomic.Bool

	// The numbers of accepted bytes and of arrived bytes, by direction from
	// conn.
	accepted, arrived [2]int64
	wrong             error
}

func newTalk(conn *Conn, far net.Conn, random *rand.Rand) *talk {
	t := &talk{conn: conn, far: far}
	for direction, ends := range [2][2]net.Conn{{far, conn}, {conn, far}} {
		sizes := rand.New(rand.NewPCG(random.Uint64(), 0))
		pauses := rand.New(rand.NewPCG(random.Uint64(), 0))
		t.ends.Go(func() { t.speak(ends[0], &t.accepted[direction], pauses) })
		t.ends.Go(func() { t.listen(ends[1], &t.arrived[direction], sizes) })
	}
	return t
}

// speak writes the text until it is stopped or the connection has ended.
func (t *talk) speak(to net.Conn, accepted *int64, random *rand.Rand) {
	for !t.stopped.Load() {
		n, err := to.Write(text(*accepted, random.IntN(5000)))
		*accepted += int64(n)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		time.Sleep(time.Duration(1 + random.Int64N(int64(20*ms))))
	}
}

// listen reads the text until the connection has ended.
func (t *talk) listen(to net.Conn, arrived *int64, random *rand.Rand) {
	for {
		buffer := make([]byte, 1+random.IntN(5000))
		n, err := to.Read(buffer)
		if want := text(*arrived, n); string(want) != string(buffer[:n]) && t.wrong == nil {
			t.wrong = fmt.Errorf("%d bytes at %d differ from the bytes written", n, *arrived)
		}
		*arrived += int64(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(ms)
		} else if err != nil {
			return
		}
	}
}

// talkLink returns a link with a bit of everything.
func talkLink(random *rand.Rand) netem.Link {
	maybe := func(n int64) int64 {
		if random.IntN(3) > 0 {
			return 0
		}
		return random.Int64N(n)
	}
	share := func() float64 { return float64(maybe(200)) / 1000 }
	link := netem.Link{
		Latency:   time.Duration(maybe(int64(100 * ms))),
		Rate:      netem.Rate(maybe(100)) * 100 * netem.Kbps,
		Pace:      netem.Pace{Bytes: int(maybe(3000)), Wait: time.Duration(maybe(int64(30 * ms)))},
		Queue:     netem.Queue{Bytes: int(maybe(10000))},
		MTU:       int(maybe(3000)),
		Loss:      netem.Loss{Random: share()},
		Duplicate: netem.Chance{Probability: share(), Correlation: share()},
		Corrupt:   netem.Chance{Probability: share(), Correlation: share()},
		Reorder:   netem.Chance{Probability: share(), Correlation: share()},
	}
	if deviation := maybe(int64(50 * ms)); deviation > 0 {
		link.Jitter = netem.Jitter{Deviation: time.Duration(deviation), Distribution: []*netem.Distribution{nil, netem.Normal, netem.Pareto}[random.IntN(3)], Correlation: share()}
	}
	return link
}

// Whatever is done to a connection, and whenever, bytes keep their order, none
// is changed, duplicated or invented, and nothing hangs or leaks. Unless the
// connection was broken off, all accepted bytes arrive.
func FuzzConn(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, []byte("0123456789abcdefghijklmnop"))
	}
	f.Fuzz(func(t *testing.T, seed uint64, operations []byte) {
		if len(operations) > 100 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzConn(t, seed, operations) })
	})
}

func TestConnUnderRandomOperations(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		operations := make([]byte, random.IntN(100))
		for i := range operations {
			operations[i] = byte(random.Uint32())
		}
		synctest.Test(t, func(t *testing.T) { fuzzConn(t, seed, operations) })
	}
}

func fuzzConn(t *testing.T, seed uint64, operations []byte) {
	random := rand.New(rand.NewPCG(seed, 1))
	near, far := net.Pipe()
	conn := NewConn(near, Config{Read: talkLink(random), Write: talkLink(random), Seed: seed})
	talk := newTalk(conn, far, random)
	broken := false
	for _, operation := range operations {
		time.Sleep(time.Duration(random.Int64N(int64(200 * ms))))
		in := func(d time.Duration) time.Time { return time.Now().Add(time.Duration(random.Int64N(int64(d)))) }
		switch operation % 12 {
		case 0, 1:
			conn.SetLinks(talkLink(random), talkLink(random))
		case 2:
			conn.SetLinks(netem.Link{}, netem.Link{})
		case 3:
			conn.Stall()
		case 4, 5:
			conn.Resume()
		case 6:
			require.NoError(t, conn.SetReadDeadline(in(100*ms)))
		case 7:
			require.NoError(t, conn.SetWriteDeadline(in(100*ms)))
		case 8, 9:
			require.NoError(t, conn.SetDeadline(time.Time{}))
		case 10:
			if operation > 200 {
				broken = true
				conn.CloseAfter(Direction(random.IntN(2)), random.Int64N(10000))
			}
		case 11:
			if operation > 200 {
				broken = true
				conn.Reset()
			}
		}
	}
	conn.Resume()
	_ = conn.SetDeadline(time.Time{})
	talk.stopped.Store(true)
	time.Sleep(time.Hour) // until everything in flight was read
	err := shut(conn)
	if !broken {
		require.NoError(t, err)
	}
	talk.ends.Wait()
	require.NoError(t, far.Close())
	require.NoError(t, talk.wrong)
	if !broken {
		require.Equal(t, talk.accepted[Write], talk.arrived[Write], "what was written arrives")
		require.LessOrEqual(t, talk.arrived[Read], talk.accepted[Read])
	}
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = io.Copy(io.Discard, conn)
	require.ErrorIs(t, err, net.ErrClosed)
}
