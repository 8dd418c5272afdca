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

// lineNumber is where an error of strictly begins.
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
	var in scheduleJSON
	if err := strictly(data, &in); err != nil {
		if known := new(apiError); errors.As(err, &known) {
			return err
		}
		return errors.New(lineNumber.ReplaceAllString(err.Error(), "")) // it is not that of the file
	}
	read := Schedule{Repeat: time.Duration(in.Repeat)}
	for i, step := range in.Steps {
		links, err := step.toxics()
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		out := Step{At: time.Duration(step.At), Enabled: step.Enabled, Reset: step.Reset, Set: append(links, step.Toxics...), Remove: step.Remove}
		if len(links) > 0 {
			out.Remove = append(out.Remove, linkNames...)
		}
		read.Steps = append(read.Steps, out)
	}
	*s = read
	return nil
}
