package page

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// maxPayload is the maximum number of payload bytes of a page.
const maxPayload = 32 << 20

// A block ends when it has this many events, or this many bytes of payload.
const (
	blockEvents  = 1 << 15
	blockPayload = 1 << 20
)

// An encoder writes the data of a page: script elements that browsers do not run, each
// with a block of columns, compressed and in base64. page_decode.js reads them.
type encoder struct {
	out   *bufio.Writer
	o     Options
	left  int           // of maxPayload
	epoch time.Duration // start of runs with times of day; 0 is none
}

// wallClock is the minimum time of the first event of a run with times of day, which
// count from 1970.
const wallClock = 365 * 24 * time.Hour

// about describes a run to the page, after all of it has been read.
type about struct {
	Title  string `json:"title"`
	Source string `json:"source,omitempty"`
	Test   string `json:"test,omitempty"`
	Seed   string `json:"seed,omitempty"`
	Go     string `json:"go,omitempty"`
	Start  string `json:"start,omitempty"` // zero of the run's times, in nanoseconds since 1970
	Events int    `json:"events"`
	Failed string `json:"failed,omitempty"` // time of a failure, in nanoseconds since the run's start
	Wrong  string `json:"wrong,omitempty"`  // the trace's error
	Cut    int    `json:"cut,omitempty"`    // events whose payload was left out or truncated because of the page's limit
	Limit  int    `json:"limit,omitempty"`  // maximum payload of an event, in bytes
}

// runs writes the data of all runs. It returns the errors of the traces.
func (e *encoder) runs(runs []Run) (damage []error) {
	encoders := make([]*runEncoder, len(runs))
	for i, run := range runs {
		encoders[i] = e.newRun(i, run)
	}
	var found *difference
	if e.o.Compare && len(runs) > 1 {
		found = compare(encoders)
	}
	abouts := make([]about, len(runs))
	for i, r := range encoders {
		r.rest()
		abouts[i] = r.end()
		if r.wrong != nil {
			damage = append(damage, r.wrong)
		}
	}
	text, err := json.Marshal(map[string]any{"title": e.o.Title, "runs": abouts, "difference": found})
	if err != nil {
		panic(err) // there are only strings and numbers
	}
	e.write("about", 0, 0, text)
	return damage
}

// A runEncoder writes the data of one run as it reads its events.
type runEncoder struct {
	*encoder
	number int
	run    Run
	about  about
	block  *block
	base   time.Duration
	wrong  error // the trace's error
}

func (e *encoder) newRun(number int, run Run) *runEncoder {
	h := run.Header
	a := about{Title: run.Title, Source: h.Source, Test: h.Test, Go: h.Go, Limit: e.o.PayloadBytes}
	if h.Seed != 0 || h.Source == "simtest" {
		a.Seed = strconv.FormatUint(h.Seed, 10)
	}
	return &runEncoder{encoder: e, number: number, run: run, about: a, block: newBlock(run.Names)}
}

// rest adds all events of a run that have not been read yet.
func (r *runEncoder) rest() {
	events := r.run.Events
	if r.run.Events = nil; events == nil {
		return
	}
	for event, err := range events {
		if !r.add(&event, err) {
			return
		}
	}
}

// add adds an event, or records an error, after which nothing is added.
func (r *runEncoder) add(event *trace.Event, err error) (more bool) {
	a, b := &r.about, r.block
	if err != nil {
		r.wrong = err
		a.Wrong = err.Error()
		return false
	}
	if a.Events == 0 {
		r.base = r.encoder.base(began(event))
	}
	a.Events++
	kept := b.add(event, r.base, min(r.o.PayloadBytes, r.left))
	if r.left -= kept; kept < min(len(event.Payload), r.o.PayloadBytes) {
		a.Cut++
	}
	if b.count == blockEvents || len(b.payloads) >= blockPayload {
		r.flush(r.number, b)
	}
	return true
}

// end writes the last block, and returns the description of the run.
func (r *runEncoder) end() about {
	r.flush(r.number, r.block)
	if start := r.run.Header.Time(r.base); start.Year() > 1970 && start.Year() < 2200 {
		r.about.Start = strconv.FormatInt(start.UnixNano(), 10)
	}
	if r.run.Failed != nil {
		if at, ok := r.run.Failed(); ok {
			r.about.Failed = strconv.FormatInt(int64(sub(at, r.base)), 10)
		}
	}
	return r.about
}

// began returns the time at which the event's bytes left.
func began(e *trace.Event) time.Duration {
	if e.Kind == trace.Delay {
		return e.At
	}
	return sub(e.At, max(0, e.Took))
}

// base returns the zero of a run's times, given the time of its first event: the start of
// the trace or, with times of day, the first event. Runs that begin within a day of each
// other have the same base.
func (e *encoder) base(first time.Duration) time.Duration {
	if first < wallClock {
		return 0
	}
	const day = 24 * time.Hour
	if e.epoch == 0 || first < e.epoch-day || first > e.epoch+day {
		e.epoch = first
	}
	return e.epoch
}

func (e *encoder) flush(run int, b *block) {
	if b.count == 0 {
		return
	}
	e.write("block", run, b.count, b.bytes())
	b.reset()
}

// write writes a data element. The buffered writer keeps its errors.
func (e *encoder) write(class string, run, events int, data []byte) {
	fmt.Fprintf(e.out, `<script type="application/octet-stream" class="%s" data-run="%d" data-events="%d">`, class, run, events)
	text := base64.NewEncoder(base64.StdEncoding, e.out)
	packed := gzip.NewWriter(text)
	_, _ = packed.Write(data)
	_ = packed.Close()
	_ = text.Close()
	fmt.Fprint(e.out, "</script>\n")
}

// sub returns a-b, or the nearest duration to it.
func sub(a, b time.Duration) time.Duration {
	d := a - b
	switch {
	case b > 0 && d > a:
		return math.MinInt64
	case b < 0 && d < a:
		return math.MaxInt64
	}
	return d
}

// join concatenates columns, each preceded by its length.
func join(columns ...[]byte) []byte {
	var out bytes.Buffer
	for _, c := range columns {
		out.Write(appendUint(nil, uint64(len(c))))
		out.Write(c)
	}
	return out.Bytes()
}

// kinds returns the names of the kinds, by number.
func kinds() []string {
	var names []string
	for _, k := range trace.Kinds() {
		for len(names) <= int(k) {
			names = append(names, "")
		}
		names[k] = k.String()
	}
	return names
}
