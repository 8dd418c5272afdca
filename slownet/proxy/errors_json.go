package proxy

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// inWordsOfJSON rewrites an error of encoding/json about the type of a value in JSON's
// terms, without Go's types. The value is in the field with the given name, unless that is
// empty. Other errors are returned unchanged.
func inWordsOfJSON(name string, err error) error {
	is := (*json.UnmarshalTypeError)(nil)
	if !errors.As(err, &is) {
		return err
	}
	// In some versions of Go, the path contains the names of embedded structs.
	at := strings.Trim(name+"."+strings.ReplaceAll(is.Field, "pathJSON.", ""), ".")
	at = cmp.Or(at, "the JSON")
	if number, isNumber := strings.CutPrefix(is.Value, "number "); isNumber {
		return fmt.Errorf("%s is %.40s: it must be %s%s", at, number, wordsOf(is.Type), boundsOf(is.Type))
	}
	got := "a " + is.Value
	switch is.Value {
	case "bool":
		got = "true or false"
	case "object", "array":
		got = "an " + is.Value
	}
	return fmt.Errorf("%s must be %s, not %s", at, wordsOf(is.Type), got)
}

// wordsOf describes the JSON values of a type.
func wordsOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[milliseconds]():
		return "a number of milliseconds"
	case reflect.TypeFor[microseconds]():
		return "a number of microseconds"
	case reflect.TypeFor[jsonDuration]():
		return `a duration such as "40ms" or "1.5s"`
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// boundsOf describes the bounds of the JSON numbers of a type.
func boundsOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return " up to 1e38"
	case reflect.Uint64:
		return " from 0 to 18446744073709551615"
	}
	return " of at most 18 digits"
}
