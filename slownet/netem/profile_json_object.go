package netem

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A jsonField is a field of a struct and of the JSON object that represents the struct.
type jsonField struct {
	name     string
	omitZero bool // the field is not written if it is zero
	isZero   bool
	pointer  any // to the field of the struct
}

// fieldsOf returns the fields of the struct that a pointer points to, including the
// fields of embedded structs.
func fieldsOf(pointer any) (fields []jsonField) {
	of := reflect.ValueOf(pointer).Elem()
	for _, f := range reflect.VisibleFields(of.Type()) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" {
			continue
		}
		value := of.FieldByIndex(f.Index)
		field := jsonField{name, options == "omitzero", value.IsZero(), value.Addr().Interface()}
		if f.Tag.Get("unit") == "packets" {
			field.pointer = (*packetCount)(field.pointer.(*int))
		}
		fields = append(fields, field)
	}
	return fields
}

// appendObject writes the struct that a pointer points to.
func appendObject(b []byte, from any) []byte {
	b = append(b, '{')
	for _, f := range fieldsOf(from) {
		if f.omitZero && f.isZero {
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
	what            string       // what is allowed here, with an example, for errors
	needed, example string       // a required field, and an example of an object that has it
	invalid         func() error // checks the struct after each field, so that an error can name the field; nil accepts everything
}

// readObject reads an object into the struct that a pointer points to. Fields
// that the object does not contain are unchanged. Unknown and duplicate fields
// are errors.
func readObject(v jsonValue, to any, rules objectRules) error {
	if err := v.mustBe('{', rules.what); err != nil {
		return err
	}
	fields, first := fieldsOf(to), map[string]int{} // where each name first occurs
	for member, value := range v.parts() {
		name := member.string()
		i := slices.IndexFunc(fields, func(f jsonField) bool { return f.name == name })
		if i < 0 {
			return member.locate(fmt.Errorf("there is no field %.40q: the fields are %s", name, fieldNames(fields)))
		}
		if at, twice := first[name]; twice {
			return member.locate(fmt.Errorf("the field %.40q appears twice, first in line %d: remove one", name, v.lineOf(at)))
		}
		first[name] = member.at
		value.path = strings.TrimPrefix(v.path+"."+name, ".")
		err := readJSON(value, fields[i].pointer)
		if err == nil && rules.invalid != nil {
			err = rules.invalid()
		}
		if err != nil {
			return value.locate(err)
		}
	}
	if _, there := first[rules.needed]; !there && rules.needed != "" {
		return fmt.Errorf("there is no %s: give one, such as %s", rules.needed, rules.example)
	}
	return nil
}

// fieldNames lists the names of fields.
func fieldNames(fields []jsonField) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return enumerate(names, "and")
}
