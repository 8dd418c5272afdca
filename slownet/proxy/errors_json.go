package proxy

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// inWordsOfJSON rewrites an error of encoding/json about the type of a value in JSON's
// terms, without Go's types. The value is in the field with the given name, unless that is
// empty. Other errors are returned unchanged.
func inWordsOfJSON(name string, err error) error {
	is := (*json.UnmarshalTypeError)(nil)
	if !errors.As(err, &is) {
		return err
	}
	// In some versions of Go, the path contains the names of embedded structs, or indices.
	path := slices.DeleteFunc(strings.Split(is.Field, "."), func(s string) bool {
		_, notIndex := strconv.Atoi(s)
		return s == "pathJSON" || notIndex == nil
	})
	return typeError(strings.Trim(name+"."+strings.Join(path, "."), "."), is)
}

// inWordsAt is inWordsOfJSON for an error of parsing JSON into a value of a type. It finds
// the place itself: encoding/json's depends on the version of Go. It returns the line too,
// or 0 if it returns the error unchanged.
func inWordsAt(name string, data []byte, t reflect.Type, err error) (line int, inWords error) {
	is := (*json.UnmarshalTypeError)(nil)
	v, invalid := jsonvalue.Parse(data)
	if !errors.As(err, &is) || invalid != nil {
		return 0, err
	}
	v = wrongValue(v, t)
	return v.Line(), typeError(strings.Trim(name+"."+v.Path(), "."), is)
}

// wrongValue returns the innermost value in a JSON value for which there is such an error.
func wrongValue(v jsonvalue.Value, t reflect.Type) jsonvalue.Value {
	isWrong := func(v jsonvalue.Value, t reflect.Type) bool {
		return errors.As(json.Unmarshal(v.Raw(), reflect.New(t).Interface()), new(*json.UnmarshalTypeError))
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
	case t.Kind() == reflect.Slice:
		for _, element := range v.Elements() {
			if isWrong(element, t.Elem()) {
				return wrongValue(element, t.Elem())
			}
		}
	case t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		for name, value := range v.Fields() {
			if of, known := fields[strings.ToLower(name.Text())]; known && isWrong(value, of) {
				return wrongValue(value, of)
			}
		}
	}
	return v
}

// typeError says which JSON value a field must have, in place of an error of encoding/json.
func typeError(at string, is *json.UnmarshalTypeError) error {
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
