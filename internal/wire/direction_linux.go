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

// Config configures a direction. Its functions are called one at a time and must not
// call the direction. They may use a packet until they return.
type Config struct {
	// From is a non-blocking file from which packets are read, one at a time. -1 means
	// none: packets come from Send only.
	From int

	// Deliver receives the packets that arrive.
	Deliver func(packet []byte)

	// Admit, if not nil, is called with a packet before it is put on the line, and
	// decides whether it is put there.
	Admit func(at time.Time, packet []byte) bool

	// Sent, if not nil, is called with a packet after it was put on the line, and
	// with its fate, which is netem.Queued if it is not known yet.
	Sent func(at time.Time, packet []byte, drop netem.Drop)

	// Identify, if not nil, names a packet. Without it, packets are numbered.
	Identify func(packet []byte) netem.PacketID

	// Start is the origin of the line's times. Lines that share a Bottleneck
	// need the same Start.
	Start time.Time

	// Heartbeat is the maximum interval at which the direction checks the clock, to
	// measure its lateness; see Late. Zero means only when there is something to
	// do.
	Heartbeat time.Duration

	// PacketSize is the maximum size of a packet in bytes. Zero is 2,048.
	PacketSize int
}

// A Direction carries IP packets in one direction. Its methods may be called from
// several goroutines.
type Direction struct {
	config Config
	wake   int // an eventfd

	mu       sync.Mutex // guards the fields below
	line     *netem.Line
	number   uint64 // of the last packet sent
	order    uint64 // of the last packet put in flight
	flight   flight
	free     [][]byte // buffers
	asleep   bool
	until    time.Duration // time at which the thread wakes up, while it is asleep
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

// Reset gives the direction a new line, and discards the packets in flight and the
// measured lateness.
func (d *Direction) Reset(link netem.Link, seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line, d.flight, d.number, d.lateness = netem.NewLine(link, seed), nil, 0, Lateness{}
	d.line.Join(d.config.Start)
}

// SetLink changes the link for later packets, see [netem.Line.SetLink].
func (d *Direction) SetLink(link netem.Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line.SetLink(link)
	d.line.Join(d.config.Start)
	d.wakeLocked(0)
}

// Run carries packets until Stop is called. It occupies its thread.
func (d *Direction) Run() {
	runtime.LockOSThread()                                // the thread ends with the goroutine, as its timer slack differs
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // of the thread, in nanoseconds
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

// turn does the work that is due. It returns the time until the next work is due. took
// means that packets were read, and that there may be more.
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

// awake records that the thread is awake: at the end of its sleep, and late by the given
// time, or earlier because it was woken.
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

// wakeLocked wakes up the thread if it would sleep too long.
func (d *Direction) wakeLocked(at time.Duration) {
	if d.asleep && at < d.until {
		d.asleep = false
		_, _ = unix.Write(d.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// deliverLocked delivers the packets that have arrived, and returns the time at which the
// next one arrives or the line must be stepped.
func (d *Direction) deliverLocked() time.Duration {
	now := time.Since(d.config.Start)
	for departure, ok := d.line.Step(now); ok; departure, ok = d.line.Step(now) {
		packet, dropped := departure.Tag.(waiting), departure.Drop != netem.NotDropped
		switch {
		case packet.mayBeTwice && !dropped:
			d.pushLocked(departure.Packet, d.copyLocked(packet.bytes))
		case packet.mayBeTwice:
		case dropped:
			d.freeLocked(packet.bytes)
		default:
			d.pushLocked(departure.Packet, packet.bytes)
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
	for count := range 16 { // before checking again for arrivals
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

// Buffer returns a buffer for a packet of the maximum size.
func (d *Direction) Buffer() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bufferLocked()
}

// Send puts a packet on the line. It takes ownership of the packet, which should come
// from Buffer.
func (d *Direction) Send(packet []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	d.sendLocked(packet)
	d.wakeLocked(d.deliverLocked())
}

// Stop ends Run. Packets in flight are lost.
func (d *Direction) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopped {
		d.stopped, d.asleep = true, false
		_, _ = unix.Write(d.wake, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// A waiting packet waits in a queue with a discipline. A duplicated one may wait there
// twice, or be in flight as well, so its bytes are copied for each arrival.
type waiting struct {
	bytes      []byte
	mayBeTwice bool
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
	link := d.line.SharedLink()
	mayBeTwice := link.Duplicate.Probability > 0 && link.Queue.Discipline != netem.FIFO
	fate := d.line.Send(at.Sub(d.config.Start), len(packet), id, waiting{packet, mayBeTwice})
	if d.config.Sent != nil {
		d.config.Sent(at, packet, fate.Drop)
	}
	for i, arrival := range fate.Packets[:fate.Count] {
		arrives := packet
		if i+1 < fate.Count || fate.Drop == netem.Queued || mayBeTwice {
			arrives = d.copyLocked(packet)
		}
		d.pushLocked(arrival, arrives)
	}
	if fate.Count == 0 && fate.Drop != netem.Queued {
		d.freeLocked(packet)
	}
}

// pushLocked puts a packet in flight.
func (d *Direction) pushLocked(p netem.Packet, packet []byte) {
	if p.Flip >= 0 {
		packet[p.Flip/8] ^= 1 << (p.Flip % 8)
	}
	d.order++
	d.flight.Push(flying{p.Arrive, d.order, packet})
}

// maxFree is the number of buffers that are kept.
const maxFree = 256

func (d *Direction) bufferLocked() []byte {
	if last := len(d.free) - 1; last >= 0 {
		packet := d.free[last]
		d.free = d.free[:last]
		return packet
	}
	return make([]byte, d.config.PacketSize)
}

// copyLocked returns a copy of a packet in a buffer of its own.
func (d *Direction) copyLocked(packet []byte) []byte {
	to := d.bufferLocked()[:len(packet)]
	copy(to, packet)
	return to
}

func (d *Direction) freeLocked(packet []byte) {
	if cap(packet) >= d.config.PacketSize && len(d.free) < maxFree {
		d.free = append(d.free, packet[:d.config.PacketSize])
	}
}

// IsCarrying reports whether a matching packet is in flight, and known to arrive.
func (d *Direction) IsCarrying(match func(packet []byte) bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.flight, func(f flying) bool { return match(f.packet) })
}

// Late returns the lateness of packets since the direction was made or Reset: of the
// delivered packets and, measured by the heartbeat, of packets that may have waited to
// be read.
func (d *Direction) Late() Lateness {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lateness
}
