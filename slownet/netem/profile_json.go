package netem

import (
	"bytes"
	"errors"
	"fmt"
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
// All fields may be left out, which is zero. The fields of a link, down or up,
// are those of [Link], but for its Bottleneck:
//
//   - latency: a duration, as time.ParseDuration reads it.
//   - jitter: a duration, which is the deviation of a uniform distribution, or
//     {"deviation": "10ms", "distribution": "normal", "correlation": "25%"}.
//     The distribution is "uniform", "normal", "pareto", "paretonormal" or an
//     array of whole numbers, see [NewDistribution].
//   - rate: as [ParseRate] reads it.
//   - replay: an array of whole milliseconds, see [ParseReplay].
//   - pace: {"bytes": 10, "wait": "100ms"}.
//   - queue: a whole number of bytes, a string such as "64kB" or "100 packets", or
//     {"bytes": 64000, "packets": 100, "countDelayed": true, "discipline": "codel"}.
//     The discipline is "fifo", "codel" or "fq_codel".
//   - mtu: a whole number of bytes; dropOversize: true or false.
//   - loss: a percentage, or one of netem's models:
//     {"model": "gilbert-elliott", "p": "1%", "r": "10%", "1-h": "100%", "1-k": "0%"} or
//     {"model": "markov", "p13": "1%", "p31": "99%", "p32": "0%", "p23": "100%", "p14": "0%"}.
//     All but p and p13 may be left out, and then are what netem makes them:
//     r is 100% - p, and p31 is 100% - p13; the others are as shown.
//   - duplicate, corrupt, reorder: a percentage, or
//     {"probability": "2%", "correlation": "25%"}.
//
// Durations, rates and percentages are strings, with their unit. A number of
// bytes may be one, too, with the unit B, kB, MB, GB, KiB, MiB or GiB; it is
// written as a number. No number has an exponent. A field that is not known, or there twice, is an error,
// and so is a profile for which Validate returns one. All errors say the line,
// and the field where there is one.
//
// Written with json.Marshal and read again, a profile is the same.
func ParseProfile(data []byte) (Profile, error) { return parseJSON[Profile]("profile", data) }

// MarshalJSON writes the profile as ParseProfile reads it, without the fields
// that are zero. A profile that is not valid is an error, and so is one with a
// Bottleneck, which is shared with other links and has no place in a text.
func (p Profile) MarshalJSON() ([]byte, error) {
	if err := p.check(unwritable); err != nil {
		return nil, fmt.Errorf("netem: profile %w", err)
	}
	return appendJSON(nil, &p), nil
}

// UnmarshalJSON reads a profile as ParseProfile does; lines in errors count
// from the profile's beginning. All that the profile was before is replaced,
// but for null, which changes nothing, as does an error.
func (p *Profile) UnmarshalJSON(data []byte) error { return unmarshalJSON("profile", data, p) }

// MarshalJSON writes the link as the field of a profile, see ParseProfile,
// without the fields that are zero. A link that is not valid is an error, and
// so is one with a Bottleneck, which is shared with other links and has no
// place in a text.
func (l Link) MarshalJSON() ([]byte, error) {
	if err := unwritable(l); err != nil {
		return nil, fmt.Errorf("netem: link: %w", err)
	}
	return appendJSON(nil, &l), nil
}

// UnmarshalJSON reads a link as ParseProfile does; lines in errors count from
// the link's beginning. All that the link was before is replaced, but for
// null, which changes nothing, as does an error.
func (l *Link) UnmarshalJSON(data []byte) error { return unmarshalJSON("link", data, l) }

// parseJSON reads a text that is one value. The name is for errors.
func parseJSON[T any](name string, text []byte) (t T, err error) {
	v, err := newJSONValue(text)
	if err == nil {
		err = v.locate(readJSON(v, &t))
	}
	if err != nil {
		return *new(T), fmt.Errorf("netem: %s, %w", name, err)
	}
	return t, nil
}

// unmarshalJSON stores what parseJSON reads, unless it is null.
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

// unwritable reports what of a link JSON has no words for.
func unwritable(l Link) error {
	if l.Bottleneck != nil {
		return errors.New("there is a Bottleneck, which cannot be written, as it is shared with other links: set it to nil, and Rate to its rate")
	}
	return l.invalid()
}
