package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A fuzzModel is a reference model of what the network may do, which runs next to a
// simulation and reports violations. It knows nothing of the implementation. The
// world's mu guards it.
type fuzzModel struct {
	program  *fuzzProgram
	now      func() time.Duration
	hosts    []*fuzzTimes
	ports    map[fuzzPort]*fuzzTimes
	ways     map[[2]int]*fuzzWay
	conns    map[string]*fuzzConn // by the addresses of both ends, the dialler's first
	ordered  []*fuzzConn
	sent     map[uint64]*fuzzDatagram
	probing  bool // all faults have ended, and nothing is in flight
	ending   bool // the simulation closes everything
	problems []string
}

type fuzzPort struct{ host, port int }

func newFuzzModel(p *fuzzProgram, now func() time.Duration) *fuzzModel {
	m := &fuzzModel{
		program: p,
		now:     now,
		ports:   make(map[fuzzPort]*fuzzTimes),
		ways:    make(map[[2]int]*fuzzWay),
		conns:   make(map[string]*fuzzConn),
		sent:    make(map[uint64]*fuzzDatagram),
	}
	for i := range p.hosts {
		m.hosts = append(m.hosts, &fuzzTimes{})
		for j := range p.hosts {
			m.ways[[2]int{i, j}] = &fuzzWay{}
		}
	}
	return m
}

// complain records a violation by the network.
func (m *fuzzModel) complain(format string, args ...any) {
	if len(m.problems) < 10 {
		m.problems = append(m.problems, fmt.Sprintf("at %v: ", m.now())+fmt.Sprintf(format, args...))
	}
}

// port returns the history of a port.
func (m *fuzzModel) port(host, port int) *fuzzTimes {
	key := fuzzPort{host, port}
	if m.ports[key] == nil {
		m.ports[key] = &fuzzTimes{}
	}
	return m.ports[key]
}

// bars returns, for each possible reason, the periods in which nothing gets from one
// host to a port of another; port 0 is any.
func (m *fuzzModel) bars(from, to, port int) []fuzzSpans {
	way := m.ways[[2]int{from, to}]
	bars := []fuzzSpans{way.cut, way.held, m.hosts[from].paused, m.hosts[to].paused, m.hosts[to].down, m.hosts[to].black}
	if port != 0 {
		bars = append(bars, m.port(to, port).black)
	}
	return bars
}

// barred reports whether nothing that was sent at one instant can have arrived
// by another.
func (m *fuzzModel) barred(from, to, port int, sent, arrived time.Duration) bool {
	for _, bar := range m.bars(from, to, port) {
		if bar.cover(sent, arrived) {
			return true
		}
	}
	return false
}

// troubled reports whether one direction may have been disturbed between two instants.
func (m *fuzzModel) troubled(from, to, port int, start, end time.Duration) bool {
	for _, bar := range m.bars(from, to, port) {
		if bar.touch(start, end) {
			return true
		}
	}
	return m.hosts[from].down.touch(start, end)
}

// classify returns a word for an error.
func classify(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return "ok"
	case err == io.EOF:
		return "EOF"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "deadline"
	case errors.Is(err, context.DeadlineExceeded):
		return "context deadline"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	}
	for word, errno := range map[string]syscall.Errno{
		"reset": syscall.ECONNRESET, "pipe": syscall.EPIPE, "timed out": syscall.ETIMEDOUT,
		"refused": syscall.ECONNREFUSED, "unreachable": syscall.EHOSTUNREACH, "net down": syscall.ENETDOWN,
		"not connected": syscall.ENOTCONN, "in use": syscall.EADDRINUSE,
	} {
		if errors.Is(err, errno) {
			return word
		}
	}
	return err.Error()
}

// looksLikeNetError reports whether an error looks like one of the net package.
func looksLikeNetError(err error, op string) bool {
	var opError *net.OpError
	return err == nil || err == io.EOF || errors.As(err, &opError) && opError.Op == op
}

// A fuzzSpan is a period during which a condition held.
type fuzzSpan struct{ start, end time.Duration }

// fuzzSpans are the periods during which a condition held, in order.
type fuzzSpans []fuzzSpan

const forever = time.Duration(math.MaxInt64)

// set sets whether the condition holds from now on.
func (s *fuzzSpans) set(now time.Duration, so bool) {
	last := len(*s) - 1
	switch lasts := s.lasts(); {
	case so && !lasts:
		*s = append(*s, fuzzSpan{now, forever})
	case !so && lasts:
		(*s)[last].end = now
	}
}

// lasts reports whether the condition holds now.
func (s fuzzSpans) lasts() bool { return len(s) > 0 && s[len(s)-1].end == forever }

// began reports whether the condition began to hold at this instant.
func (s fuzzSpans) began(now time.Duration) bool { return s.lasts() && s[len(s)-1].start == now }

// cover reports whether the condition held all the time between two instants, with a
// margin, since the model does not know the order within an instant.
func (s fuzzSpans) cover(from, to time.Duration) bool {
	for _, span := range s {
		if span.start < from && to < span.end {
			return true
		}
	}
	return false
}

// touch reports whether the condition may have held at any time between two instants.
func (s fuzzSpans) touch(from, to time.Duration) bool {
	for _, span := range s {
		if span.start <= to && from <= span.end {
			return true
		}
	}
	return false
}

// A fuzzWay is one direction of the path between two hosts, with its history.
type fuzzWay struct {
	link       netem.Link    // as it is
	latencies  []fuzzLatency // its past latencies, in order
	lossy      bool
	limited    bool // datagrams may be too large, or too many
	varied     bool // datagrams may overtake each other
	duplicates bool
	corrupts   bool
	cut, held  fuzzSpans
}

// A fuzzLatency is the minimum latency of a link from an instant on.
type fuzzLatency struct{ since, least time.Duration }

// leastLatency returns the minimum latency of the way for packets that leave between
// two instants.
func (w *fuzzWay) leastLatency(from, to time.Duration) time.Duration {
	least := forever
	for i, l := range w.latencies {
		if l.since <= to && (i+1 == len(w.latencies) || from <= w.latencies[i+1].since) {
			least = min(least, l.least)
		}
	}
	return least
}

// setLink records the link from now on.
func (w *fuzzWay) setLink(now time.Duration, link netem.Link) {
	latency := link.Latency
	if link.Jitter.Deviation > 0 || link.Reorder.Probability > 0 {
		latency = 0
		w.varied = true
	}
	if len(w.latencies) > 0 {
		w.varied = true
	}
	w.latencies = append(w.latencies, fuzzLatency{now, latency})
	w.link = link
	w.befalls(link)
}

// addAccess records that packets also cross a direction of an access from now on, which
// adds latency.
func (w *fuzzWay) addAccess(link netem.Link) {
	w.varied = true
	w.befalls(link)
}

// befalls records the possible impairments on a link.
func (w *fuzzWay) befalls(link netem.Link) {
	w.lossy = w.lossy || link.Loss != netem.Loss{} || link.Corrupt.Probability > 0
	w.limited = w.limited || link.MTU > 0 || link.Queue != (netem.Queue{})
	w.duplicates = w.duplicates || link.Duplicate.Probability > 0
	w.corrupts = w.corrupts || link.Corrupt.Probability > 0
}

// fuzzTimes are the history of a host, or of one of its ports.
type fuzzTimes struct {
	paused, down, refused, black fuzzSpans
	listening                    fuzzSpans // of a port
}
