package netem

import "time"

// A Transfer is one direction of an established TCP connection: an [End] that
// sends, an End that receives, and the segments in flight between them. It is
// for drivers that model TCP around an existing connection, as package slownet
// does; package simtest drives its Ends itself.
//
// Times are durations since an origin of the driver's choice and must not
// decrease from call to call. Before calling Write, Take, CloseWrite or
// SetEager, call Advance with the same time; also call it at the time that Next
// returns.
type Transfer struct {
	ends   [2]End    // the sending and the receiving one
	pipes  [2]Pipe   // the pipe that each end sends on
	flight [2]flight // by the end that sent the segments
	taken  int64     // bytes read by the application at the receiving end
	eager  bool      // the application reads bytes as they arrive
	tcp    *TCP      // of both ends, if the connection is dialled
	out    Segment   // the segment being sent
}

// A Pipe carries the segments of one end of a Transfer.
type Pipe interface {
	// Send sends a segment, and returns its fate. If that is Queued, the driver
	// calls Arrive once it is known that the segment arrives. The segment is
	// valid until Send returns.
	Send(now time.Duration, s *Segment) Fate
}

// A flight is the segments in flight, in the order of arrival.
type flight struct {
	segments []segmentInFlight
	first    int // index of the first
}

// A segmentInFlight has been sent and has not arrived yet.
type segmentInFlight struct {
	at      time.Duration // of its arrival
	segment Segment
}

// NewTransfer returns a transfer on a connection that was established at the
// given time, by a handshake with the given round trip time. Data travels on one
// pipe, acknowledgements on the other.
func NewTransfer(tcp TCP, now, roundTrip time.Duration, data, acknowledgements Pipe) *Transfer {
	tcp.KeepAlive.Idle = -1 // the real connection is kept alive instead
	t := &Transfer{pipes: [2]Pipe{data, acknowledgements}}
	for i := range t.ends {
		t.ends[i] = *NewEnd(tcp, now, roundTrip)
	}
	return t
}

// DialTransfer returns a transfer on a connection that is not open yet: call
// Dial, and do not write before State is [Established]. If the handshake fails,
// Failure returns [TimedOut].
func DialTransfer(tcp TCP, data, acknowledgements Pipe) *Transfer {
	tcp.KeepAlive.Idle = -1
	return &Transfer{pipes: [2]Pipe{data, acknowledgements}, tcp: &tcp}
}

// Dial opens the connection by sending the SYN on the data pipe.
func (t *Transfer) Dial(now time.Duration) {
	t.ends[0].InitDial(*t.tcp, now)
	t.send(now, 0)
}

// State returns the state of the connection at the sending end.
func (t *Transfer) State() State { return t.ends[0].State() }

// RoundTrip returns the sending end's estimate of the round trip time, or zero
// before the first measurement.
func (t *Transfer) RoundTrip() time.Duration { return t.ends[0].send.rtt.smoothed }

// SetMTU sets the size of the largest packet on the path; see [End.SetMTU].
func (t *Transfer) SetMTU(mtu int) { t.ends[0].SetMTU(mtu) }

// SetReadBuffer sets the size of the receiving end's buffer; see
// [End.SetReadBuffer].
func (t *Transfer) SetReadBuffer(bytes int) { t.ends[1].SetReadBuffer(bytes) }

// SetWriteBuffer sets the size of the sending end's buffer; see
// [End.SetWriteBuffer].
func (t *Transfer) SetWriteBuffer(bytes int) { t.ends[0].SetWriteBuffer(bytes) }

// Room returns the number of bytes that can be written now.
func (t *Transfer) Room() int { return t.ends[0].Room(0) }

// HasRoom reports whether an application that waits for room can continue; see
// [End.HasRoom].
func (t *Transfer) HasRoom() bool { return t.ends[0].HasRoom(0) }

// Write records that the application has written n bytes.
func (t *Transfer) Write(now time.Duration, n int) {
	t.ends[0].Write(now, n)
	t.send(now, 0)
}

// CloseWrite records that the application will write no more.
func (t *Transfer) CloseWrite(now time.Duration) {
	t.ends[0].CloseWrite()
	t.send(now, 0)
}

