package clients

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/plural"
)

// A Printer reports how a client gets on, in the words of the commands. It is
// for one goroutine at a time.
type Printer struct {
	Out io.Writer // for what arrives
	Err io.Writer // for what fails

	failed error // the first error of writing
}

// Blocking prints an event of a blocking run, [Client.GetAll]. It may be the
// client's Observer.
func (p *Printer) Blocking(e Event) {
	switch e.Kind {
	case Started:
		p.printf(p.Out, "Task %d: get poetry from: %s\n", e.Task, e.Address)
	case Arrived:
		p.printf(p.Out, "Task %d: got %s of poetry from %s in %s\n", e.Task, plural.Of(e.Bytes, "byte"), e.Address, FormatElapsed(e.Elapsed))
	case Failed:
		p.printFailure(e)
	}
}

// Async prints an event of an asynchronous run, [Client.GetAllAsync]. It may be
// the client's Observer. The sums of the tasks are left to [Printer.Sums].
func (p *Printer) Async(e Event) {
	switch e.Kind {
	case Piece:
		p.printf(p.Out, "Task %d: got %s of poetry from %s\n", e.Task, plural.Of(e.Bytes, "byte"), e.Address)
	case Failed:
		p.printFailure(e)
	case Waiting:
		p.printf(p.Err, "Out of descriptors: the tasks that have no connection yet wait until others are done; a higher ulimit -n would avoid that (%v)\n", e.Err)
	}
}

func (p *Printer) printFailure(e Event) {
	after := ""
	if e.Bytes > 0 {
		after = fmt.Sprintf(" (after %s)", plural.Of(e.Bytes, "byte"))
	}
	p.printf(p.Err, "Task %d: %v%s\n", e.Task, e.Err, after)
}

// Sums prints the size of each poem that has arrived.
func (p *Printer) Sums(results []Result) {
	for i, result := range results {
		if result.Err == nil {
			p.printf(p.Out, "Task %d: %s of poetry\n", i+1, plural.Of(len(result.Poem), "byte"))
		}
	}
}

// Total prints how many poems have arrived, and in what time.
func (p *Printer) Total(results []Result, elapsed time.Duration) {
	arrived := 0
	for _, result := range results {
		if result.Err == nil {
			arrived++
		}
	}
	p.printf(p.Out, "Got %s in %s\n", plural.Of(arrived, "poem"), FormatElapsed(elapsed))
}

// Failed returns the first error that writing met, if there was one.
func (p *Printer) Failed() error { return p.failed }

func (p *Printer) printf(w io.Writer, format string, args ...any) {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		p.failed = cmp.Or(p.failed, err)
	}
}

// FormatElapsed writes a duration as hours, minutes, seconds and microseconds,
// "0:00:10.126361", without the fraction where that is zero: "0:00:10". What is
// less than a microsecond is cut off.
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
