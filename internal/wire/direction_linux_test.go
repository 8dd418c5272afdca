package wire

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arrivals collects delivered packets.
type arrivals struct {
	mu      sync.Mutex
	numbers []uint32
	at      []time.Time
	enough  chan struct{} // closed when want packets have been delivered
	want    int
}

func collect(want int) *arrivals { return &arrivals{want: want, enough: make(chan struct{})} }

func (a *arrivals) deliver(packet []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.numbers = append(a.numbers, binary.BigEndian.Uint32(packet))
	a.at = append(a.at, time.Now())
	if len(a.numbers) == a.want {
		close(a.enough)
	}
}

// carry runs a direction until the end of the test.
func carry(t *testing.T, link netem.Link, seed uint64, config Config) *Direction {
	t.Helper()
	config.Start = time.Now()
	d, err := New(link, seed, config)
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(d.Run)
	t.Cleanup(running.Wait)
	t.Cleanup(d.Stop)
	return d
}

func numbered(d *Direction, n uint32) []byte {
	packet := d.Buffer()[:100]
	binary.BigEndian.PutUint32(packet, n)
	return packet
}

// Packets from a file and from Send arrive after the latency, in order.
func TestPacketsArriveAfterTheLatency(t *testing.T) {
	t.Parallel()
	files, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = unix.Close(files[0]), unix.Close(files[1]) })
	const latency = 20 * time.Millisecond
	got := collect(4)
	d := carry(t, netem.Link{Latency: latency}, 1, Config{From: files[0], Deliver: got.deliver})
	start := time.Now()
	d.Send(numbered(d, 1))
	d.Send(numbered(d, 2))
	for n, want := range map[uint32]bool{1: true, 2: true, 3: false} {
		assert.Equal(t, want, d.IsCarrying(func(packet []byte) bool { return binary.BigEndian.Uint32(packet) == n }))
	}
	<-time.After(5 * time.Millisecond)
	for n := range uint32(2) {
		_, err := unix.Write(files[1], binary.BigEndian.AppendUint32(nil, 3+n))
		require.NoError(t, err)
	}
	<-got.enough
	assert.Equal(t, []uint32{1, 2, 3, 4}, got.numbers)
	assert.GreaterOrEqual(t, got.at[0].Sub(start), latency)
	assert.GreaterOrEqual(t, got.at[3].Sub(start), latency+5*time.Millisecond)
	assert.False(t, d.IsCarrying(func([]byte) bool { return true }))
	late := d.Late()
	assert.Equal(t, 4, late.Packets)
	assert.Positive(t, late.Most)
}

// The seed alone determines which packets are lost. On a link without latency, the other
// packets arrive before Send returns.
func TestSeedDeterminesLosses(t *testing.T) {
	t.Parallel()
	link := netem.Link{Loss: netem.Loss{Random: 0.5}, Duplicate: netem.Chance{Probability: 0.2}}
	arrived := func(seed uint64) []uint32 {
		got := collect(0)
		dropped := 0
		d := carry(t, link, seed, Config{From: -1, Deliver: got.deliver, Sent: func(_ time.Time, _ []byte, drop netem.Drop) {
			if drop != netem.NotDropped {
				dropped++
			}
		}})
		for n := range uint32(100) {
			d.Send(numbered(d, n))
		}
		assert.Greater(t, dropped, 20)
		return got.numbers
	}
	one := arrived(1)
	assert.Equal(t, one, arrived(1))
	assert.NotEqual(t, one, arrived(2))
}

// Packets that wait in a queue with a discipline arrive, and a change of the link
// applies to later packets.
func TestQueuedPacketsArriveAndLinksChange(t *testing.T) {
	t.Parallel()
	got := collect(10)
	d := carry(t, netem.Link{Rate: netem.Mbps, Queue: netem.Queue{Discipline: netem.FQCoDel}}, 1, Config{From: -1, Deliver: got.deliver})
	start := time.Now()
	for n := range uint32(10) { // 0.8 ms each
		d.Send(numbered(d, n))
	}
	<-got.enough
	assert.GreaterOrEqual(t, time.Since(start), 8*time.Millisecond)
	assert.Equal(t, []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got.numbers)
	d.SetLink(netem.Link{Loss: netem.Loss{Random: 1}})
	d.Send(numbered(d, 11))
	d.SetLink(netem.Link{})
	d.Send(numbered(d, 12))
	assert.Equal(t, uint32(12), got.numbers[10])
	assert.Len(t, got.numbers, 11)
}

