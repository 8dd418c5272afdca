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

// Options configure a capture. The zero Options show all packets of all hosts.
type Options struct {
	// Header is the trace's header: its Start is the time at which At is 0; the rest goes
	// into a comment in the file.
	Header trace.Header

	// Host is the host whose view the capture shows, or "" to show each packet as
	// it leaves its sender. Packets that a host sends to itself are shown once, as they
	// leave.
	Host string

	// KeyLog is the text of a TLS key log, as written to
	// [crypto/tls.Config.KeyLogWriter]. With it Wireshark decrypts the connections.
	KeyLog []byte
}

// ErrUnknownHost is wrapped by the error for an Options.Host that is not in the trace,
// and ErrNoPackets by the error for a trace in which there is nothing to show.
var (
	ErrUnknownHost = errors.New("no packet comes from or goes to the host")
	ErrNoPackets   = errors.New("the trace has no packets, and no connections from which packets could be made")
)

// WritePCAPNG writes the packets of events, which may be in any order, as a pcapng file.
// Times are exact to the nanosecond; they must lie between 1970 and 2262. If the events end
// with an error, WritePCAPNG writes the packets before it, and returns the error. If Options.Host is
// not a host of the trace, or there is nothing to show, it writes nothing and returns an
// error.
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
			return fmt.Errorf("capture: %w %q; the hosts are %s", ErrUnknownHost, o.Host, strings.Join(hosts.names, ", "))
		}
	}
	if err := write(w, packets, hosts, o); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return damage
}

// WriteTrace writes the packets of a Reader's remaining events, with the header and the
// key log of its file. Options.Header and Options.KeyLog are ignored.
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

// collect returns the events before the first error, and the error.
func collect(events iter.Seq2[trace.Event, error]) (all []trace.Event, err error) {
	for e, err := range events {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}
