package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// checkFields returns an error for the first unknown field of a configuration file, with its
// line and its path.
func checkFields(data []byte) error {
	return checkValue(data, 0, "", reflect.TypeFor[fileJSON](), func(offset int, path string) error {
		return fmt.Errorf("line %d: unknown field %q", lineOf(data, int64(offset)), path)
	})
}

// A member is a member of a JSON object, or an element of a JSON array.
type member struct {
	name      string // empty in an array
	nameEnd   int    // offset of the end of the name
	value     json.RawMessage
	valueFrom int // offset of the value
}

// membersOf returns the members of the JSON object or array at the given offset. Other values
// have none.
func membersOf(data []byte, offset int) (members []member) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	open, err := decoder.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return nil
	}
	for decoder.More() {
		var m member
		if open == json.Delim('{') {
			name, err := decoder.Token()
			if err != nil {
				return members
			}
			m.name, _ = name.(string)
			m.nameEnd = offset + int(decoder.InputOffset())
		}
		if decoder.Decode(&m.value) != nil {
			return members
		}
		m.valueFrom = offset + int(decoder.InputOffset()) - len(m.value)
		members = append(members, m)
	}
	return members
}

// checkValue calls unknown for the first field in a JSON value that a type does not have.
func checkValue(data []byte, offset int, path string, t reflect.Type, unknown func(offset int, path string) error) error {
	switch {
	case t == reflect.TypeFor[Schedule]():
		t = reflect.TypeFor[scheduleJSON]()
	case t == reflect.TypeFor[Toxic]():
		return checkToxic(data, offset, path, unknown)
	case t == reflect.TypeFor[json.RawMessage](), reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return nil // it checks its fields itself
	case t.Kind() == reflect.Slice:
		for i, m := range membersOf(data, offset) {
			if err := checkValue(m.value, m.valueFrom, fmt.Sprintf("%s[%d]", path, i), t.Elem(), unknown); err != nil {
				return err
			}
		}
		return nil
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields[strings.ToLower(name)] = f.Type
		}
	}
	for _, m := range membersOf(data, offset) {
		at := strings.TrimPrefix(path+"."+m.name, ".")
		is, ok := fields[strings.ToLower(m.name)]
		if !ok {
			return unknown(m.nameEnd, at)
		}
		if err := checkValue(m.value, m.valueFrom, at, is, unknown); err != nil {
			return err
		}
	}
	return nil
}

// checkToxic checks the fields of a toxic. Its attributes depend on its type.
func checkToxic(data []byte, offset int, path string, unknown func(offset int, path string) error) error {
	if err := checkValue(data, offset, path, reflect.TypeFor[toxicJSON](), unknown); err != nil {
		return err
	}
	var kind struct {
		Type string `json:"type"`
	}
	a := Attributes(nil)
	if json.Unmarshal(data, &kind) == nil {
		a = attributesOf(kind.Type)
	}
	if a == nil {
		return nil // that is reported as a separate error
	}
	for _, m := range membersOf(data, offset) {
		if strings.EqualFold(m.name, "attributes") {
			if err := checkValue(m.value, m.valueFrom, path+"."+m.name, reflect.TypeOf(a.fields()).Elem(), unknown); err != nil {
				return err
			}
		}
	}
	return nil
}
