package jsonvalue_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// Fields and elements come in order, whatever their strings contain, and each value knows its
// line and path.
func TestPlaces(t *testing.T) {
	v, err := jsonvalue.Parse([]byte(" \n{\"a\\u0062\": \"}\\\",\",\n\"c\" : [1, {\"d\": [ ]},\n-2e3],\"e\":null}\n"))
	require.NoError(t, err)
	type place struct {
		text, path string
		line       int
	}
	var places []place
	var visit func(v jsonvalue.Value)
	visit = func(v jsonvalue.Value) {
		places = append(places, place{string(v.Raw()), v.Path(), v.Line()})
		for name, value := range v.Fields() {
			places = append(places, place{name.Text(), name.Path(), name.Line()})
			visit(value)
		}
		for _, element := range v.Elements() {
			visit(element)
		}
	}
	visit(v)
	assert.Equal(t, []place{
		{"{\"a\\u0062\": \"}\\\",\",\n\"c\" : [1, {\"d\": [ ]},\n-2e3],\"e\":null}", "", 2},
		{"ab", "", 2}, {`"}\","`, "ab", 2},
		{"c", "", 3}, {"[1, {\"d\": [ ]},\n-2e3]", "c", 3},
		{"1", "c[0]", 3}, {`{"d": [ ]}`, "c[1]", 3}, {"d", "c[1]", 3}, {"[ ]", "c[1].d", 3}, {"-2e3", "c[2]", 4},
		{"e", "", 4}, {"null", "e", 4},
	}, places)
}

// An error is located once: at the innermost value.
func TestLocate(t *testing.T) {
	v, err := jsonvalue.Parse([]byte("{\n\"a\": [1,\ntrue]}"))
	require.NoError(t, err)
	require.NoError(t, v.Locate(nil))
	assert.EqualError(t, v.Locate(errors.New("wrong")), "line 1: wrong")
	for _, value := range v.Fields() {
		for i, element := range value.Elements() {
			err := v.Locate(value.Locate(element.Locate(element.MustBe('0', "a number of poems"))))
			assert.Equal(t, i == 1, err != nil)
			if err != nil {
				assert.EqualError(t, err, "line 3: a[1]: it is true: it must be a number of poems")
			}
		}
	}
}

func TestLine(t *testing.T) {
	for offset, want := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 3: 2, 9: 2} {
		assert.Equal(t, want, jsonvalue.Line([]byte("a\nb"), offset), offset)
	}
}

// A text without a value is empty, and another one that is not JSON has its line.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":            "line 1: the text is empty: it must be JSON, such as {}",
		" \n\r\n\t":   "line 1: the text is empty: it must be JSON, such as {}",
		"{\n\"a\": 1": "line 2: this is not JSON (which allows no comments, needs double quotes, and has no comma after the last item): unexpected end of JSON input",
	} {
		_, err := jsonvalue.Parse([]byte(text))
		assert.EqualError(t, err, want, "%q", text)
	}
}
