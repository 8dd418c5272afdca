package chrometrace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Options describe what the file contains besides events.
type Options struct {
	Header trace.Header // of the trace
}

// Write writes events as one JSON document. It needs memory for the hosts and connections,
// not for the events. If the events end with an error, the document contains the events
// before it and is complete, and Write returns the error.
func Write(w io.Writer, events iter.Seq2[trace.Event, error], o Options) error {
	c := &converter{to: bufio.NewWriterSize(w, 64<<10), tracks: make(map[end]track), hosts: make(map[string]int), windows: make(map[track]int)}
	c.begin(o.Header)
	var damage error
	for e, err := range events {
		if err != nil {
			damage = err
			break
		}
		c.add(&e)
		if c.err != nil {
			break
		}
	}
	c.print("\n]}\n")
	if c.err == nil {
		c.err = c.to.Flush()
	}
	if c.err != nil {
		return c.err
	}
	return damage
}

// A converter writes a document.
type converter struct {
	to      *bufio.Writer
	some    bool           // events were written
	hosts   map[string]int // the processes
	tracks  map[end]track  // the threads
	windows map[track]int  // last values of the congestion windows
	slices  int64
	err     error // of an earlier write
}

// A track is a thread of a process.
type track struct{ pid, tid int }

// An end is one end of a connection, on a host.
type end struct {
	host string
	conn trace.Conn
}

// An event is an event in the Trace Event Format.
type event struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	Time     json.Number    `json:"ts"`
	PID      int            `json:"pid"`
	TID      int            `json:"tid"`
	ID       string         `json:"id,omitempty"`
	Scope    string         `json:"s,omitempty"`
	Args     map[string]any `json:"args,omitempty"`
}

func (c *converter) begin(h trace.Header) {
	about, err := json.Marshal(map[string]string{
		"source": h.Source, "test": h.Test, "seed": strconv.FormatUint(h.Seed, 10), "go": h.Go, "start": h.Time(0).Format(time.RFC3339Nano),
	})
	if err != nil {
		c.err = err
		return
	}
	c.print(`{"displayTimeUnit":"ns","otherData":` + string(about) + `,"traceEvents":[`)
}

func (c *converter) print(text string) {
	if c.err == nil {
		_, c.err = c.to.WriteString(text)
	}
}

// write adds an event.
func (c *converter) write(e *event) {
	if c.err != nil {
		return
	}
	text, err := json.Marshal(e)
	if err != nil {
		c.err = fmt.Errorf("chrometrace: %w", err)
		return
	}
	separator := ",\n"
	if !c.some {
		c.some, separator = true, "\n"
	}
	c.print(separator + string(text))
}

// micros returns a time as microseconds.
func micros(at time.Duration) json.Number {
	sign := ""
	if at < 0 {
		sign, at = "-", -at
	}
	return json.Number(fmt.Sprintf("%s%d.%03d", sign, at/time.Microsecond, at%time.Microsecond))
}

// on returns the track of a host's end of a connection, and names it on first use. For
// the zero Conn it is the host's track; without a host, too, it is the network's track.
//
// No two tracks have the same number, although the format permits it in different
// processes: Perfetto names a thread by its number alone. 0 is not used, as it is the
// idle process on Linux.
func (c *converter) on(host string, conn trace.Conn) track {
	of := end{host, conn}
	if t, known := c.tracks[of]; known {
		return t
	}
	pid, known := c.hosts[host]
	t := track{pid, len(c.tracks) + 1}
	if !known {
		t.pid = len(c.hosts) + 1
		c.hosts[host] = t.pid
		c.name("process_name", t, or(host, "network"))
	}
	c.tracks[of] = t
	c.name("thread_name", t, or(conn.String(), or(host, "network")))
	return t
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c *converter) name(kind string, t track, name string) {
	c.write(&event{Name: kind, Phase: "M", Time: "0", PID: t.pid, TID: t.tid, Args: map[string]any{"name": name}})
}

// add adds an event of the trace.
func (c *converter) add(e *trace.Event) {
	switch e.Kind {
	case trace.Packet:
		c.window(e)
		if e.Packet != nil && e.Packet.Resent {
			c.instant("sent again", "t", c.on(e.From, e.Conn), e)
		}
	case trace.Arrive:
		c.slice("packet", e)
	case trace.Data:
		c.slice("data", e)
	case trace.Fault:
		c.instant(or(e.Note, "fault"), "g", c.on("", trace.Conn{}), e)
	case trace.HostEvent:
		c.instant(or(e.Note, "host"), "p", c.on(e.To, trace.Conn{}), e)
	case trace.Connect, trace.Drop, trace.Send, trace.Delay:
		c.instant(e.Kind.String(), "t", c.on(e.From, e.Conn), e)
	default:
		c.instant(e.Kind.String(), "t", c.on(e.To, e.Conn), e)
	}
}

// slice adds bytes in flight.
func (c *converter) slice(category string, e *trace.Event) {
	t := c.on(e.From, e.Conn)
	c.on(e.To, e.Conn)
	c.slices++
	s := event{
		Name: e.Conn.String() + " to " + e.To, Category: category, Phase: "b", Time: micros(e.At - e.Took),
		PID: t.pid, TID: t.tid, ID: "0x" + strconv.FormatInt(c.slices, 16), Args: args(e),
	}
	c.write(&s)
	s.Phase, s.Time, s.Args = "e", micros(e.At), nil
	c.write(&s)
}

// instant adds an instant event.
func (c *converter) instant(name, scope string, t track, e *trace.Event) {
	c.write(&event{Name: name, Category: e.Kind.String(), Phase: "i", Time: micros(e.At), PID: t.pid, TID: t.tid, Scope: scope, Args: args(e)})
}

// window adds the congestion window, if it has changed.
func (c *converter) window(e *trace.Event) {
	t := c.on(e.From, e.Conn)
	if e.Packet == nil || e.Packet.Congestion == 0 || c.windows[t] == e.Packet.Congestion {
		return
	}
	c.windows[t] = e.Packet.Congestion
	c.write(&event{
		Name: "congestion window of " + e.Conn.String(), Phase: "C", Time: micros(e.At), PID: t.pid, TID: t.tid,
		Args: map[string]any{"bytes": e.Packet.Congestion},
	})
}

// maxPayload is the number of payload bytes shown.
const maxPayload = 200

// args returns the details of an event.
func args(e *trace.Event) map[string]any {
	a := make(map[string]any)
	for _, field := range []struct{ name, text string }{{"from", e.From}, {"to", e.To}, {"connection", e.Conn.String()}, {"note", e.Note}} {
		if field.text != "" {
			a[field.name] = field.text
		}
	}
	if e.Length > 0 {
		a["offset"], a["length"] = strconv.FormatInt(e.Offset, 10), e.Length
	}
	if e.Hash != 0 {
		a["hash"] = fmt.Sprintf("%08x", e.Hash)
	}
	if e.Payload != "" {
		a["payload"] = strconv.Quote(e.Payload[:min(maxPayload, len(e.Payload))])
	}
	if e.Packet != nil {
		a["packet"] = e.Packet.String()
	}
	return a
}
