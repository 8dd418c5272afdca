package trace

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Format is the first value of a trace file's first line.
const Format = "slowpoetry-trace"

// Version is the version of the format that this package writes, and the newest that it
// reads.
const Version = 1

// A Header is the first line of a trace file and describes the trace. All fields may be
// zero.
type Header struct {
	Start  time.Time // the time at which At is 0; the zero Time is 1970-01-01, UTC
	Source string    // what recorded it: "simtest", "slownet" or "proxy"
	Test   string    // the test's name
	Seed   uint64    // of the simulation
	Go     string    // the version of Go, such as "go1.25.1"
}

// headerLine is a Header as stored in a file.
type headerLine struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Start   string `json:"start,omitempty"`
	Source  string `json:"source,omitempty"`
	Test    string `json:"test,omitempty"`
	Seed    string `json:"seed,omitempty"`
	Go      string `json:"go,omitempty"`
}

func (h Header) line() headerLine {
	line := headerLine{Format: Format, Version: Version, Source: h.Source, Test: h.Test, Go: h.Go}
	if !h.Start.IsZero() {
		line.Start = h.Start.Format(time.RFC3339Nano)
	}
	if h.Seed != 0 {
		line.Seed = strconv.FormatUint(h.Seed, 10)
	}
	return line
}

// header returns the line's Header.
func (line headerLine) header() (h Header, err error) {
	switch {
	case line.Format != Format:
		return h, fmt.Errorf("not a trace: the first line must begin with {\"format\":%q", Format)
	case line.Version > Version:
		return h, fmt.Errorf("format version %d is newer than version %d, the newest that this program knows: use a newer program", line.Version, Version)
	case line.Version < 1:
		return h, fmt.Errorf("format version %d: versions begin at 1", line.Version)
	}
	h = Header{Source: line.Source, Test: line.Test, Go: line.Go}
	if line.Start != "" {
		if h.Start, err = time.Parse(time.RFC3339Nano, line.Start); err != nil {
			return h, fmt.Errorf("\"start\" is %q: it must be a time as in \"2000-01-01T00:00:00Z\"", line.Start)
		}
	}
	if line.Seed != "" {
		if h.Seed, err = strconv.ParseUint(line.Seed, 10, 64); err != nil {
			return h, fmt.Errorf("\"seed\" is %q: it must be a number from 0 to 2^64-1", line.Seed)
		}
	}
	return h, nil
}

// Time returns the time of day at which an event happened.
func (h Header) Time(at time.Duration) time.Time {
	if h.Start.IsZero() {
		return time.Unix(0, 0).UTC().Add(at)
	}
	return h.Start.Add(at)
}

// ErrCutOff is wrapped by the error for a truncated file.
var ErrCutOff = errors.New("the trace was cut off")
