// Package linkflags parses a path from a command's flags: a profile, and fields
// of its links, spelled as in a profile's JSON.
package linkflags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Flags are the flags for a path.
type Flags struct {
	profile  string
	both     fields // in both directions
	down, up fields // in one direction, applied after both
}

// fields are the fields of a link's JSON object, by name.
type fields map[string]json.RawMessage

// flagsOfFields are the flags that set a field in both directions.
var flagsOfFields = []struct{ name, value, usage string }{
	{"latency", "TIME", "one-way latency in each direction, such as 40ms: half of what ping shows"},
	{"jitter", "TIME", "variation of the latency from packet to packet, such as 5ms"},
	{"rate", "RATE", "bit rate in each direction, such as 1.6Mbit/s"},
	{"queue", "SIZE", `size of the queue that waits for the rate, such as 64kB or "100 packets"`},
	{"loss", "PERCENT", "share of packets that are lost in each direction, such as 1.5%"},
	{"duplicate", "PERCENT", "share of packets that arrive twice"},
	{"corrupt", "PERCENT", "share of packets that arrive with a flipped bit"},
	{"reorder", "PERCENT", "share of packets that overtake earlier ones"},
	{"mtu", "BYTES", "the size of the largest packet"},
}

// Add defines the flags of a path.
func Add(flags *pflag.FlagSet) *Flags {
	f := &Flags{both: fields{}, down: fields{}, up: fields{}}
	flags.StringVarP(&f.profile, "profile", "p", "", "the path: the `NAME` of a profile, such as webpagetest/3g, or a profile in a JSON file")
	for _, field := range flagsOfFields {
		flags.Var(&oneField{f.both, field.name, field.value}, field.name, field.usage)
	}
	flags.Var(&manyFields{f.down}, "down", `fields of the link to the client only, such as rate=8Mbit/s,loss=1%, or JSON`)
	flags.Var(&manyFields{f.up}, "up", "fields of the link from the client only")
	return f
}

// Profile returns the path: the profile, or one without limits, with the fields
// of the other flags. A field that is given for one direction has priority over the
// same field for both directions.
func (f *Flags) Profile() (netem.Profile, error) {
	profile := netem.Profile{}
	if f.profile != "" {
		var err error
		if profile, err = Named(f.profile); err != nil {
			return netem.Profile{}, err
		}
	}
	for _, direction := range []struct {
		name   string
		link   *netem.Link
		fields fields
	}{{"down", &profile.Down, f.down}, {"up", &profile.Up, f.up}} {
		if err := direction.fields.over(f.both).set(direction.link); err != nil {
			return netem.Profile{}, fmt.Errorf("link %s: %w", direction.name, plain(err))
		}
	}
	return profile, nil
}

// Named returns the profile with a name or, if no profile has that name, the profile in
// the file with that name.
func Named(name string) (netem.Profile, error) {
	profile, unknown := netem.ProfileByName(name)
	if unknown == nil {
		return profile, nil
	}
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(name, ".json"):
		return netem.Profile{}, plain(unknown)
	case err != nil:
		return netem.Profile{}, fmt.Errorf("the file of the profile: %w", err)
	}
	profile, err = netem.ParseProfile(data)
	if err != nil {
		return netem.Profile{}, fmt.Errorf("%s: %w", name, plain(err))
	}
	return profile, nil
}

// over returns the fields of f, and the other fields that f does not have.
func (f fields) over(others fields) fields {
	all := maps.Clone(others)
	maps.Copy(all, f)
	return all
}

// set sets the fields of a link.
func (f fields) set(link *netem.Link) error {
	if len(f) == 0 {
		return nil
	}
	if f["rate"] != nil && f["replay"] == nil {
		link.Replay = nil // replaced by the rate
	}
	if f["replay"] != nil && f["rate"] == nil {
		link.Rate = 0
	}
	old, err := json.Marshal(link)
	if err != nil {
		return err
	}
	all := fields{}
	if err := json.Unmarshal(old, &all); err != nil {
		return err
	}
	data, err := json.Marshal(f.over(all))
	if err != nil {
		return err
	}
	return link.UnmarshalJSON(data)
}

// check returns the error of a single field. On the command line, a queue must have a unit
// like everything else; in JSON a number without one is bytes.
func check(name string, value json.RawMessage) error {
	if number := bytes.TrimSpace(value); name == "queue" && number[0] >= '1' && number[0] <= '9' {
		return fmt.Errorf(`queue: size %.40s has no unit: write it like 64kB or "100 packets"`, number)
	}
	return plain((fields{name: value}).set(&netem.Link{MTU: 1500})) // dropOversize needs an MTU
}

// plain removes the parts of an error that are about JSON text.
func plain(err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "netem: ")
	text = strings.TrimPrefix(text, "link, line 1: ")
	return errors.New(text)
}

// jsonOf returns a value as JSON: numbers, objects and the like are JSON already,
// everything else is a string.
func jsonOf(s string) json.RawMessage {
	if json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	quoted, _ := json.Marshal(s)
	return quoted
}

// oneField is a flag that sets a field.
type oneField struct {
	fields fields
	name   string
	value  string // for the help
}

// Set parses the value.
func (f *oneField) Set(s string) error {
	value := jsonOf(s)
	if err := check(f.name, value); err != nil {
		return err
	}
	f.fields[f.name] = value
	return nil
}

// String returns "": there are no default fields.
func (f *oneField) String() string { return "" }

// Type returns the kind of value for the help.
func (f *oneField) Type() string { return f.value }

// manyFields is a flag that sets fields of one direction.
type manyFields struct{ fields fields }

// Set parses a JSON object, or comma-separated name=value fields. The value of replay
// is the name of a file in mahimahi's format.
func (f *manyFields) Set(s string) error {
	read := fields{}
	if strings.HasPrefix(strings.TrimSpace(s), "{") {
		if err := plain(new(netem.Link).UnmarshalJSON([]byte(s))); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(s), &read); err != nil {
			return err
		}
		maps.Copy(f.fields, read)
		return nil
	}
	for _, part := range splitOutside(s) {
		name, text, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return fmt.Errorf("want fields such as rate=8Mbit/s,loss=1%%, or a JSON object, not %q", part)
		}
		value := jsonOf(text)
		if name == "replay" {
			var err error
			if value, err = replayOf(text); err != nil {
				return err
			}
		}
		if err := check(name, value); err != nil {
			return err
		}
		read[name] = value
	}
	maps.Copy(f.fields, read)
	return nil
}

// splitOutside returns the parts of a text between commas, ignoring commas inside of
// braces and brackets.
func splitOutside(s string) (parts []string) {
	depth, start := 0, 0
	for i, c := range s {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				parts, start = append(parts, s[start:i]), i+1
			}
		}
	}
	return append(parts, s[start:])
}

// replayOf returns the recording in a file, in JSON.
func replayOf(file string) (json.RawMessage, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	replay, err := netem.ParseReplay(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, plain(err))
	}
	link, err := json.Marshal(netem.Link{Replay: replay})
	if err != nil {
		return nil, err
	}
	all := fields{}
	err = json.Unmarshal(link, &all)
	return all["replay"], err
}

// String returns the names of the fields that are set.
func (f *manyFields) String() string {
	return strings.Join(slices.Sorted(maps.Keys(f.fields)), ",")
}

// Type returns the kind of value for the help.
func (f *manyFields) Type() string { return "FIELDS" }
