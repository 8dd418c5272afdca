package netem

import (
	"bytes"
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
	there := map[string]bool{}
	first := map[string]int{} // the lines of names
	err := v.members(what, func(m jsonMember) error {
		at := jsonValue{path: v.path, line: m.line}
		field := fieldNamed(fields, m.name)
		if field == nil {
			return at.errorf("there is no field %.40q: the fields are %s", m.name, fieldNames(fields))
		}
		if there[m.name] {
			return at.errorf("the field %.40q appears twice, first in line %d: remove one", m.name, first[m.name])
		}
		there[m.name], first[m.name] = true, m.line
		m.value.path = strings.TrimPrefix(v.path+"."+m.name, ".")
		if err := field.read(m.value); err != nil {
			return err
		}
		if invalid != nil {
			if err := invalid(); err != nil {
				return m.value.invalid(err)
			}
		}
		return nil
	})
	return there, err
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

// A jsonMember is a name in an object, the line of it, and its value, which has
// no path yet.
type jsonMember struct {
	name  string
	line  int
	value jsonValue
}

// members hands over what is in an object, in order, until each fails. It keeps
// nothing of it: an object can have any number of members.
func (v jsonValue) members(what string, each func(jsonMember) error) error {
	if !v.isObject() {
		return v.mustBe(what)
	}
	for parts := newJSONParts(v); parts.more(); {
		name := parts.value()
		text, err := name.text("a name")
		if err != nil {
			return err
		}
		if err := each(jsonMember{text, name.line, parts.value()}); err != nil {
			return err
		}
	}
	return nil
}

// elements hands over what is in an array, in order, until each fails. Nothing
// is allocated for an element: an array can have any number of them.
func (v jsonValue) elements(what string, each func(jsonValue) error) error {
	if !v.isArray() {
		return v.mustBe(what)
	}
	parts := newJSONParts(v)
	for count := 1; parts.more(); count++ {
		value := parts.value()
		value.path, value.element = v.path, count
		if err := each(value); err != nil {
			return err
		}
	}
	return nil
}

// maxElements returns how many elements an array has at most.
func (v jsonValue) maxElements() int {
	if !v.isArray() {
		return 0
	}
	return bytes.Count(v.raw, []byte(",")) + 1
}

// jsonParts takes an object or an array apart, by one level, and knows in which
// line it is.
type jsonParts struct {
	raw     []byte
	at      int // after what was taken
	counted int // bytes of which the lines are counted
	line    int
}

func newJSONParts(v jsonValue) *jsonParts {
	return &jsonParts{raw: v.raw, at: 1, line: v.line} // after the opening brace or bracket
}

// more goes to the next part, and reports whether there is one.
func (p *jsonParts) more() bool {
	for strings.IndexByte(jsonSpace+",:", p.raw[p.at]) >= 0 {
		p.at++
	}
	return p.raw[p.at] != '}' && p.raw[p.at] != ']'
}

// value returns the next part: a name, or a value. There must be one.
func (p *jsonParts) value() jsonValue {
	p.more()
	start := p.at
	p.at = endOfJSON(p.raw, start)
	p.line += bytes.Count(p.raw[p.counted:start], []byte("\n"))
	p.counted = start
	return jsonValue{raw: p.raw[start:p.at], line: p.line}
}

// endOfJSON returns the end of the value that begins at the given place, in a
// text known to be valid.
func endOfJSON(text []byte, at int) int {
	depth := 0
	for {
		switch text[at] {
		case '"':
			at = endOfJSONString(text, at)
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		default: // what has no brackets, or is between some
			at++
			if depth > 0 {
				continue
			}
			if end := bytes.IndexAny(text[at:], ",]}"+jsonSpace); end >= 0 {
				return at + end
			}
			return len(text)
		}
		if depth == 0 {
			return at
		}
	}
}

// endOfJSONString is endOfJSON for a string.
func endOfJSONString(text []byte, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at + 1
}