// Received returns the number of bytes that have arrived in order.
func (t *Transfer) Received() int64 { return t.ends[1].Received() }

// Ended reports whether the end of the stream and all bytes before it have
// arrived.
func (t *Transfer) Ended() bool { return t.ends[1].Ended() }

// Take records that the application at the receiving end has read total bytes
// since the beginning, which makes room for others.
func (t *Transfer) Take(now time.Duration, total int64) {
	if n := min(total, t.Received()) - t.taken; n > 0 {
		t.taken += n
		t.ends[1].Read(now, int(n))
		t.send(now, 1)
	}
}

// SetEager says whether the application at the receiving end reads bytes as
// they arrive, from now on and until SetEager is called again. If so, no calls
// of Take are needed, and late calls of Advance make no difference.
func (t *Transfer) SetEager(now time.Duration, eager bool) {
	t.eager = eager
	if eager {
		t.Take(now, t.Received())
	}
}

// Failure returns the reason if the sender has given up.
func (t *Transfer) Failure() Failure { return t.ends[0].Failure() }

// Next returns the time at which Advance must be called next, or [Never].
func (t *Transfer) Next() time.Duration {
	return min(t.ends[0].Next(), t.ends[1].Next(), t.flight[0].next(), t.flight[1].next())
}

// Advance processes everything that is due by the given time, each event at its
// own time.
func (t *Transfer) Advance(now time.Duration) {
	for at := t.Next(); at <= now && at != Never; at = t.Next() {
		for from := range t.ends {
			if f := &t.flight[from]; f.next() <= at {
				t.land(at, 1-from, f.pop())
			}
		}
		for i := range t.ends {
			if t.ends[i].Next() <= at {
				t.ends[i].Expire(at)
				t.send(at, i)
			}
		}
	}
}

// Arrive records that a segment that was Queued will arrive at the given time.
// data reports whether the sending end sent it.
func (t *Transfer) Arrive(at time.Duration, s *Segment, data bool) {
	from := 1
	if data {
		from = 0
	}
	t.flight[from].push(at, s)
}

// land passes a segment to the end at which it arrives. If the connection has
// ended there, a reset answers it.
func (t *Transfer) land(now time.Duration, at int, s *Segment) {
	end := &t.ends[at]
	switch {
	case end.State() == Closed && s.Flags == SYN && t.State() == SynSent:
		end.InitAccept(*t.tcp, now, s)
		t.send(now, at)
	case end.State() != Closed && !end.IsStale(s):
		end.Input(now, s)
		if at == 1 && t.eager {
			end.Read(now, int(t.Received()-t.taken))
			t.taken = t.Received()
		}
		t.send(now, at)
	case s.Flags&RST == 0:
		t.out = Refuse(s)
		t.transmit(now, at)
	}
}

// send sends all segments that an end has to send.
func (t *Transfer) send(now time.Duration, from int) {
	for {
		var ok bool
		if t.out, ok = t.ends[from].Output(now); !ok {
			return
		}
		t.transmit(now, from)
	}
}

// transmit sends the segment on an end's pipe.
func (t *Transfer) transmit(now time.Duration, from int) {
	fate := t.pipes[from].Send(now, &t.out)
	for _, packet := range fate.Packets[:fate.Count] {
		if packet.Flip < 0 {
			t.flight[from].push(packet.Arrive, &t.out)
		}
	}
}

// next returns the arrival time of the first segment, or Never.
func (f *flight) next() time.Duration {
	if f.first == len(f.segments) {
		return Never
	}
	return f.segments[f.first].at
}

// push adds a segment before those that arrive later; without jitter there are
// none.
func (f *flight) push(at time.Duration, s *Segment) {
	if f.first > len(f.segments)/2 {
		f.segments = f.segments[:copy(f.segments, f.segments[f.first:])]
		f.first = 0
	}
	f.segments = append(f.segments, segmentInFlight{at, *s})
	for i := len(f.segments) - 1; i > f.first && f.segments[i-1].at > at; i-- {
		f.segments[i], f.segments[i-1] = f.segments[i-1], f.segments[i]
	}
}

// pop removes the first segment, which is valid until the next push.
func (f *flight) pop() *Segment {
	s := &f.segments[f.first].segment
	f.first++
	return s
}
