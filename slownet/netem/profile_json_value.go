package netem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A jsonValue is a value in a JSON text and where it is there, for errors that
// say so. It is taken apart one level at a time, as far as one is expected, so
// that no text can be too deep.
type jsonValue struct {
	raw     []byte // valid JSON without space around it
	path    string // such as "down.rate"; empty for the whole text
	element int    // which one of the array at path, from 1; 0 for what is none
	line    int    // from 1
}

// parseJSON returns the value that a text consists of.
func parseJSON(text []byte) (jsonValue, error) {
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return jsonValue{}, errors.New("line 1: there is a byte order mark: save the text as UTF-8 without one")
	}
	if at := invalidUTF8(text); at >= 0 {
		return jsonValue{}, fmt.Errorf("line %d: the byte %#x is not UTF-8: save the text as UTF-8", lineAt(text, at), text[at])
	}
	value := bytes.TrimLeft(text, jsonSpace)
	line := lineAt(text, len(text)-len(value))
	value = bytes.TrimRight(value, jsonSpace)
	if err := json.Unmarshal(value, new(jsonIgnored)); err != nil {
		at := min(syntaxOffset(err)-syntaxOffsetOfFirst, int64(len(value)))
		return jsonValue{}, fmt.Errorf("line %d: this is not JSON (which has no comments, wants double quotes, and no comma behind the last): %w",
			line-1+lineAt(value, int(max(0, at))), err)
	}
	return jsonValue{raw: value, line: line}, nil
}

// jsonIgnored takes any JSON, and keeps nothing of it.
type jsonIgnored struct{}

// UnmarshalJSON does nothing.
func (*jsonIgnored) UnmarshalJSON([]byte) error { return nil }

const jsonSpace = " \t\r\n"

// syntaxOffset returns where an error of encoding/json is; if it does not say
// so, something is missing at the end.
func syntaxOffset(err error) int64 {
	if wrong := (*json.SyntaxError)(nil); errors.As(err, &wrong) {
		return wrong.Offset
	}
	return math.MaxInt64
}

// syntaxOffsetOfFirst returns the offset of an error in a text's first byte,
// which depends on the version of encoding/json: it is 1, or 0 with that which
// GOEXPERIMENT=jsonv2 selects.
var syntaxOffsetOfFirst = syntaxOffset(json.Unmarshal([]byte("?"), new(any)))

// invalidUTF8 returns where a text is not UTF-8, or -1.
func invalidUTF8(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// lineAt returns the line of a place in a text.
func lineAt(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// errorf returns an error that says where the value is.
func (v jsonValue) errorf(format string, arguments ...any) error {
	err := fmt.Errorf(format, arguments...)
	switch {
	case v.element > 0:
		return fmt.Errorf("line %d: %s[%d]: %w", v.line, v.path, v.element-1, err)
	case v.path == "":
		return fmt.Errorf("line %d: %w", v.line, err)
	}
	return fmt.Errorf("line %d: %s: %w", v.line, v.path, err)
}

// invalid returns the error of a value that cannot be what it is, in the words of
// JSON.
func (v jsonValue) invalid(err error) error {
	if invalid := new(invalidError); errors.As(err, &invalid) {
		return v.errorf("%s", invalid.inJSON)
	}
	return v.errorf("%w", err)
}

// mustBe returns the error of a value that is of the wrong kind.
func (v jsonValue) mustBe(wanted string) error {
	kind := "a number"
	switch v.raw[0] {
	case '{':
		kind = "an object"
	case '[':
		kind = "an array"
	case '"':
		kind = "a string"
	case 't', 'f', 'n':
		kind = string(v.raw)
	}
	return v.errorf("it is %s: it must be %s", kind, wanted)
}

func (v jsonValue) isObject() bool { return v.raw[0] == '{' }
func (v jsonValue) isArray() bool  { return v.raw[0] == '[' }
func (v jsonValue) isString() bool { return v.raw[0] == '"' }
func (v jsonValue) isNumber() bool { return strings.IndexByte("-0123456789", v.raw[0]) >= 0 }

// number returns a whole number.
func (v jsonValue) number(what string) (int64, error) {
	if !v.isNumber() {
		return 0, v.mustBe(what)
	}
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	if err != nil {
		return 0, v.errorf("%.40s cannot be used: it must be %s", v.raw, what)
	}
	return n, nil
}

// text returns a string.
func (v jsonValue) text(what string) (string, error) {
	if !v.isString() {
		return "", v.mustBe(what)
	}
	var s string
	if bytes.IndexByte(v.raw, '\\') < 0 {
		return string(v.raw[1 : len(v.raw)-1]), nil
	}
	if err := json.Unmarshal(v.raw, &s); err != nil {
		return "", v.errorf("%w", err)
	}
	return s, nil
}

// quantity reads a string that is a number with a unit, such as the example.
func quantity[T any](v jsonValue, what, example string, parse func(string) (T, error)) (T, error) {
	var none T
	if v.isNumber() {
		return none, v.errorf("%s %.40s has no unit: write it such as %q", what, v.raw, example)
	}
	s, err := v.text(fmt.Sprintf("a string, such as %q", example))
	if err != nil {
		return none, err
	}
	t, err := parse(s)
	switch {
	case err != nil && hasExponent(s):
		return none, v.errorf("%s %.40q has an exponent: write out the number, such as %q", what, s, example)
	case err != nil:
		return none, v.errorf("%w", err)
	}
	return t, nil
}

// hasExponent reports whether a quantity begins with a number such as 1e3.
func hasExponent(s string) bool {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	exponent = strings.TrimLeft(exponent, "+-")
	return isDecimal(strings.TrimPrefix(mantissa, "-")) && exponent != "" && isDigits(exponent[:1])
}

func readPercent(v jsonValue) (float64, error) {
	return quantity(v, "percentage", "1.5%", parsePercent)
}

func readRate(v jsonValue) (Rate, error) { return quantity(v, "rate", "250kbit/s", parseRate) }

func readDuration(v jsonValue) (time.Duration, error) {
	return quantity(v, "duration", "40ms", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		switch {
		case err == nil:
			return d, nil
		case isDecimal(strings.TrimPrefix(s, "-")):
			return 0, fmt.Errorf(`duration %.40q has no unit: write it such as "40ms"`, s)
		}
		return 0, fmt.Errorf(`duration %.40q cannot be read: write it such as "40ms" or "1.5s"`, s)
	})
}

// readBytes reads a number of bytes: an integer, or a string with a unit.
func readBytes(v jsonValue) (int, error) {
	if v.isString() {
		return quantity(v, "size", "64kB", parseBytes)
	}
	return v.bytes(`a whole number of bytes, or a string such as "64kB"`)
}

// bytes returns a number of bytes.
func (v jsonValue) bytes(what string) (int, error) {
	n, err := v.number(what)
	if err == nil && int64(int(n)) != n {
		err = v.errorf("%d is too much: it must be at most %d bytes", n, maxInt)
	}
	return int(n), err
}
