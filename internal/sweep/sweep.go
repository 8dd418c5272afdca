// Package sweep reads and writes the reports of searches over seeds: the file
// that SIMTEST_REPORT names, and the summary that joins such files from several
// machines.
//
// A file has one JSON document per line, one for each search. Its first field is
// the version of the format.
package sweep

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Version is the version of the format that this package writes, and the newest
// that it reads.
const Version = 1

// A Report is the result of one search.
type Report struct {
	Version int `json:"simtest_search"`

	Package string `json:"package"` // import path
	Test    string `json:"test"`    // full name
	Search  int    `json:"search"`  // number of the search in the test, from 1
	Go      string `json:"go"`      // version, system and architecture

	Shard  Shard   `json:"shard,omitzero"`
	Wanted Range   `json:"wanted"`          // the seeds of all shards together
	Ran    []Range `json:"ran"`             // ranges of seeds that have run; they contain only the shard's seeds, see Shard
	Ended  string  `json:"ended,omitempty"` // the reason why the search ended early; empty if it ran all seeds

	Skipped       int           `json:"skipped,omitempty"`        // seeds
	Failed        int           `json:"failed"`                   // seeds
	Groups        []Group       `json:"groups,omitempty"`         // of failures
	Replays       int           `json:"replays,omitempty"`        // files that have run
	ReplaysFailed int           `json:"replays_failed,omitempty"` // files
	Clock         time.Duration `json:"simulated_ns"`             // total simulated time
	Took          time.Duration `json:"took_ns"`                  // real time
	Workers       int           `json:"workers"`                  // processes at once
	Traces        Distinct      `json:"traces"`                   // by digest
	Shapes        Distinct      `json:"shapes"`                   // by kinds and hosts of events in their order
}

// A Group contains the seeds and replay files that fail in the same way.
type Group struct {
	ID      string   `json:"id"`              // a hash of the message without its numbers, and of the place
	Message string   `json:"message"`         // of the first replay file, or else of the first seed
	Place   string   `json:"place,omitempty"` // file and line; empty if it is not known
	Count   int      `json:"count"`           // seeds
	Seeds   []uint64 `json:"seeds"`           // the lowest ones, at most MaxSeeds
	Rerun   string   `json:"rerun"`           // the command line that runs the same file or seed again
	Output  string   `json:"output"`          // of the same file or seed
	Note    string   `json:"note,omitempty"`  // additional information

	Replays     int    `json:"replays,omitempty"`      // failing files that existed before
	Replay      string `json:"replay,omitempty"`       // name of the first one, or of the file written
	ReplayText  string `json:"replay_text,omitempty"`  // contents of the file, even if it was not written
	ReplayRerun string `json:"replay_rerun,omitempty"` // the command line that runs the written file
}

// MaxSeeds is the maximum number of seeds that are listed for a group.
const MaxSeeds = 10

// First returns the group's lowest seed, or 0 if it has none.
func (g *Group) First() uint64 {
	if len(g.Seeds) == 0 {
		return 0
	}
	return g.Seeds[0]
}

// A Shard is the share of the seeds that one of several machines runs: the
// seeds with seed modulo Total = Index-1. The zero Shard means all seeds.
type Shard struct {
	Index int `json:"index"` // from 1
	Total int `json:"total"`
}

// Step returns the distance between successive seeds of the shard.
func (s Shard) Step() uint64 { return uint64(max(1, s.Total)) }

// Has reports whether a seed belongs to the shard.
func (s Shard) Has(seed uint64) bool {
	return s.Total <= 1 || seed%uint64(s.Total) == uint64(s.Index-1)
}

// String returns the shard in the form of SIMTEST_SHARD, such as "3/16", or ""
// for all seeds.
func (s Shard) String() string {
	if s == (Shard{}) {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Total)
}

// A Range contains the seeds from First to Last. In JSON it is "7", "500-900",
// or "500-" if it has no end.
type Range struct{ First, Last uint64 }

// Endless is the Last of a range without an end.
const Endless = math.MaxUint64

// String returns the range as it is in JSON.
func (r Range) String() string {
	switch r.Last {
	case r.First:
		return strconv.FormatUint(r.First, 10)
	case Endless:
		return fmt.Sprintf("%d-", r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// MarshalText returns the range as text.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the form that String returns.
func (r *Range) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRange(string(text))
	return err
}

// ParseRange parses the form that String returns.
func ParseRange(text string) (r Range, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if r.First, err = strconv.ParseUint(first, 10, 64); err != nil {
		return Range{}, fmt.Errorf("%q is not a range of seeds", text)
	}
	switch {
	case !isRange:
		r.Last = r.First
	case last == "":
		r.Last = Endless
	default:
		if r.Last, err = strconv.ParseUint(last, 10, 64); err != nil || r.Last < r.First {
			return Range{}, fmt.Errorf("%q is not a range of seeds", text)
		}
	}
	return r, nil
}

// Append appends a search's report to w, as one line.
func (r *Report) Append(w io.Writer) error {
	r.Version = Version
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Read reads the reports in a file. An error contains the line number.
func Read(r io.Reader) (reports []Report, err error) {
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		if last := err == io.EOF; last && len(bytes.TrimSpace(line)) == 0 {
			if len(reports) == 0 {
				return nil, errors.New("the file is empty: the search that should write it has not ended")
			}
			return reports, nil
		}
		report, err := readReport(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		reports = append(reports, report)
	}
}

// readReport parses one line.
func readReport(line []byte) (r Report, err error) {
	var version struct {
		Version *int `json:"simtest_search"`
	}
	switch err := json.Unmarshal(line, &version); {
	case err != nil:
		return r, fmt.Errorf("the report is damaged: %w", err)
	case version.Version == nil:
		return r, errors.New("this is not the report of a search, as written for SIMTEST_REPORT")
	case *version.Version > Version || *version.Version < 1:
		return r, fmt.Errorf("format version %d is unknown: this program reads versions up to %d; use a newer slownet", *version.Version, Version)
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, fmt.Errorf("the report is damaged: %w", err)
	}
	return r, r.validate()
}

// validate returns an error if the report is inconsistent.
func (r *Report) validate() error {
	if r.Test == "" || r.Search < 1 {
		return errors.New("the report is damaged: it does not name its search and test")
	}
	if s := r.Shard; s != (Shard{}) && (s.Total < 1 || s.Index < 1 || s.Index > s.Total) {
		return fmt.Errorf("the report is damaged: its shard is %d of %d", s.Index, s.Total)
	}
	for _, ran := range r.Ran {
		if !r.Shard.Has(ran.First) || !r.Shard.Has(ran.Last) {
			return fmt.Errorf("the report is damaged: not all seeds %v belong to shard %v", ran, r.Shard)
		}
	}
	for _, g := range r.Groups {
		if len(g.Seeds) == 0 && g.Replays == 0 || g.ID == "" || g.Count < len(g.Seeds) {
			return errors.New("the report is damaged: a group of failures has no seed")
		}
	}
	if r.Failed+r.ReplaysFailed > 0 && len(r.Groups) == 0 {
		return errors.New("the report is damaged: it does not say what has failed")
	}
	return nil
}

// Seeds returns the number of seeds that were run.
func (r *Report) Seeds() (n uint64) { return countSeeds(r.Ran, r.Shard.Step()) }

// countSeeds returns the number of seeds in ranges of every step-th seed.
func countSeeds(ranges []Range, step uint64) (n uint64) {
	for _, r := range ranges {
		n += (r.Last-r.First)/step + 1
	}
	return n
}
