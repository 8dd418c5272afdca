package cli

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/plural"
)

// A Printer prints the progress of a [clients.Client] as the commands do. It
// must not be used by several goroutines at once.
type Printer struct {
	Out io.Writer // progress and results
	Err io.Writer // failures

	failed error // the first write error
}

// Blocking prints an event of [clients.Client.GetAll]. It may be the client's
// Observer.
func (p *Printer) Blocking(e clients.TaskEvent) {
	switch e.Kind {
	case clients.Started:
		p.printf(p.Out, "Task %d: get poetry from: %s\n", e.Task, e.Address)
	case clients.Arrived:
		p.printf(p.Out, "Task %d: got %s of poetry from %s in %s\n", e.Task, plural.Of(e.Bytes, "byte"), e.Address, FormatElapsed(e.Elapsed))
	case clients.Failed:
		p.printFailure(e)
	}
}

// Async prints an event of [clients.Client.GetAllAsync]. It may be the client's
// Observer. It does not print the size of a whole poem; [Printer.Sums] does.
func (p *Printer) Async(e clients.TaskEvent) {
	switch e.Kind {
	case clients.Piece:
		p.printf(p.Out, "Task %d: got %s of poetry from %s\n", e.Task, plural.Of(e.Bytes, "byte"), e.Address)
	case clients.Failed:
		p.printFailure(e)
	case clients.Waiting:
		p.printf(p.Err, "Out of file descriptors: tasks without a connection wait until others are done; a higher ulimit -n avoids that (%v)\n", e.Err)
	}
}

func (p *Printer) printFailure(e clients.TaskEvent) {
	after := ""
	if e.Bytes > 0 {
		after = fmt.Sprintf(" (after %s)", plural.Of(e.Bytes, "byte"))
	}
	p.printf(p.Err, "Task %d: %v%s\n", e.Task, e.Err, after)
}

// Sums prints the size of each poem that has arrived.
func (p *Printer) Sums(results []clients.Result) {
	for i, result := range results {
		if result.Err == nil {
			p.printf(p.Out, "Task %d: %s of poetry\n", i+1, plural.Of(len(result.Poem), "byte"))
		}
	}
}

// Total prints the number of poems that have arrived, and the elapsed time.
func (p *Printer) Total(results []clients.Result, elapsed time.Duration) {
	arrived := 0
	for _, result := range results {
		if result.Err == nil {
			arrived++
		}
	}
	p.printf(p.Out, "Got %s in %s\n", plural.Of(arrived, "poem"), FormatElapsed(elapsed))
}

// Failed returns the first error of a write to Out or Err, or nil.
func (p *Printer) Failed() error { return p.failed }

func (p *Printer) printf(w io.Writer, format string, args ...any) {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		p.failed = cmp.Or(p.failed, err)
	}
}

// FormatElapsed formats a duration as hours, minutes, seconds and microseconds,
// "0:00:10.126361". A fraction of zero is left out: "0:00:10". Fractions of a
// microsecond are truncated.
func FormatElapsed(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	micros := d.Microseconds()
	seconds := micros / 1e6
	s := fmt.Sprintf("%s%d:%02d:%02d", sign, seconds/3600, seconds/60%60, seconds%60)
	if fraction := micros % 1e6; fraction != 0 {
		s += fmt.Sprintf(".%06d", fraction)
	}
	return s
}
