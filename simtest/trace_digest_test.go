package simtest

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Events that differ in any field make another digest.
func TestDigestSeesEveryField(t *testing.T) {
	base := Event{1, Data, "a", "b", ConnID{"a", "tcp", 1}, 1, 1, 1, "note"}
	digest := base.mixInto(0)
	var e Event
	change := func(name string, field reflect.Value) {
		e = base
		switch field.Kind() {
		case reflect.String:
			field.SetString(field.String() + "x")
		case reflect.Int, reflect.Int64:
			field.SetInt(field.Int() + 1)
		case reflect.Uint8, reflect.Uint32, reflect.Uint64:
			field.SetUint(field.Uint() + 1)
		default:
			assert.Fail(t, "a field of a new kind", name)
		}
		assert.NotEqual(t, digest, e.mixInto(0), name)
	}
	for _, of := range []reflect.Value{reflect.ValueOf(&e).Elem(), reflect.ValueOf(&e.Conn).Elem()} {
		for i := range of.NumField() {
			if name := of.Type().Field(i).Name; name != "Conn" {
				change(name, of.Field(i))
			}
		}
	}
}
