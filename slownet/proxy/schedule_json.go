package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// A jsonDuration is a string such as "40ms".
type jsonDuration time.Duration

func (d jsonDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *jsonDuration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`duration %.40q cannot be read: write it like "40ms" or "1.5s"`, text)
	}
	*d = jsonDuration(read)
	return nil
}

type scheduleJSON struct {
	Steps  []stepJSON   `json:"steps"`
	Repeat jsonDuration `json:"repeat,omitzero"`
}

type stepJSON struct {
	At      jsonDuration `json:"at"`
	Enabled *bool        `json:"enabled,omitempty"`
	Reset   bool         `json:"reset,omitempty"`
	pathJSON
	Toxics []Toxic  `json:"toxics,omitempty"`
	Remove []string `json:"remove,omitempty"`
}

// lineNumber matches the beginning of an error of strictly.
var lineNumber = regexp.MustCompile(`^line \d+: `)

// MarshalJSON writes the schedule in the form that UnmarshalJSON accepts.
func (s Schedule) MarshalJSON() ([]byte, error) {
	out := scheduleJSON{Steps: []stepJSON{}, Repeat: jsonDuration(s.Repeat)}
	for _, step := range s.Steps {
		out.Steps = append(out.Steps, stepJSON{At: jsonDuration(step.At), Enabled: step.Enabled, Reset: step.Reset, Toxics: step.Set, Remove: step.Remove})
	}
	return json.Marshal(out)
}

// UnmarshalJSON parses a schedule:
//
//	{
//	  "steps": [
//	    {"at": "10s", "profile": "webpagetest/edge"},
//	    {"at": "20s", "enabled": false},
//	    {"at": "25s", "enabled": true, "up": {"rate": "1Mbit/s"}, "remove": ["slow"]},
//	    {"at": "28s", "toxics": [{"type": "latency", "attributes": {"latency": 300}}], "reset": true}
//	  ],
//	  "repeat": "30s"
//	}
//
// A step's "profile", "down", "up" and "congestion" replace the proxy's links.
func (s *Schedule) UnmarshalJSON(data []byte) error {
	var in struct {
		Steps  []json.RawMessage `json:"steps"`
		Repeat jsonDuration      `json:"repeat"`
	}
	if err := withoutLine(strictly(data, &in)); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	read := Schedule{Repeat: time.Duration(in.Repeat)}
	for i, text := range in.Steps {
		step, err := readStep(text)
		if err != nil {
			return fmt.Errorf("schedule: step %d: %w", i+1, err)
		}
		read.Steps = append(read.Steps, step)
	}
	*s = read
	return nil
}

// withoutLine removes the line number from an error of strictly: it does not count from
// the beginning of the file.
func withoutLine(err error) error {
	if known := new(apiError); err == nil || errors.As(err, &known) {
		return err
	}
	return errors.New(lineNumber.ReplaceAllString(err.Error(), ""))
}

// readStep parses a step.
func readStep(data []byte) (Step, error) {
	var in stepJSON
	if err := withoutLine(strictly(data, &in)); err != nil {
		return Step{}, err
	}
	links, err := in.toxics()
	if err != nil {
		return Step{}, err
	}
	step := Step{At: time.Duration(in.At), Enabled: in.Enabled, Reset: in.Reset, Set: append(links, in.Toxics...), Remove: in.Remove}
	if len(links) > 0 {
		step.Remove = append(step.Remove, linkNames...)
	}
	return step, nil
}
