package netem

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// ParseProfile reads a profile from JSON:
//
//	{
//	  "name": "my/slow",
//	  "source": "measured at home",
//	  "down": {"latency": "40ms", "rate": "250kbit/s", "loss": "1.5%"},
//	  "up":   {"latency": "40ms", "rate": "100kbit/s", "jitter": "10ms"},
//	  "lookup": "3s"
//	}
//
// All fields may be omitted; the default is zero. Both down and up have the fields
// of [Link], except Bottleneck:
//
//   - latency: a duration, in the syntax of time.ParseDuration.
//   - jitter: a duration, the deviation of a uniform distribution; or
//     {"deviation": "10ms", "distribution": "normal", "correlation": "25%"}.
//     The distribution is "uniform", "normal", "pareto", "paretonormal" or an
//     array of whole numbers, see [NewDistribution].
//   - rate: in the syntax of [ParseRate].
//   - replay: an array of whole milliseconds, see [ParseReplay].
//   - pace: {"bytes": 10, "wait": "100ms"}.
//   - queue: a whole number of bytes; a string such as "64kB" or "100 packets"; or
//     {"bytes": 64000, "packets": 100, "countDelayed": true, "discipline": "codel"}.
//     The discipline is "fifo", "codel" or "fq_codel".
//   - mtu: a whole number of bytes; dropOversize: true or false.
//   - loss: a percentage; or one of tc-netem's models:
//     {"model": "gilbert-elliott", "p": "1%", "r": "10%", "1-h": "100%", "1-k": "0%"} or
//     {"model": "markov", "p13": "1%", "p31": "99%", "p32": "0%", "p23": "100%", "p14": "0%"}.
//     All but p and p13 may be omitted; the defaults are tc-netem's:
//     r is 100% - p, and p31 is 100% - p13; the others are as shown.
//   - duplicate, corrupt, reorder: a percentage; or
//     {"probability": "2%", "correlation": "25%"}.
//
// Durations, rates and percentages are strings with a unit. A number of bytes
// may also be a string with the unit B, kB, MB, GB, KiB, MiB or GiB; MarshalJSON
// writes it as a number. Numbers must not have exponents. Unknown fields,
// duplicate fields, and profiles for which Validate returns an error are
// errors. All errors give the line, and the field if there is one.
//
// A profile written with json.Marshal and parsed again is unchanged.
func ParseProfile(data []byte) (Profile, error) { return parseJSON[Profile]("profile", data) }

// MarshalJSON writes the profile in the syntax of ParseProfile, without fields
// that are zero. It returns an error if the profile is invalid or has a
// Bottleneck, which is shared with other links and cannot be written.
func (p Profile) MarshalJSON() ([]byte, error) {
	if err := p.check(unwritable); err != nil {
		return nil, fmt.Errorf("netem: profile%w", err)
	}
	return appendJSON(nil, &p), nil
}

// UnmarshalJSON parses a profile as ParseProfile does. Line numbers in errors
// count from the beginning of the profile. It replaces the whole profile; null
// or an error leaves it unchanged.
func (p *Profile) UnmarshalJSON(data []byte) error { return unmarshalJSON("profile", data, p) }

// MarshalJSON writes the link in the syntax of down and up in a profile (see
// ParseProfile), without fields that are zero. It returns an error if the link
// is invalid or has a Bottleneck, which is shared with other links and cannot be
// written.
func (l Link) MarshalJSON() ([]byte, error) {
	if err := unwritable(l); err != nil {
		return nil, fmt.Errorf("netem: link: %w", err)
	}
	return appendJSON(nil, &l), nil
}

// UnmarshalJSON parses a link as ParseProfile does. Line numbers in errors count
// from the beginning of the link. It replaces the whole link; null or an error
// leaves it unchanged.
func (l *Link) UnmarshalJSON(data []byte) error { return unmarshalJSON("link", data, l) }

// parseJSON parses a text that contains a single value. The name is used in
// errors.
func parseJSON[T any](name string, text []byte) (t T, err error) {
	v, err := jsonvalue.Parse(text)
	if err == nil {
		err = locate(v, readJSON(v, &t))
	}
	if err != nil {
		return *new(T), fmt.Errorf("netem: %s, %w", name, err)
	}
	return t, nil
}

// unmarshalJSON parses the text as parseJSON does and stores the value, unless
// it is null.
func unmarshalJSON[T any](name string, text []byte, t *T) error {
	if string(bytes.TrimSpace(text)) == "null" {
		return nil
	}
	read, err := parseJSON[T](name, text)
	if err == nil {
		*t = read
	}
	return err
}

// unwritable returns an error if the link cannot be written as JSON.
func unwritable(l Link) error {
	if l.Bottleneck != nil {
		return errors.New("a Bottleneck cannot be written, because it is shared with other links: set it to nil, and Rate to its rate")
	}
	return l.invalid()
}
