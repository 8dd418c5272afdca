// Package kerneltimes has the measurements that compare TCP of a real kernel with
// simulated networks: the times of transfers, and other scenarios.
package kerneltimes

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Transfer has the times of a transfer over several runs: a client dials,
// sends a request of 200 bytes and reads a body.
type Transfer struct {
	Cell       string // of the table: the path
	Down, Up   netem.Link
	Body       int // bytes
	Congestion netem.Congestion
	Runs       int

	// Connect is the median time of the dial; P50 and P90 are quantiles of the time
	// from the dial to the last byte of the body.
	Connect, P50, P90 time.Duration
}

// Request is the size of the request in bytes.
const Request = 200

// IsRandom reports whether the path has random impairments.
func (t *Transfer) IsRandom() bool {
	l := &t.Down
	return l.Loss.Random > 0 || l.Duplicate.Probability > 0 || l.Reorder.Probability > 0 || l.Jitter.Deviation > 0
}

// String returns the name of the transfer.
func (t *Transfer) String() string { return fmt.Sprintf("%s %d %v", t.Cell, t.Body, t.Congestion) }

// Tolerance returns the permitted difference between a simulated transfer's time
// and the kernel's, as a fraction of the latter.
func (t *Transfer) Tolerance() float64 {
	if t.Down.Loss.Random >= 0.05 && t.Body >= 1_000_000 || t.IsRandom() && t.Runs < 10 {
		return 0.2
	}
	return 0.1
}

// Read reads a table, and returns the transfers whose congestion control netem has.
func Read(table io.Reader) ([]Transfer, error) {
	records, err := csv.NewReader(table).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, err
	}
	var all []Transfer
	for i, fields := range records[1:] {
		r := record{names: records[0], fields: fields}
		t := r.transfer()
		if r.err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, r.err)
		}
		switch r.text("congestion_control") {
		case netem.CUBIC.String():
			t.Congestion = netem.CUBIC
		case netem.Reno.String():
			t.Congestion = netem.Reno
		default:
			continue
		}
		all = append(all, t)
	}
	return all, nil
}

// A record is a row of the table.
type record struct {
	names, fields []string
	err           error // the first error
}

func (r *record) text(column string) string {
	i := slices.Index(r.names, column)
	if i < 0 || i >= len(r.fields) {
		r.err = fmt.Errorf("there is no column %q", column)
		return ""
	}
	return r.fields[i]
}

func (r *record) number(column string) float64 {
	n, err := strconv.ParseFloat(r.text(column), 64)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n
}

// optional returns a column's number, or 0 if the table does not have the column.
func (r *record) optional(column string) float64 {
	if !slices.Contains(r.names, column) {
		return 0
	}
	return r.number(column)
}

func (r *record) seconds(column string) time.Duration {
	return time.Duration(r.number(column) * float64(time.Second))
}

func (r *record) transfer() Transfer {
	return Transfer{
		Cell: r.fields[0], Down: r.link("down_bps", "queue_down_bytes"), Up: r.link("up_bps", "queue_up_bytes"),
		Body: int(r.number("body_bytes")), Runs: int(r.number("runs")),
		Connect: r.seconds("connect_p50_s"), P50: r.seconds("total_p50_s"), P90: r.seconds("total_p90_s"),
	}
}

func (r *record) link(rate, queue string) netem.Link {
	link := netem.Link{
		Latency: time.Duration(r.number("oneway_ms") * float64(time.Millisecond)),
		Rate:    netem.Rate(r.number(rate)),
		Queue:   netem.Queue{Bytes: int(r.number(queue))},
		Loss:    netem.Loss{Random: r.number("loss")},
		Jitter:  netem.Jitter{Deviation: time.Duration(r.number("jitter_ms") * float64(time.Millisecond))},

		Duplicate: netem.Chance{Probability: r.optional("duplicate")},
		Reorder:   netem.Chance{Probability: r.optional("reorder")},
	}
	if r.text("jitter_distribution") == "normal" {
		link.Jitter.Distribution = netem.Normal
	}
	return link
}