// filled returns a packet whose words all contain its number.
func filled(d *Direction, number uint32) []byte {
	packet := d.Buffer()[:100]
	for i := 0; i < len(packet); i += 4 {
		binary.BigEndian.PutUint32(packet[i:], number)
	}
	return packet
}

// numberIn returns the number in a packet from filled, and the number of flipped bits.
func numberIn(packet []byte) (number uint32, flipped int) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(packet[4*i:]) }
	if number = word(0); number != word(1) {
		number = word(2) // only one word is flipped
	}
	for i := range len(packet) / 4 {
		flipped += bits.OnesCount32(word(i) ^ number)
	}
	return number, flipped
}

// Each copy of a duplicated packet has the packet's bytes, wherever it waits, and one bit
// of a corrupted copy is flipped.
func TestCopiesHaveTheirOwnBytes(t *testing.T) {
	t.Parallel()
	always := netem.Chance{Probability: 1}
	for name, link := range map[string]netem.Link{
		"in flight": {Latency: 5 * time.Millisecond, Duplicate: always},
		"fifo":      {Rate: netem.Mbps, Duplicate: always, Corrupt: always},
		"fq_codel":  {Rate: netem.Mbps, Queue: netem.Queue{Discipline: netem.FQCoDel}, Duplicate: always},
		"codel":     {Rate: netem.Mbps, Queue: netem.Queue{Discipline: netem.CoDel}, Duplicate: always, Corrupt: always},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 10
			got, want := map[uint32]int{}, map[uint32]int{}
			arrived, all := 0, make(chan struct{})
			d := carry(t, link, 1, Config{From: -1, Deliver: func(packet []byte) {
				number, flipped := numberIn(packet)
				assert.Equal(t, link.Corrupt == always, flipped == 1)
				got[number]++
				if arrived++; arrived == 2*n {
					close(all)
				}
			}})
			for number := range uint32(n) {
				d.Send(filled(d, number))
				want[number] = 2
				time.Sleep(time.Millisecond) // so that buffers are used again
			}
			<-all
			assert.Equal(t, want, got)
		})
	}
}

// A reset direction draws like a new direction, and has discarded the packets in flight
// and the lateness.
func TestReset(t *testing.T) {
	t.Parallel()
	link := netem.Link{Loss: netem.Loss{Random: 0.5}}
	got := collect(0)
	d := carry(t, link, 1, Config{From: -1, Deliver: got.deliver})
	send := func() (arrived []uint32) {
		got.numbers = nil
		for n := range uint32(100) {
			d.Send(numbered(d, n))
		}
		return got.numbers
	}
	first := send()
	assert.NotEqual(t, first, send())
	d.Reset(netem.Link{Latency: time.Hour}, 1)
	d.Send(numbered(d, 1))
	require.True(t, d.IsCarrying(func([]byte) bool { return true }))
	d.Reset(link, 1)
	assert.False(t, d.IsCarrying(func([]byte) bool { return true }))
	assert.Equal(t, Lateness{}, d.Late())
	assert.Equal(t, first, send())
}

// Packets that are due at the same instant arrive in the order in which they were sent.
func TestFlightIsInOrder(t *testing.T) {
	t.Parallel()
	var f flight
	for i, order := range []uint64{3, 1, 4, 2} {
		f.Push(flying{time.Duration(i/3) * time.Second, order, nil})
	}
	var got []uint64
	for len(f) > 0 {
		got = append(got, f.Pop().order)
	}
	assert.Equal(t, []uint64{1, 3, 4, 2}, got)
}

// A packet that is not admitted does not enter the line, and has no number.
func TestPacketsThatAreNotAdmitted(t *testing.T) {
	t.Parallel()
	got := collect(0)
	d := carry(t, netem.Link{}, 1, Config{From: -1, Deliver: got.deliver, Admit: func(_ time.Time, packet []byte) bool {
		return binary.BigEndian.Uint32(packet)%2 == 0
	}})
	for n := range uint32(4) {
		d.Send(numbered(d, n))
	}
	assert.Equal(t, []uint32{0, 2}, got.numbers)
}
