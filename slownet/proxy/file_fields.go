package proxy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/enumerate"
	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// checkFields returns an error for the first field in a JSON value that a type does not have,
// with its line and its path.
func checkFields(v jsonvalue.Value, t reflect.Type) error {
	isToxic := t == reflect.TypeFor[Toxic]()
	switch {
	case isToxic:
		t = reflect.TypeFor[toxicJSON]()
	case t == reflect.TypeFor[Schedule]():
		t = reflect.TypeFor[scheduleJSON]()
	case t == reflect.TypeFor[json.RawMessage](), reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return nil // it checks its fields itself
	case t.Kind() == reflect.Slice:
		for _, element := range v.Elements() {
			if err := checkFields(element, t.Elem()); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() != reflect.Struct:
		return nil
	}
	fields := fieldsOf(t)
	if isToxic {
		fields["attributes"] = attributesType(v)
	}
	for name, value := range v.Fields() {
		of, known := fields[strings.ToLower(name.Text())]
		if !known {
			return fmt.Errorf("line %d: unknown field %q: %s", name.Line(), value.Path(), fieldList(t))
		}
		if err := checkFields(value, of); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf returns the types of a struct's fields by their lower-case names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields[strings.ToLower(name)] = f.Type
		}
	}
	return fields
}

// fieldList lists the fields of a struct in JSON.
func fieldList(t reflect.Type) string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return "there are no fields here"
	case 1:
		return "the only field is " + names[0]
	}
	return "the fields are " + enumerate.Words(names, "and")
}

// attributesType returns the type of the attributes of a toxic in JSON, which depends on the
// type of the toxic. Any attributes are allowed if that is wrong, which is an error of its own.
func attributesType(toxic jsonvalue.Value) reflect.Type {
	var in struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(toxic.Raw(), &in) == nil {
		if a := attributesOf(in.Type); a != nil {
			return reflect.TypeOf(a.fields()).Elem()
		}
	}
	return reflect.TypeFor[any]()
}
