package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Config says what a direction carries, and where. Its functions are called one at a
// time and must not call the direction; a packet is theirs until they return.
type Config struct {
	// From is a file that a packet is read from at a time, without waiting. -1 is none:
	// packets come by Send alone.
	From int

	// Deliver gets what arrives.
	Deliver func(packet []byte)

	// Admit, if it is not nil, sees a packet before it is put on the line, and says
	// whether it is to be.
	Admit func(at time.Time, packet []byte) bool

	// Sent, if it is not nil, sees a packet after it was put on the line, with what
	// became of it: netem.Queued if that is not known yet.
	Sent func(at time.Time, packet []byte, drop netem.Drop)

	// Identify, if it is not nil, names a packet. Else packets are numbered.
	Identify func(packet []byte) netem.PacketID

	// Start is the origin of the line's times. A Bottleneck that lines share
	// needs it to be the same.
	Start time.Time

	// Heartbeat is how often the direction looks at the clock at least, to note how
	// late it is; see Late. Zero is when there is something to do.
	Heartbeat time.Duration

	// PacketSize is the size in bytes of the largest packet. Zero is 2,048.
	PacketSize int
}

// A Direction carries IP packets in one direction. Its methods may be called from
// several goroutines.
type Direction struct {
	config Config
	wake   int // an eventfd

	mu       sync.Mutex // guards what follows
	line     *netem.Line
	number   uint64 // of the packet sent last
	order    uint64 // of the one put on its way last
	flight   flight
	free     [][]byte // buffers
	asleep   bool
	until    time.Duration // when the thread wakes up, while it is asleep
	stopped  bool
	lateness Lateness
}

// New returns a direction that carries nothing until Run is called.
func New(link netem.Link, seed uint64, config Config) (*Direction, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("an eventfd: %w", err)
	}
	if config.PacketSize == 0 {
		config.PacketSize = 2048
	}
	d := &Direction{config: config, wake: wake}
	d.Reset(link, seed)
	return d, nil
}

// Reset gives the direction a new line, and forgets what is on its way and how late
// packets were.
func (d *Direction) Reset(link netem.Link, seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line, d.flight, d.number, d.lateness = netem.NewLine(link, seed), nil, 0, Lateness{}
	d.line.Join(d.config.Start)
}

// SetLink changes the link for what is sent from now on, see [netem.Line.SetLink].
func (d *Direction) SetLink(link netem.Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line.SetLink(link)
	d.line.Join(d.config.Start)
	d.wakeLocked(0)
}

// Run carries packets until Stop is called. It keeps its thread for itself.
func (d *Direction) Run() {
	runtime.LockOSThread()                                // and ends it, as its timers are not as others'
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // the thread's, in nanoseconds
	files := []unix.PollFd{{Fd: int32(d.wake), Events: unix.POLLIN}}
	if d.config.From >= 0 {
		files = append(files, unix.PollFd{Fd: int32(d.config.From), Events: unix.POLLIN})
	}
	for {
		wait, took, stopped := d.turn()
		if stopped {
			_ = unix.Close(d.wake)
			return
		}
		if took || wait <= 0 {
			continue
		}
		asleep := time.Now()
		var timeout *unix.Timespec
		if wait < math.MaxInt64 {
			t := unix.NsecToTimespec(int64(wait))
			timeout = &t
		}
		n, _ := unix.Ppoll(files, timeout, nil)
		d.awake(n == 0, time.Since(asleep)-wait)
	}
}

// turn does what is to be done, and returns how long there is nothing to do, and
// whether it took packets, so that there may be more.
func (d *Direction) turn() (wait time.Duration, took, stopped bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return 0, false, true
	}
	next := d.deliverLocked()
	took = d.takeLocked()
	if took {
		return 0, true, false
	}
	now := time.Since(d.config.Start)
	wait = next
	if next != netem.Never {
		wait = next - now
	}
	if d.config.Heartbeat > 0 {
		wait = min(wait, d.config.Heartbeat)
	}
	d.asleep, d.until = wait > 0, next
	return wait, false, false
}

// awake notes that the thread has slept, to its end or not.
func (d *Direction) awake(toTheEnd bool, late time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asleep = false
	if toTheEnd {
		d.lateness.add(late)
	} else {
		var count [8]byte
		_, _ = unix.Read(d.wake, count[:])
	}
}

