package netem

import (
	"errors"
	"fmt"
	"strings"
)

// ParseRate reads a rate as Rate's String writes it, such as "250kbit/s" or
// "1.5Mbit/s". The units are bit/s, kbit/s, Mbit/s and Gbit/s, which may also
// be spelt kbit or kbps and so on; a space may stand before them. The case of
// letters does not matter, so MBPS is no more than Mbit/s. All of them count
// bits, by the thousand, also where others count bytes: to tc, kbps are
// kilobytes per second.
//
// It is exact: a rate that is not a whole number of bits per second, or more
// than 2^63-1 of them, is an error, and so is one that is negative or has no
// unit.
func ParseRate(s string) (Rate, error) {
	r, err := parseRate(s)
	if err != nil {
		return 0, fmt.Errorf("netem: %w", err)
	}
	return r, nil
}

// MarshalText returns what String does, for encodings and flags. A negative
// rate is an error, as it could not be read again.
func (r Rate) MarshalText() ([]byte, error) {
	if r < 0 {
		return nil, fmt.Errorf("netem: rate %v is negative: it must be 0 or more", r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads a rate as ParseRate does. After an error, the rate is
// what it was.
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
		return 0, errors.New(`the rate is empty: write it such as "250kbit/s"`)
	case strings.HasPrefix(number, "-"):
		return 0, fmt.Errorf("rate %.40q is negative: it must be 0 or more", s)
	case !isDecimal(number):
		return 0, fmt.Errorf(`rate %.40q does not begin with a number: write it such as "250kbit/s" or "1.5Mbit/s"`, s)
	case unit == "":
		return 0, fmt.Errorf(`rate %.40q has no unit: write it such as "250kbit/s"`, s)
	case !known:
		return 0, fmt.Errorf("rate %.40q has the unknown unit %.20q: it must be bit/s, kbit/s, Mbit/s or Gbit/s, which count bits by the thousand", s, unit)
	}
	bits, err := timesExactly(number, int64(scale))
	switch {
	case errors.Is(err, errFraction):
		return 0, fmt.Errorf("rate %.40q has a fraction of a bit per second: it must be a whole number of them", s)
	case err != nil:
		return 0, fmt.Errorf("rate %.40q %w: it must be at most %dbit/s", s, err, maxRate)
	}
	return Rate(bits), nil
}

const maxRate Rate = 1<<63 - 1

// rateUnit returns what a unit of rate stands for.
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
