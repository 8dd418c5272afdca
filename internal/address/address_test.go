package address_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/address"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"10000":              "127.0.0.1:10000",
		":10000":             "127.0.0.1:10000",
		"localhost:1":        "localhost:1",
		"poet.example:65535": "poet.example:65535",
		"[::1]:10000":        "[::1]:10000",
		"[fe80::1%lo]:80":    "[fe80::1%lo]:80",
		"0080":               "127.0.0.1:80",
	} {
		got, err := address.Parse(s, 1)
		require.NoError(t, err, s)
		assert.Equal(t, want, got)
	}
	for s, want := range map[string]string{
		"":                     `address "": the port is missing: want PORT or HOST:PORT, such as 10000`,
		"localhost:":           `address "localhost:": the port is missing: want PORT or HOST:PORT, such as 10000`,
		"http":                 `address "http": the port is missing: want PORT or HOST:PORT, such as http:10000`,
		"db.example":           `address "db.example": the port is missing: want PORT or HOST:PORT, such as db.example:10000`,
		"3g.example":           `address "3g.example": the port is missing: want PORT or HOST:PORT, such as 3g.example:10000`,
		"192.0.2.1":            `address "192.0.2.1": the port is missing: want PORT or HOST:PORT, such as 192.0.2.1:10000`,
		"80a":                  `address "80a": port "80a" is not a number: want 1 to 65535`,
		"a:http":               `address "a:http": port "http" is not a number: want 1 to 65535`,
		"-1":                   `address "-1": port "-1" is not a number: want 1 to 65535`,
		"+80":                  `address "+80": port "+80" is not a number: want 1 to 65535`,
		"0":                    `address "0": port 0 is out of range: want 1 to 65535`,
		"65536":                `address "65536": port 65536 is out of range: want 1 to 65535`,
		"99999999999999999999": `address "99999999999999999999": port 99999999999999999999 is out of range: want 1 to 65535`,
		"::1:80":               `address "::1:80": want PORT, HOST:PORT or [IPV6]:PORT`,
		"[::1]":                `address "[::1]": want PORT, HOST:PORT or [IPV6]:PORT`,
		"http://a:80":          `address "http://a:80": want PORT, HOST:PORT or [IPV6]:PORT`,
		"a b:80":               `address "a b:80": "a b" is not a host: want a name or an IP address`,
		"a\x1bb:80":            `address "a\x1bb:80": "a\x1bb" is not a host: want a name or an IP address`,
		"@:80":                 `address "@:80": "@" is not a host: want a name or an IP address`,
		"%lo:80":               `address "%lo:80": "%lo" is not a host: want a name or an IP address`,
		"[]:80":                `address "[]:80": "[]" is not a host: want a name or an IP address`,
	} {
		_, err := address.Parse(s, 1)
		assert.EqualError(t, err, want)
	}
}

// Port 0 is valid only for listening.
func TestParsePortZero(t *testing.T) {
	for s, want := range map[string]string{"0": "127.0.0.1:0", ":0": "127.0.0.1:0", "localhost:0": "localhost:0", "[::]:9100": "[::]:9100"} {
		got, err := address.Parse(s, 0)
		require.NoError(t, err, s)
		assert.Equal(t, want, got)
	}
	_, err := address.Parse("65536", 0)
	assert.EqualError(t, err, `address "65536": port 65536 is out of range: want 0 to 65535`)
	_, err = address.Parse(":http", 0)
	assert.EqualError(t, err, `address ":http": port "http" is not a number: want 0 to 65535`)
	_, err = address.Parse("localhost:0", 1)
	assert.EqualError(t, err, `address "localhost:0": port 0 is out of range: want 1 to 65535`)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"10000", "a:1", "[::1]:2", ":", "", "a:b:c", "[", "]:1", "\x00:1", "é:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := address.Parse(s, 1)
		if err != nil {
			return
		}
		again, err := address.Parse(parsed, 1)
		require.NoError(t, err, "Parse accepts its own results")
		require.Equal(t, parsed, again)
	})
}
