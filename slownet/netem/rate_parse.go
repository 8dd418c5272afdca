package netem

import (
	"errors"
	"fmt"
	"strings"
)

// ParseRate parses a rate as Rate.String writes it, such as "250kbit/s" or
// "1.5Mbit/s". The units are bit/s, kbit/s, Mbit/s and Gbit/s, which may also
// be spelled kbit or kbps and so on, after an optional space. Case does not
// matter, so MBPS is the same as Mbit/s. All units count bits, and kilo is
// 1,000, even where other tools differ: in tc, kbps is kilobytes per second.
//
// Parsing is exact: a rate that is not a whole number of bits per second,
// exceeds 2^63-1, is negative or has no unit is an error.
func ParseRate(s string) (Rate, error) {
	r, err := parseRate(s)
	if err != nil {
		return 0, fmt.Errorf("netem: %w", err)
	}
	return r, nil
}

// MarshalText returns the text that String returns, for encodings and flags. A
// negative rate is an error, since UnmarshalText would not accept it.
func (r Rate) MarshalText() ([]byte, error) {
	if r < 0 {
		return nil, fmt.Errorf("netem: rate %v is negative: it must be 0 or more", r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText parses a rate as ParseRate does. On an error, the rate is
// unchanged.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

func parseRate(s string) (Rate, error) {
	number, unit := splitUnit(s)
	scale, known := rateUnit(unit)
	switch {
	case s == "":
		return 0, errors.New(`the rate is empty: write it like "250kbit/s"`)
	case strings.HasPrefix(number, "-"):
		return 0, fmt.Errorf("rate %.40q is negative: it must be 0 or more", s)
	case !isDecimal(number):
		return 0, fmt.Errorf(`rate %.40q does not begin with a number: write it like "250kbit/s" or "1.5Mbit/s"`, s)
	case unit == "":
		return 0, fmt.Errorf(`rate %.40q has no unit: write it like "250kbit/s"`, s)
	case !known:
		return 0, fmt.Errorf("rate %.40q has the unknown unit %.20q: it must be bit/s, kbit/s, Mbit/s or Gbit/s, where k is 1,000", s, unit)
	}
	bits, err := timesExactly(number, int64(scale))
	switch {
	case errors.Is(err, errFraction):
		return 0, fmt.Errorf("rate %.40q is not a whole number of bits per second: round it", s)
	case err != nil:
		return 0, fmt.Errorf("rate %.40q %w: it must be at most %dbit/s", s, err, maxRate)
	}
	return Rate(bits), nil
}

const maxRate Rate = 1<<63 - 1

// rateUnit returns the rate that a unit stands for.
func rateUnit(unit string) (Rate, bool) {
	unit = strings.ToLower(unit)
	for _, ending := range []string{"bit/s", "bit", "bps"} {
		prefix, ok := strings.CutSuffix(unit, ending)
		if !ok {
			continue
		}
		scale, known := map[string]Rate{"": BitPerSecond, "k": Kbps, "m": Mbps, "g": Gbps}[prefix]
		return scale, known
	}
	return 0, false
}
