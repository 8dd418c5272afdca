package capture

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Options say what a capture shows. The zero Options are all packets of all hosts.
type Options struct {
	// Header is the trace's: its Start is the time at which events' At is 0, and a
	// comment in the file says what else it tells.
	Header trace.Header

	// Host is the host whose view the capture is, or "" for each packet as it leaves its
	// sender. What a host sends to itself is shown once, as it leaves.
	Host string

	// KeyLog is the text of a TLS key log, with which Wireshark decrypts the connections:
	// what was written to [crypto/tls.Config.KeyLogWriter].
	KeyLog []byte
}

// ErrUnknownHost is part of the error of an Options.Host that is no host of the trace, and
// ErrNoPackets of a trace in which nothing is to be shown.
var (
	ErrUnknownHost = errors.New("no packet comes from or goes to a host")
	ErrNoPackets   = errors.New("the trace has no packet, and no connection of which packets could be shown")
)

// WritePCAPNG writes the packets of events, in any order, as a pcapng file. Times are
// exact to the nanosecond; they must lie between 1970 and 2262. If the events end
// with an error, it writes those before it, and returns that error. If Options.Host is no
// host of the trace, or there is nothing to write, the error says so and nothing is
// written.
func WritePCAPNG(w io.Writer, events iter.Seq2[trace.Event, error], o Options) error {
	all, damage := collect(events)
	packets := packetsOf(all)
	hosts := hostsOf(packets)
	if len(packets) == 0 {
		if damage != nil {
			return damage
		}
		return fmt.Errorf("capture: %w", ErrNoPackets)
	}
	if o.Host != "" {
		if _, known := slices.BinarySearch(hosts.names, o.Host); !known {
			return fmt.Errorf("capture: %w %q; there are %s", ErrUnknownHost, o.Host, strings.Join(hosts.names, ", "))
		}
	}
	if err := write(w, packets, hosts, o); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return damage
}

// WriteTrace writes the packets of all events that a Reader has left, with the header and
// the key log of its file; those of the Options are used for nothing.
func WriteTrace(w io.Writer, r *trace.Reader, o Options) error {
	events, damage := collect(r.All())
	o.Header, o.KeyLog = r.Header(), r.KeyLog()
	return WritePCAPNG(w, func(yield func(trace.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if damage != nil {
			yield(trace.Event{}, damage)
		}
	}, o)
}

// collect returns the events before the first error, and that.
func collect(events iter.Seq2[trace.Event, error]) (all []trace.Event, err error) {
	for e, err := range events {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}
