package cli

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Duration is a flag whose value is a duration of zero or more: seconds as a
// number ("5", "0.1") or a Go duration ("100ms").
type Duration time.Duration

// Set parses the value.
func (d *Duration) Set(s string) error {
	value, err := time.ParseDuration(s)
	if err != nil {
		seconds, numberErr := strconv.ParseFloat(s, 64)
		if numberErr != nil || math.IsNaN(seconds) {
			return fmt.Errorf("want seconds such as 0.5, or a duration such as 500ms")
		}
		value = time.Duration(math.Round(min(seconds, 2*maxTime.Seconds()) * float64(time.Second)))
		if seconds < 0 {
			value = -1 // however small it is
		}
	}
	switch {
	case value < 0:
		return fmt.Errorf("negative: want 0 or more")
	case value > maxTime:
		return fmt.Errorf("too large: want at most %.0f seconds", maxTime.Seconds())
	}
	*d = Duration(value)
	return nil
}

// maxTime is 100 years of 365 days.
const maxTime = 100 * 365 * 24 * time.Hour

// String returns the value in the form that Set accepts.
func (d *Duration) String() string { return time.Duration(*d).String() }

// Type returns the kind of value for the help.
func (d *Duration) Type() string { return "seconds" }

// An Int is a flag whose value is an integer in a range.
type Int struct {
	Value, Min, Max int64
	Unit            string // what it counts, for the help
}

// Set parses the value.
func (i *Int) Set(s string) error {
	value, err := strconv.ParseInt(s, 10, 64)
	if err != nil || value < i.Min || value > i.Max {
		if i.Max == math.MaxInt64 {
			return fmt.Errorf("want a whole number, %d or more", i.Min)
		}
		return fmt.Errorf("want a whole number from %d to %d", i.Min, i.Max)
	}
	i.Value = value
	return nil
}

// String returns the value in the form that Set accepts.
func (i *Int) String() string { return strconv.FormatInt(i.Value, 10) }

// Type returns the kind of value for the help.
func (i *Int) Type() string { return i.Unit }
