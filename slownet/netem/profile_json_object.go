package netem

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/enumerate"
	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// A jsonField is a field of a struct and of the JSON object that represents the struct.
type jsonField struct {
	name    string
	omitted bool // the field is not written: it is zero, and has the option omitzero
	pointer any  // to the field of the struct
	line    int  // where the field was read; 0 if it was not
}

// fieldsOf returns the fields of a struct, including the fields of embedded structs.
func fieldsOf(of reflect.Value) []jsonField {
	fields := make([]jsonField, 0, of.NumField())
	for i := range of.NumField() {
		f, value := of.Type().Field(i), of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		field := jsonField{name: name, omitted: options == "omitzero" && value.IsZero(), pointer: value.Addr().Interface()}
		if f.Tag.Get("unit") == "packets" {
			field.pointer = (*packetCount)(field.pointer.(*int))
		}
		switch {
		case f.Anonymous:
			fields = append(fields, fieldsOf(value.Elem())...)
		case name != "-":
			fields = append(fields, field)
		}
	}
	return fields
}

// appendObject writes the struct that a pointer points to.
func appendObject(b []byte, from any) []byte {
	b = append(b, '{')
	for _, f := range fieldsOf(reflect.ValueOf(from).Elem()) {
		if f.omitted {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, f.name), ':')
		b = appendJSON(b, f.pointer)
	}
	return append(b, '}')
}

// objectRules are the rules for an object.
type objectRules struct {
	what            string       // the allowed values, with an example, for errors
	needed, example string       // a required field, and an example of an object that has it
	invalid         func() error // checks the struct after each field, so that an error can name the field; nil accepts everything
}

// readObject reads an object into the struct that a pointer points to. Fields
// that the object does not contain are unchanged. Unknown and duplicate fields
// are errors.
func readObject(v jsonvalue.Value, to any, rules objectRules) error {
	if err := v.MustBe('{', rules.what); err != nil {
		return err
	}
	fields := fieldsOf(reflect.ValueOf(to).Elem())
	for member, value := range v.Fields() {
		name := member.Text()
		i := slices.IndexFunc(fields, func(f jsonField) bool { return f.name == name })
		if i < 0 {
			return member.Locate(fmt.Errorf("there is no field %.40q: the fields are %s", name, fieldNames(fields)))
		}
		f := &fields[i]
		if f.line > 0 {
			return member.Locate(fmt.Errorf("the field %.40q appears twice, first in line %d: remove one", name, f.line))
		}
		f.line = member.Line()
		err := readJSON(value, f.pointer)
		if err == nil && rules.invalid != nil {
			err = rules.invalid()
		}
		if err != nil {
			return locate(value, err)
		}
	}
	if slices.ContainsFunc(fields, func(f jsonField) bool { return f.name == rules.needed && f.line == 0 }) {
		return fmt.Errorf("there is no %s: give one, such as %s", rules.needed, rules.example)
	}
	return nil
}

// locate adds the value's line and path to an error that does not have them. An invalid
// field is named in the words of JSON.
func locate(v jsonvalue.Value, err error) error {
	if invalid := new(invalidError); errors.As(err, &invalid) {
		err = errors.New(invalid.inJSON)
	}
	return v.Locate(err)
}

// fieldNames lists the names of fields.
func fieldNames(fields []jsonField) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return enumerate.Words(names, "and")
}
