package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"unicode/utf8"
)

// A Value is a value in a valid JSON text, or the name of a field.
type Value struct {
	text    []byte // all of it
	at, end int    // of the value, without space around it
}

const space = " \t\r\n"

// Parse returns the value that a text consists of. Its errors give the line. The text must
// not change while values of it are in use.
func Parse(text []byte) (Value, error) {
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return Value{}, errors.New("line 1: there is a byte order mark: save the text as UTF-8 without one")
	}
	line := 0
	for of := range bytes.Lines(text) {
		if line++; !utf8.Valid(of) {
			return Value{}, fmt.Errorf("line %d: this is not UTF-8: save the text as UTF-8", line)
		}
	}
	content := bytes.TrimRight(text, space)
	if len(content) == 0 {
		return Value{}, errors.New("line 1: the text is empty: it must be JSON, such as {}")
	}
	if !json.Valid(text) {
		err := json.Unmarshal(content, new(any))
		wrong := min(syntaxOffset(err)-syntaxOffsetOfFirst, len(content))
		return Value{}, fmt.Errorf("line %d: this is not JSON (which allows no comments, needs double quotes, and has no comma after the last item): %w", Line(text, wrong), err)
	}
	return Value{text: text}.next(0), nil
}

// syntaxOffset returns the offset of an error of encoding/json; if the error has
// none, because something is missing at the end, it is a large number.
func syntaxOffset(err error) int {
	if wrong := (*json.SyntaxError)(nil); errors.As(err, &wrong) {
		return int(wrong.Offset)
	}
	return math.MaxInt32
}

// syntaxOffsetOfFirst is the offset of an error in a text's first byte, which
// depends on the version of encoding/json: it is 1, or 0 with
// GOEXPERIMENT=jsonv2.
var syntaxOffsetOfFirst = syntaxOffset(json.Unmarshal([]byte("?"), new(any)))

// Line returns the line of an offset in a text, from 1. Offsets outside the text are
// those of its beginning and end.
func Line(text []byte, offset int) int {
	return 1 + bytes.Count(text[:max(0, min(offset, len(text)))], []byte("\n"))
}

// Raw returns the value's text.
func (v Value) Raw() []byte { return v.text[v.at:v.end] }

// Line returns the line in which the value begins, from 1.
func (v Value) Line() int { return Line(v.text, v.at) }

// Path returns the path to the value, such as "down.rate" or "steps[2].at". It is empty
// for the whole text. The path of a name is that of its object.
func (v Value) Path() string { return strings.TrimPrefix(v.next(0).pathTo(v.at), ".") }

// pathTo returns the path from the value to the one at an offset.
func (v Value) pathTo(at int) string {
	for name, value := range v.Fields() {
		if value.at <= at && at < value.end {
			return "." + name.Text() + value.pathTo(at)
		}
	}
	for i, element := range v.Elements() {
		if element.at <= at && at < element.end {
			return fmt.Sprintf("[%d]%s", i, element.pathTo(at))
		}
	}
	return ""
}

// A locatedError has a place in its text.
type locatedError struct{ error }

// Locate adds the value's line and path to an error that does not have them. Nil stays nil.
func (v Value) Locate(err error) error {
	if err == nil || errors.As(err, new(locatedError)) {
		return err
	}
	where := strings.TrimSuffix(fmt.Sprintf("line %d: %s", v.Line(), v.Path()), ": ")
	return locatedError{fmt.Errorf("%s: %w", where, err)}
}

// Kind returns the first byte of the value; that of all numbers is '0'.
func (v Value) Kind() byte {
	if first := v.text[v.at]; first != '-' && (first < '0' || first > '9') {
		return first
	}
	return '0'
}

// MustBe returns an error if the value is not of the kind. It does not have the value's
// place.
func (v Value) MustBe(kind byte, wanted string) error {
	if v.Kind() == kind {
		return nil
	}
	is, known := map[byte]string{'{': "an object", '[': "an array", '"': "a string", '0': "a number"}[v.Kind()]
	if !known { // true, false or null
		is = string(v.Raw())
	}
	return fmt.Errorf("it is %s: it must be %s", is, wanted)
}

// Text returns the string that a string or a name stands for, and an empty one for other
// values.
func (v Value) Text() (s string) {
	if raw := v.Raw(); v.Kind() == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	_ = json.Unmarshal(v.Raw(), &s) // it is valid
	return s
}

// Fields returns the names and values of an object, in order. Other values have none.
func (v Value) Fields() iter.Seq2[Value, Value] {
	return func(yield func(name, value Value) bool) {
		if v.Kind() != '{' {
			return
		}
		for name := v.next(v.at + 1); name.at < name.end; {
			value := v.next(name.end)
			if !yield(name, value) {
				return
			}
			name = v.next(value.end)
		}
	}
}

// Elements returns the elements of an array, in order. Other values have none.
func (v Value) Elements() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.Kind() != '[' {
			return
		}
		i := 0
		for e := v.next(v.at + 1); e.at < e.end && yield(i, e); e = v.next(e.end) {
			i++
		}
	}
}

// next returns the first value at an offset or after it. It is empty at the end of an
// object or array.
func (v Value) next(at int) Value {
	for strings.IndexByte(space+",:", v.text[at]) >= 0 {
		at++
	}
	end := at
	for depth, quoted := 0, false; end < len(v.text); end++ {
		switch c := v.text[end]; {
		case quoted && c == '\\':
			end++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && strings.IndexByte(space+",:}]", c) >= 0:
			return Value{v.text, at, end}
		case c == '}' || c == ']':
			depth--
		}
	}
	return Value{v.text, at, end}
}
