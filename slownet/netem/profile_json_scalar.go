package netem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// packetCount is a number of packets, which unlike a number of bytes has no
// unit.
type packetCount int

// readInt reads a whole number.
func readInt(v jsonValue, to *int, what string) error {
	n, err := v.number(what)
	if *to = int(n); err == nil && int64(*to) != n {
		return fmt.Errorf("%d is too large: it must be at most %d", n, maxInt)
	}
	return err
}

// readQuantity reads a string that is a number with a unit, such as the example.
func readQuantity[T any](v jsonValue, to *T, what, example string, parse func(string) (T, error)) error {
	if v.kind() == '0' {
		return fmt.Errorf("%s %.40s has no unit: write it like %q", what, v.raw(), example)
	}
	err := v.mustBe('"', fmt.Sprintf("a string, such as %q", example))
	if err != nil {
		return err
	}
	s := v.string()
	if *to, err = parse(s); err != nil && hasExponent(s) {
		return fmt.Errorf("%s %.40q has an exponent: write out the number, such as %q", what, s, example)
	}
	return err
}

// readName reads a string that must be one of several names.
func readName[T any](v jsonValue, to *T, what, names string, named func(string) (T, bool)) error {
	if err := v.mustBe('"', names); err != nil {
		return err
	}
	var known bool
	if *to, known = named(v.string()); !known {
		return fmt.Errorf("there is no %s %.40q: it must be %s", what, v.string(), names)
	}
	return nil
}

// readTable reads the table of a distribution.
func readTable(v jsonValue, to **Distribution) error {
	const what = "a whole number between -32768 and 32767, 8192 of which are one deviation"
	table := make([]int16, 0, v.maxParts())
	err := v.numbers(what, func(n int64) error {
		if table = append(table, int16(n)); n < math.MinInt16 || n > math.MaxInt16 {
			return fmt.Errorf("%d cannot be used: it must be %s", n, what)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(table) == 0:
		return errors.New("the table is empty: it must have one value or more")
	}
	*to = NewDistribution(table)
	return nil
}

// readReplay reads a recording, by the rules of ParseReplay.
func readReplay(v jsonValue, to **Replay) error {
	if err := v.mustBe('[', "an array of whole numbers, milliseconds at which 1500 bytes may pass"); err != nil {
		return err
	}
	*to = &Replay{slots: make([]time.Duration, 0, v.maxParts())}
	if err := v.numbers(validSlot, (*to).add); err != nil {
		return err
	}
	return (*to).end()
}

// appendString writes a string. It leaves <, > and & to the caller's encoder.
func appendString(b []byte, s string) []byte {
	text := bytes.NewBuffer(b)
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // it is UTF-8
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// appendNumbers writes an array.
func appendNumbers[N int16 | int64](b []byte, all []N) []byte {
	b = append(b, '[')
	for _, n := range all {
		b = append(strconv.AppendInt(b, int64(n), 10), ',')
	}
	return append(bytes.TrimSuffix(b, []byte(",")), ']')
}
