package kernel

import (
	"container/heap"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// tooLate is when a packet is counted as late. What the kernel sends is seen late, too,
// if the machine is busy: so a direction looks at the clock once a heartbeat.
const (
	tooLate   = 3 * time.Millisecond
	heartbeat = 2 * time.Millisecond
)

// A direction carries IP packets from one device to another.
type direction struct {
	from, to int // file descriptors
	start    time.Time

	mostLate, late, arrived atomic.Int64

	mu     sync.Mutex // guards what follows
	line   *netem.Line
	number uint64 // of the packet sent last
	order  uint64 // of the one put on its way last
	flight flight
	cut    bool
	lost   []time.Time // to the cut
	free   [][]byte    // buffers
}

// A flight is packets on their way, in the order in which they arrive.
type flight []flying

type flying struct {
	at     time.Duration
	order  uint64
	packet []byte
}

func (f flight) Len() int { return len(f) }
func (f flight) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flight) Push(x any)   { *f = append(*f, x.(flying)) }
func (f *flight) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

func (d *direction) reset(link netem.Link, seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line, d.flight, d.number, d.cut, d.lost = netem.NewLine(link, seed), nil, 0, false, nil
	for _, n := range []*atomic.Int64{&d.mostLate, &d.late, &d.arrived} {
		n.Store(0)
	}
}

func (d *direction) setCut(cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = cut
}

func (d *direction) lostToCut() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lost)
}

// run carries packets until it is told to stop.
func (d *direction) run(stop *atomic.Bool) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // the thread's, in nanoseconds
	for !stop.Load() {
		next := d.deliver()
		if d.take() {
			continue
		}
		if wait := min(heartbeat, next-time.Since(d.start)); wait > 0 {
			asleep := time.Now()
			timeout := unix.NsecToTimespec(int64(wait))
			_, _ = unix.Ppoll([]unix.PollFd{{Fd: int32(d.from), Events: unix.POLLIN}}, &timeout, nil)
			d.wasLate(time.Since(asleep) - wait)
		}
	}
}

// wasLate notes by how much something was late.
func (d *direction) wasLate(late time.Duration) {
	d.mostLate.Store(max(d.mostLate.Load(), int64(late)))
	if late > tooLate {
		d.late.Add(1)
	}
}

// deliver writes the packets that have arrived, and returns when the next one does or
// the line wants to be asked.
func (d *direction) deliver() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Since(d.start)
	for departure, ok := d.line.Step(now); ok; departure, ok = d.line.Step(now) {
		if packet := departure.Tag.([]byte); departure.Drop == netem.NotDropped {
			d.fly(departure.Packet, packet)
		}
	}
	for len(d.flight) > 0 && d.flight[0].at <= now {
		arrived := heap.Pop(&d.flight).(flying)
		d.arrived.Add(1)
		d.wasLate(now - arrived.at)
		_, _ = unix.Write(d.to, arrived.packet) // what the kernel takes for invalid is lost
		d.free = append(d.free, arrived.packet)
		now = time.Since(d.start)
	}
	next := d.line.Next()
	if len(d.flight) > 0 {
		next = min(next, d.flight[0].at)
	}
	return next
}

// take puts packets that the kernel has sent on the line, and reports whether there
// were any.
func (d *direction) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for count := range 16 { // before what has arrived is looked at again
		packet := make([]byte, 0, 2048)
		if last := len(d.free) - 1; last >= 0 {
			packet, d.free = d.free[last], d.free[:last]
		}
		n, err := unix.Read(d.from, packet[:cap(packet)])
		if err != nil {
			d.free = append(d.free, packet)
			return count > 0
		}
		d.send(packet[:n])
	}
	return true
}

// send puts a packet on the line.
func (d *direction) send(packet []byte) {
	at := time.Now()
	if d.cut {
		d.lost = append(d.lost, at)
		d.free = append(d.free, packet)
		return
	}
	d.number++
	fate := d.line.Send(at.Sub(d.start), len(packet), netem.PacketID{Number: d.number}, packet)
	for _, copied := range fate.Packets[:fate.Count] {
		d.fly(copied, append(make([]byte, 0, 2048), packet...))
	}
	if fate.Drop != netem.Queued {
		d.free = append(d.free, packet)
	}
}

// fly puts a packet on its way.
func (d *direction) fly(p netem.Packet, packet []byte) {
	if p.Flip >= 0 {
		packet[p.Flip/8] ^= 1 << (p.Flip % 8)
	}
	d.order++
	heap.Push(&d.flight, flying{p.Arrive, d.order, packet})
}
