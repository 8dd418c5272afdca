package simtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// freshVariable is the environment variable with the number of processes whose runs
// CheckDeterminism compares. It also makes a search start a process for each seed. The
// overlay reads it, too.
const freshVariable = "SIMTEST_FRESH"

// maxFresh is the maximum number of processes.
const maxFresh = 1_000_000

// freshFromEnvironment returns the number of processes in which simulations run, or 0 for
// the test's own process.
func freshFromEnvironment(configured int) (int, error) {
	return parseFresh(os.Getenv(freshVariable), configured)
}

// parseFresh parses SIMTEST_FRESH, or returns the configured number if it is empty.
func parseFresh(text string, configured int) (int, error) {
	if text == "" {
		return configured, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxFresh {
		return 0, fmt.Errorf("simtest: %s is %q, which is not a number of processes: set it to 1 or more, such as 20 for CheckDeterminism to compare the runs of 20 processes, or to 0 for the test's own process, or unset it", freshVariable, text)
	}
	return n, nil
}

// checkFresh compares runs in the given number of processes.
func (c *Config) checkFresh(t *testing.T, number, processes int) {
	t.Helper()
	c.mustBeValid()
	processes = max(2, processes)
	launch := func() (searchServer, error) {
		p, err := startWorker(&searchWorker{test: t.Name(), number: number, call: "CheckDeterminism", fresh: processes}, nil)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	var failure, skip string
	report, err := compareProcesses(processes, launch, searchJob{Seed: c.Seed}, nil, func(i int, o searchOutcome) bool {
		switch {
		case o.Failed || o.died != "":
			failure = fmt.Sprintf("simtest: the simulation failed in process %d of %d. Its output:\n%s", i, processes, indented(cleanOutput(t.Name(), o.output)))
			if o.died != "" {
				failure += "\n" + o.died
			}
		case o.Skipped:
			skip = fmt.Sprintf("simtest: the simulation was skipped in process %d of %d", i, processes)
		}
		return failure+skip == ""
	})
	seed, _ := seedFromEnvironment(c.Seed) // no error: the seed was used already
	switch {
	case err != nil:
		t.Fatalf("simtest: %v", err)
	case failure != "":
		t.Errorf("%s\n%s", failure, rerunText(t, seed, c.scheduleNow()))
	case skip != "":
		t.Skip(skip)
	case report != "":
		t.Errorf("%s\n%s", report, rerunText(t, seed, c.scheduleNow()))
	}
}

// compareProcesses runs a job in the given number of processes, one after another, and
// describes the difference between the first deviating run and the run of the first
// process. The report is empty if no run deviates. It calls goesOn after each run, and
// stops if goesOn returns false.
func compareProcesses(processes int, launch func() (searchServer, error), job searchJob, giveUp <-chan struct{}, goesOn func(i int, o searchOutcome) bool) (report string, err error) {
	job.Record = true
	var first searchServer
	var digest uint64
	defer func() {
		if first != nil {
			first.close()
		}
	}()
	for i := 1; i <= processes; i++ {
		release := takeTurn()
		p, err := launch()
		if err != nil {
			release()
			return "", err
		}
		o := p.do(job, giveUp)
		release()
		over := o.givenUp || !goesOn(i, o) || o.died != ""
		switch {
		case over:
		case first == nil:
			first, digest = p, o.Digest
			continue
		case o.Digest != digest:
			report, err = reportProcesses(first, p, i)
			over = true
		}
		p.close()
		if over {
			return report, err
		}
	}
	return "", nil
}

// A recordQuery asks a worker for its recording: if Event is set, for the events from
// that number on, counted from 1; otherwise for the digests.
type recordQuery struct {
	Event int    `json:"event,omitempty"`
	Keep  string `json:"keep,omitempty"` // the trace, with this word added to its name
}

// A recordPart is a worker's answer.
type recordPart struct {
	Digests  []trace.Digest `json:"digests,omitempty"`
	Shape    trace.Digest   `json:"shape,omitempty"`
	Unseeded bool           `json:"unseeded,omitempty"`
	Common   trace.Event    `json:"common,omitzero"` // the event before Events
	Events   []recordedText `json:"events,omitempty"`
	Trace    string         `json:"trace,omitempty"` // the name of the trace file
	Error    string         `json:"error,omitempty"`
}

// A recordedText is a recorded event, encoded for another process.
type recordedText struct {
	Event   trace.Event `json:"event"`
	Kept    bool        `json:"kept,omitempty"`
	Bytes   []byte      `json:"bytes,omitempty"`
	Senders []toldPart  `json:"senders,omitempty"`
}

// A toldPart is a part of an event's bytes, and the goroutine that wrote it.
type toldPart struct {
	N   int    `json:"n"`
	Who string `json:"who"`
}

// answer answers a query of the parent.
func (r *recording) answer(q *recordQuery) *recordPart {
	if q.Event == 0 {
		return &recordPart{Digests: r.digests, Shape: r.shape, Unseeded: r.unseeded}
	}
	part := &recordPart{}
	at := q.Event - 1
	if at > 0 && at <= len(r.events) {
		part.Common = digested(r.events[at-1].Event)
	}
	for i := at; i < len(r.events) && r.events[i].At == r.events[at].At && i < at+maxDiffering; i++ {
		e := &r.events[i]
		told := recordedText{Event: digested(e.Event), Kept: e.bytes != nil, Bytes: e.bytes}
		for _, p := range e.by.within(e.Offset, e.Length) {
			told.Senders = append(told.Senders, toldPart{p.n, r.senders.all[p.sender].describe()})
		}
		part.Events = append(part.Events, told)
	}
	if q.Keep != "" && r.file != nil {
		name, err := r.file.keepAs(q.Keep)
		part.Trace = name
		if err != nil {
			part.Error = err.Error()
		}
	}
	return part
}

// digested returns an event reduced to the fields that are part of the digest.
func digested(e trace.Event) trace.Event {
	e.Payload, e.Packet = "", nil
	return e
}

// reportProcesses describes the difference between the runs of the first process and of
// process i.
func reportProcesses(first, other searchServer, i int) (string, error) {
	a, err := ask(first, &recordQuery{})
	if err != nil {
		return "", err
	}
	b, err := ask(other, &recordQuery{})
	if err != nil {
		return "", err
	}
	at := 0
	for at < len(a.Digests) && at < len(b.Digests) && a.Digests[at] == b.Digests[at] {
		at++
	}
	d := &difference{
		first:     branch{name: "first", run: &recording{unseeded: a.Unseeded}, ended: at == len(a.Digests)},
		second:    branch{name: "second", run: &recording{unseeded: b.Unseeded}, ended: at == len(b.Digests)},
		sameShape: a.Shape == b.Shape && len(a.Digests) == len(b.Digests),
	}
	var common trace.Event
	var traces, problems []string
	for n, s := range d.branches() {
		server := []searchServer{first, other}[n]
		part, err := ask(server, &recordQuery{Event: at + 1, Keep: s.name})
		if err != nil {
			return "", err
		}
		for _, told := range part.Events {
			e := recorded{Event: told.Event}
			if told.Kept {
				e.bytes = append([]byte{}, told.Bytes...)
			}
			s.events, s.told = append(s.events, e), append(s.told, told.Senders)
		}
		if part.Trace != "" {
			traces = append(traces, part.Trace)
		}
		if part.Error != "" {
			problems = append(problems, part.Error)
		}
		common = part.Common
	}
	text := d.text(at, common) + fmt.Sprintf("\nThe runs were in processes of their own, the first one and number %d.", i)
	if len(problems) > 0 {
		text += "\nTheir traces: " + strings.Join(problems, "; ")
	}
	if len(traces) == 2 {
		text += "\n" + tracesText(traces[0], traces[1], strings.TrimSuffix(traces[0], "-first"+traceEnding)+".html")
	}
	return text, nil
}

// ask sends a query to a worker.
func ask(server searchServer, q *recordQuery) (*recordPart, error) {
	o := server.do(searchJob{Query: q}, nil)
	if o.died != "" || o.Record == nil {
		return nil, fmt.Errorf("a process did not return its recording: %s", o.died)
	}
	return o.Record, nil
}
