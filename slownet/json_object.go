package slownet

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// A jsonField is a field that an object may have, and what reads it.
type jsonField struct {
	name string
	read func(jsonValue) error
}

// into returns what reads a field and stores it.
func into[T any](target *T, read func(jsonValue) (T, error)) func(jsonValue) error {
	return func(v jsonValue) (err error) {
		*target, err = read(v)
		return err
	}
}

// object reads the fields of an object in the order in which they come, and
// returns which of them are there. After each of them it looks whether what
// was read up to then is valid, so that an error is known by its field; nil is
// always valid. A field that is not among those given is an error, and so is
// one that comes twice.
func (v jsonValue) object(what string, invalid func() error, fields ...jsonField) (map[string]bool, error) {
	members, err := v.members(what)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, m := range members {
		field := fieldNamed(fields, m.name)
		if field == nil {
			at := jsonValue{path: v.path, line: m.line}
			return nil, at.errorf("there is no field %.40q: the fields are %s", m.name, fieldNames(fields))
		}
		if err := field.read(m.value); err != nil {
			return nil, err
		}
		if invalid != nil {
			if err := invalid(); err != nil {
				return nil, m.value.errorf("%w", err)
			}
		}
		there[m.name] = true
	}
	return there, nil
}

func fieldNamed(fields []jsonField, name string) *jsonField {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// fieldNames lists the names of fields.
func fieldNames(fields []jsonField) string {
	list := make([]string, len(fields))
	for i, field := range fields {
		list[i] = field.name
	}
	return enumerate(list, "and")
}

// enumerate lists words as a sentence does.
func enumerate(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	end := len(words) - 1
	return strings.Join(words[:end], ", ") + " " + last + " " + words[end]
}

// A jsonMember is a name in an object, the line of it, and its value.
type jsonMember struct {
	name  string
	line  int
	value jsonValue
}

// members returns what is in an object, in order. A name that is there twice
// is an error.
func (v jsonValue) members(what string) ([]jsonMember, error) {
	if !v.isObject() {
		return nil, v.mustBe(what)
	}
	var all []jsonMember
	first := map[string]int{} // the lines of names
	for parts := newJSONParts(v); parts.more(); {
		name, line, err := parts.name()
		if err != nil {
			return nil, err
		}
		value, err := parts.value(strings.TrimPrefix(v.path+"."+name, "."))
		if err != nil {
			return nil, err
		}
		at := jsonValue{path: v.path, line: line}
		if earlier, ok := first[name]; ok {
			return nil, at.errorf("the field %.40q is there twice, first in line %d: leave one", name, earlier)
		}
		first[name] = line
		all = append(all, jsonMember{name, line, value})
	}
	return all, nil
}

// elements hands over what is in an array, in order.
func (v jsonValue) elements(what string, each func(jsonValue) error) error {
	if !v.isArray() {
		return v.mustBe(what)
	}
	parts := newJSONParts(v)
	for i := 0; parts.more(); i++ {
		value, err := parts.value(v.path + "[" + strconv.Itoa(i) + "]")
		if err != nil {
			return err
		}
		if err := each(value); err != nil {
			return err
		}
	}
	return nil
}

// jsonParts takes a value apart, by one level, and knows in which line it is.
type jsonParts struct {
	whole   jsonValue
	decoder *json.Decoder
	counted int // bytes of the whole of which the lines are counted
	line    int
}

func newJSONParts(v jsonValue) *jsonParts {
	p := &jsonParts{whole: v, decoder: json.NewDecoder(bytes.NewReader(v.raw)), line: v.line}
	p.decoder.Token() // the brace or bracket that opens it, which is known to be there
	return p
}

func (p *jsonParts) more() bool { return p.decoder.More() }

// name returns the next name of an object, and its line.
func (p *jsonParts) name() (string, int, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return "", 0, p.whole.errorf("%w", err)
	}
	name, _ := token.(string)
	return name, p.lineAt(int(p.decoder.InputOffset())), nil
}

// value returns the next value.
func (p *jsonParts) value(path string) (jsonValue, error) {
	var raw json.RawMessage
	if err := p.decoder.Decode(&raw); err != nil {
		return jsonValue{}, p.whole.errorf("%w", err)
	}
	start := int(p.decoder.InputOffset()) - len(raw)
	return jsonValue{raw, path, p.lineAt(start)}, nil
}

// lineAt returns the line of a place; places come in order.
func (p *jsonParts) lineAt(at int) int {
	p.line += bytes.Count(p.whole.raw[p.counted:at], []byte("\n"))
	p.counted = at
	return p.line
}
