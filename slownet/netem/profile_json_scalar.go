package netem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// packetCount is a number of packets, which unlike a number of bytes has no
// unit.
type packetCount int

// readInt reads a whole number.
func readInt(v jsonvalue.Value, to *int, what string) error {
	n, err := readInt64(v, what)
	if *to = int(n); err == nil && int64(*to) != n {
		return fmt.Errorf("%d is too large: it must be at most %d", n, maxInt)
	}
	return err
}

func readInt64(v jsonvalue.Value, what string) (int64, error) {
	if err := v.MustBe('0', what); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(v.Raw()), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40s cannot be used: it must be %s", v.Raw(), what)
	}
	return n, nil
}

// readQuantity reads a string that is a number with a unit, such as the example.
func readQuantity[T any](v jsonvalue.Value, to *T, what, example string, parse func(string) (T, error)) (err error) {
	if v.Kind() == '0' {
		return fmt.Errorf("%s %.40s has no unit: write it like %q", what, v.Raw(), example)
	}
	if v.Kind() != '"' {
		return v.MustBe('"', fmt.Sprintf("a string, such as %q", example))
	}
	s := v.Text()
	if *to, err = parse(s); err != nil && hasExponent(s) {
		return fmt.Errorf("%s %.40q has an exponent: write out the number, such as %q", what, s, example)
	}
	return err
}

// readName reads a string that must be one of several names.
func readName[T any](v jsonvalue.Value, to *T, what, names string, named func(string) (T, bool)) error {
	if err := v.MustBe('"', names); err != nil {
		return err
	}
	var known bool
	if *to, known = named(v.Text()); !known {
		return fmt.Errorf("there is no %s %.40q: it must be %s", what, v.Text(), names)
	}
	return nil
}

// readTable reads the table of a distribution.
func readTable(v jsonvalue.Value, to **Distribution) error {
	const what = "a whole number between -32768 and 32767, 8192 of which are one deviation"
	table := make([]int16, 0, maxElements(v))
	err := readNumbers(v, what, func(n int64) error {
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
func readReplay(v jsonvalue.Value, to **Replay) error {
	if err := v.MustBe('[', "an array of whole numbers, milliseconds at which 1500 bytes may pass"); err != nil {
		return err
	}
	*to = &Replay{slots: make([]time.Duration, 0, maxElements(v))}
	if err := readNumbers(v, validSlot, (*to).add); err != nil {
		return err
	}
	return (*to).end()
}

// maxElements returns an upper bound of the number of elements of an array.
func maxElements(v jsonvalue.Value) int { return bytes.Count(v.Raw(), []byte(",")) + 1 }

// readNumbers passes the whole numbers of an array to add, in order, until add fails.
// It does not allocate for elements: an array can have any number of them.
func readNumbers(v jsonvalue.Value, what string, add func(int64) error) error {
	for _, element := range v.Elements() {
		n, err := readInt64(element, what)
		if err == nil {
			err = add(n)
		}
		if err != nil {
			return element.Locate(err)
		}
	}
	return nil
}

// appendString writes a user's string. It leaves <, > and & to the caller's encoder. Numbers
// with units and the package's own names need no escapes: strconv.AppendQuote writes them.
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
