package netem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A jsonValue is a value in a valid JSON text.
type jsonValue struct {
	text    []byte // all of it
	at, end int    // of the value, without space around it
	path    string // such as "down.rate"; empty for the whole text
}

// newJSONValue returns the value that a text consists of.
func newJSONValue(text []byte) (jsonValue, error) {
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return jsonValue{}, errors.New("line 1: there is a byte order mark: save the text as UTF-8 without one")
	}
	line := 0
	for of := range bytes.Lines(text) {
		if line++; !utf8.Valid(of) {
			return jsonValue{}, fmt.Errorf("line %d: this is not UTF-8: save the text as UTF-8", line)
		}
	}
	at := len(text) - len(bytes.TrimLeft(text, jsonSpace))
	v := jsonValue{text: text, at: at, end: max(at, len(bytes.TrimRight(text, jsonSpace)))}
	if !json.Valid(v.raw()) {
		err := json.Unmarshal(v.raw(), new(any))
		wrong := min(at+max(0, syntaxOffset(err)-syntaxOffsetOfFirst), v.end)
		return jsonValue{}, fmt.Errorf("line %d: this is not JSON (which has no comments, wants double quotes, and no comma after the last): %w",
			v.lineOf(wrong), err)
	}
	return v, nil
}

const jsonSpace = " \t\r\n"

// syntaxOffset returns the offset of an error of encoding/json; if the error
// has none, something is missing at the end.
func syntaxOffset(err error) int {
	if wrong := (*json.SyntaxError)(nil); errors.As(err, &wrong) {
		return int(wrong.Offset)
	}
	return math.MaxInt32
}

// syntaxOffsetOfFirst returns the offset of an error in a text's first byte,
// which depends on the version of encoding/json: it is 1, or 0 with that which
// GOEXPERIMENT=jsonv2 selects.
var syntaxOffsetOfFirst = syntaxOffset(json.Unmarshal([]byte("?"), new(any)))

// raw returns the value's text.
func (v jsonValue) raw() []byte { return v.text[v.at:v.end] }

// lineOf returns the line of a place in the text.
func (v jsonValue) lineOf(at int) int { return 1 + bytes.Count(v.text[:at], []byte("\n")) }

// A jsonError is an error with its place in a text.
type jsonError struct {
	where string
	err   error
}

func (e *jsonError) Error() string { return e.where + ": " + e.err.Error() }

// locate adds the value's place to an error that does not have one. An invalid
// field is named in the words of JSON.
func (v jsonValue) locate(err error) error {
	if located := new(jsonError); err == nil || errors.As(err, &located) {
		return err
	}
	if invalid := new(invalidError); errors.As(err, &invalid) {
		err = errors.New(invalid.inJSON)
	}
	return &jsonError{strings.TrimSuffix(fmt.Sprintf("line %d: %s", v.lineOf(v.at), v.path), ": "), err}
}

// kind returns the first byte of the value; that of all numbers is 0.
func (v jsonValue) kind() byte {
	if first := v.text[v.at]; first != '-' && (first < '0' || first > '9') {
		return first
	}
	return '0'
}

// mustBe returns an error if the value is not of a kind.
func (v jsonValue) mustBe(kind byte, wanted string) error {
	if v.kind() == kind {
		return nil
	}
	is, known := map[byte]string{'{': "an object", '[': "an array", '"': "a string", '0': "a number"}[v.kind()]
	if !known { // true, false or null
		is = string(v.raw())
	}
	return fmt.Errorf("it is %s: it must be %s", is, wanted)
}

// string returns the value of a string.
func (v jsonValue) string() (s string) {
	_ = json.Unmarshal(v.raw(), &s) // it is valid
	return s
}

// number returns a whole number.
func (v jsonValue) number(what string) (int64, error) {
	if err := v.mustBe('0', what); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(v.raw()), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40s cannot be used: it must be %s", v.raw(), what)
	}
	return n, nil
}

// numbers passes the whole numbers of an array to add, in order, until add
// fails. It does not allocate for elements: an array can have any number of
// them.
func (v jsonValue) numbers(what string, add func(int64) error) error {
	index := 0
	for _, element := range v.parts() {
		n, err := element.number(what)
		if err == nil {
			err = add(n)
		}
		if err != nil {
			element.path = fmt.Sprintf("%s[%d]", v.path, index)
			return element.locate(err)
		}
		index++
	}
	return nil
}

// parts returns the names and values of an object, or the elements of an array,
// in order. Their path is that of the object or array.
func (v jsonValue) parts() iter.Seq2[jsonValue, jsonValue] {
	return func(yield func(name, value jsonValue) bool) {
		for name := v.next(v.at + 1); name.at < name.end; {
			value := name
			if v.kind() == '{' {
				value = v.next(name.end)
			}
			if !yield(name, value) {
				return
			}
			name = v.next(value.end)
		}
	}
}

// next returns the first value after a place in an object or in an array. It is empty
// if there is none.
func (v jsonValue) next(at int) jsonValue {
	for strings.IndexByte(jsonSpace+",:", v.text[at]) >= 0 {
		at++
	}
	end := at
	for depth, quoted := 0, false; ; end++ {
		switch c := v.text[end]; {
		case quoted && c == '\\':
			end++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && strings.IndexByte(jsonSpace+",:}]", c) >= 0:
			return jsonValue{v.text, at, end, v.path}
		case c == '}' || c == ']':
			depth--
		}
	}
}

// maxParts returns an upper bound of the number of elements of an array.
func (v jsonValue) maxParts() int { return bytes.Count(v.raw(), []byte(",")) + 1 }