// wakeLocked wakes up the thread if it would sleep beyond a time.
func (d *Direction) wakeLocked(at time.Duration) {
	if d.asleep && at < d.until {
		d.asleep = false
		_, _ = unix.Write(d.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// deliverLocked delivers the packets that have arrived, and returns when the next
// one does or the line wants to be asked.
func (d *Direction) deliverLocked() time.Duration {
	now := time.Since(d.config.Start)
	for departure, ok := d.line.Step(now); ok; departure, ok = d.line.Step(now) {
		if packet := departure.Tag.([]byte); departure.Drop == netem.NotDropped {
			d.flyLocked(departure.Packet, packet)
		} else {
			d.freeLocked(packet)
		}
	}
	for len(d.flight) > 0 && d.flight[0].at <= now {
		arrived := d.flight.Pop()
		d.lateness.Packets++
		d.lateness.add(now - arrived.at)
		d.config.Deliver(arrived.packet)
		d.freeLocked(arrived.packet)
		now = time.Since(d.config.Start)
	}
	next := d.line.Next()
	if len(d.flight) > 0 {
		next = min(next, d.flight[0].at)
	}
	return next
}

// takeLocked puts packets from the file on the line, and reports whether there were
// any.
func (d *Direction) takeLocked() bool {
	if d.config.From < 0 {
		return false
	}
	for count := range 16 { // before what has arrived is looked at again
		packet := d.bufferLocked()
		n, err := unix.Read(d.config.From, packet)
		if err != nil || n == 0 {
			d.freeLocked(packet)
			return count > 0
		}
		d.sendLocked(packet[:n])
	}
	return true
}

// Buffer returns a buffer for a packet, of the size of the largest.
func (d *Direction) Buffer() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bufferLocked()
}

// Send puts a packet on the line. It takes the packet over, best a Buffer.
func (d *Direction) Send(packet []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	d.sendLocked(packet)
	d.wakeLocked(d.deliverLocked())
}

// Stop ends Run. What is on its way is lost.
func (d *Direction) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopped {
		d.stopped, d.asleep = true, false
		_, _ = unix.Write(d.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// sendLocked puts a packet on the line.
func (d *Direction) sendLocked(packet []byte) {
	at := time.Now()
	if d.config.Admit != nil && !d.config.Admit(at, packet) {
		d.freeLocked(packet)
		return
	}
	d.number++
	id := netem.PacketID{Number: d.number}
	if d.config.Identify != nil {
		id = d.config.Identify(packet)
	}
	fate := d.line.Send(at.Sub(d.config.Start), len(packet), id, packet)
	if d.config.Sent != nil {
		d.config.Sent(at, packet, fate.Drop)
	}
	for i, arrival := range fate.Packets[:fate.Count] {
		arrives := packet
		if i+1 < fate.Count || fate.Drop == netem.Queued {
			arrives = d.bufferLocked()[:len(packet)]
			copy(arrives, packet)
		}
		d.flyLocked(arrival, arrives)
	}
	if fate.Count == 0 && fate.Drop != netem.Queued {
		d.freeLocked(packet)
	}
}

// flyLocked puts a packet on its way.
func (d *Direction) flyLocked(p netem.Packet, packet []byte) {
	if p.Flip >= 0 {
		packet[p.Flip/8] ^= 1 << (p.Flip % 8)
	}
	d.order++
	d.flight.Push(flying{p.Arrive, d.order, packet})
}

// maxFree is how many buffers are kept.
const maxFree = 256

func (d *Direction) bufferLocked() []byte {
	if last := len(d.free) - 1; last >= 0 {
		packet := d.free[last]
		d.free = d.free[:last]
		return packet
	}
	return make([]byte, d.config.PacketSize)
}

func (d *Direction) freeLocked(packet []byte) {
	if cap(packet) >= d.config.PacketSize && len(d.free) < maxFree {
		d.free = append(d.free, packet[:d.config.PacketSize])
	}
}

// IsCarrying reports whether a packet that matches is on its way, and known to arrive.
func (d *Direction) IsCarrying(match func(packet []byte) bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.flight, func(f flying) bool { return match(f.packet) })
}

// Late returns how late packets were since the direction was made or Reset: both
// those that were delivered and, by the heartbeat, those that may have waited to be
// taken.
func (d *Direction) Late() Lateness {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lateness
}
