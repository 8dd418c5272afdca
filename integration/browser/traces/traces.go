// Package traces generates traces for the tests of pages: a small one with every kind of
// event, one with packets, and large ones.
package traces

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// All returns an iterator over events, without an error.
func All(events []trace.Event) iter.Seq2[trace.Event, error] {
	return func(yield func(trace.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

const ms = time.Millisecond

func conn(host string, n uint64) trace.Conn { return trace.Conn{Host: host, Network: "tcp", Number: n} }

// Faults returns a small run of three hosts with a crash, a partition, losses and a reset.
func Faults() []trace.Event {
	var events []trace.Event
	add := func(e trace.Event) { events = append(events, e) }
	exchange := func(at time.Duration, client, server string, n uint64, request, reply string, offset int64, way time.Duration) {
		c := conn(client, n)
		add(trace.Event{At: at + way, Kind: trace.Data, From: client, To: server, Conn: c, Offset: offset, Length: len(request), Took: way, Payload: request})
		add(trace.Event{At: at + 2*way + 6*ms, Kind: trace.Data, From: server, To: client, Conn: c, Offset: offset, Length: len(reply), Took: way, Payload: reply})
	}
	open := func(at time.Duration, client, server string, n uint64, way time.Duration) {
		c := conn(client, n)
		add(trace.Event{At: at + way, Kind: trace.Accept, From: client, To: server, Conn: c})
		add(trace.Event{At: at + 2*way, Kind: trace.Connect, From: server, To: client, Conn: c})
	}
	open(0, "reader", "poet", 1, 20*ms)
	open(10*ms, "writer", "poet", 1, 35*ms)
	for i := range 5 {
		at := 45*ms + time.Duration(i)*90*ms
		exchange(at, "reader", "poet", 1, "GET /poem/7 HTTP/1.1\r\nHost: poet\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\nWhose woods these are", int64(i)*37, 20*ms)
		exchange(at+50*ms, "writer", "poet", 1, "PUT /poem/7 HTTP/1.1\r\n\r\nMy heart leaps up", "HTTP/1.1 204 No Content\r\n\r\n", int64(i)*41, 35*ms)
	}
	add(trace.Event{At: 520 * ms, Kind: trace.Fault, From: "poet", To: "writer", Note: "partition"})
	add(trace.Event{At: 575 * ms, Kind: trace.Drop, From: "writer", To: "poet", Conn: conn("writer", 1), Offset: 205, Length: 41, Took: 20 * ms, Note: "partition"})
	add(trace.Event{At: 690 * ms, Kind: trace.Drop, From: "writer", To: "poet", Conn: conn("writer", 1), Offset: 205, Length: 41, Took: 20 * ms, Note: "partition"})
	exchange(560*ms, "reader", "poet", 1, "GET /poem/8 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nstale", 222, 20*ms)
	add(trace.Event{At: 760 * ms, Kind: trace.Fault, From: "poet,writer", Note: "heal"})
	exchange(800*ms, "writer", "poet", 1, "PUT /poem/8 HTTP/1.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", 246, 35*ms)
	add(trace.Event{At: 960 * ms, Kind: trace.HostEvent, To: "poet", Note: "crash"})
	add(trace.Event{At: 980 * ms, Kind: trace.Reset, From: "poet", To: "reader", Conn: conn("reader", 1), Note: "connection reset by peer", Took: 20 * ms})
	add(trace.Event{At: 1090 * ms, Kind: trace.HostEvent, To: "poet", Note: "restart"})
	open(1110*ms, "reader", "poet", 2, 20*ms)
	exchange(1150*ms, "reader", "poet", 2, "GET /poem/8 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nMy heart leaps up when I behold", 0, 20*ms)
	add(trace.Event{At: 1225 * ms, Kind: trace.Close, From: "reader", To: "poet", Conn: conn("reader", 2), Offset: 24, Took: 20 * ms})
	add(trace.Event{At: 1245 * ms, Kind: trace.Close, From: "poet", To: "reader", Conn: conn("reader", 2), Offset: 50, Took: 20 * ms})
	sortByTime(events)
	return events
}

// Parted returns two runs with the same beginning. In the second one the writer is
// slower, from its fourth request on.
func Parted() (first, second []trace.Event) {
	first, second = Faults(), Faults()
	for i := 16; i < len(second); i++ {
		if second[i].Conn == conn("writer", 1) {
			second[i].At += 30 * ms
		}
	}
	sortByTime(second)
	return first, second
}

func sortByTime(events []trace.Event) {
	for i := 1; i < len(events); i++ {
		for j := i; j > 0 && events[j].At < events[j-1].At; j-- {
			events[j], events[j-1] = events[j-1], events[j]
		}
	}
}

// Packets returns a transfer over a path that loses a packet, as packets.
func Packets() []trace.Event {
	var events []trace.Event
	const way, gap, mss = 40 * ms, 3 * ms, 1448
	poet, reader := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:49152")
	number, seq, window := uint64(0), int64(1), 2
	packet := func(at time.Duration, back, arrives, again bool, seq, ack int64, length int, flags trace.Flags) {
		number++
		p := &trace.PacketInfo{Number: number, From: reader, To: poet, Flags: flags, Seq: seq, Ack: ack, Window: 65535, Size: 52 + length, Resent: again}
		e := trace.Event{At: at, Kind: trace.Packet, From: "reader", To: "poet", Conn: conn("reader", 1), Length: length, Packet: p}
		if back {
			p.From, p.To, e.From, e.To = poet, reader, "poet", "reader"
			p.Congestion = window * mss
		}
		events = append(events, e)
		if arrives {
			e.Kind, e.At, e.Took = trace.Arrive, at+way, way
			events = append(events, e)
			if length > 0 {
				events = append(events, trace.Event{At: at + way, Kind: trace.Data, From: "poet", To: "reader", Conn: conn("reader", 1), Offset: seq - 1, Length: length, Took: way})
			}
		}
	}
	packet(0, false, true, false, 0, 0, 0, trace.SYN)
	packet(way, true, true, false, 0, 1, 0, trace.SYN|trace.ACK)
	packet(2*way, false, true, false, 1, 1, 60, trace.ACK|trace.PSH)
	at := 3 * way
	for round := range 6 {
		lost := round == 3
		for i := range window {
			packet(at+time.Duration(i)*gap, true, !(lost && i == 4), false, seq, 61, mss, trace.ACK)
			if i%2 == 1 {
				packet(at+time.Duration(i)*gap+way, false, true, false, 61, seq+mss, 0, trace.ACK)
			}
			seq += mss
		}
		if at += 2*way + 2*gap; lost {
			window /= 2
			packet(at+way/2, true, true, true, seq-mss*8, 61, mss, trace.ACK)
			at += way
		} else {
			window = min(window*2, 20)
		}
	}
	sortByTime(events)
	return events
}

// Many returns a run of n events on several connections, the same each time.
func Many(events, connections int) iter.Seq2[trace.Event, error] {
	return func(yield func(trace.Event, error) bool) {
		draw := rand.New(rand.NewPCG(1, 2))
		offsets := make([]int64, 2*connections)
		at := time.Duration(0)
		for i := range events {
			at += time.Duration(draw.IntN(200)) * time.Microsecond
			c := draw.IntN(connections)
			if i < connections {
				c = i
			}
			client, server := fmt.Sprintf("client%d", c%97), fmt.Sprintf("server%d", c%7)
			e := trace.Event{
				At: at, Kind: trace.Data, From: client, To: server, Conn: conn(client, uint64(c/97+1)),
				Length: 1 + draw.IntN(1448), Hash: draw.Uint32(), Took: time.Duration(5+draw.IntN(40)) * ms,
			}
			way := draw.IntN(2)
			if way == 1 {
				e.From, e.To = server, client
			}
			switch n := draw.IntN(10000); {
			case n == 0:
				e.Kind, e.Length, e.Note = trace.Reset, 0, "connection reset by peer"
			case n < 40:
				e.Kind, e.Note = trace.Drop, "lost"
			case n == 41:
				e = trace.Event{At: at, Kind: trace.Fault, From: client, To: server, Note: "partition"}
			default:
				e.Offset = offsets[2*c+way]
				offsets[2*c+way] += int64(e.Length)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
