package clients_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
)

func TestFormatElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0:00:00":         0,
		"0:00:00.000001":  1999 * time.Nanosecond,
		"0:00:10.126361":  10126361 * time.Microsecond,
		"0:00:23":         23 * time.Second,
		"0:00:23.065661":  23065661*time.Microsecond + 999,
		"0:01:00":         time.Minute,
		"1:02:03.400000":  time.Hour + 2*time.Minute + 3400*ms,
		"100:00:00":       100 * time.Hour,
		"-0:00:01.500000": -1500 * ms,
	} {
		assert.Equal(t, want, clients.FormatElapsed(d))
	}
}

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]string{
		"10000":              "127.0.0.1:10000",
		":10000":             "127.0.0.1:10000",
		"localhost:1":        "localhost:1",
		"poet.example:65535": "poet.example:65535",
		"[::1]:10000":        "[::1]:10000",
		"[fe80::1%lo]:80":    "[fe80::1%lo]:80",
		"0080":               "127.0.0.1:80",
	} {
		got, err := clients.ParseAddress(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got)
	}
	for s, want := range map[string]string{
		"":                     `address "": the port is missing: want PORT or HOST:PORT, such as 10000`,
		"localhost:":           `address "localhost:": the port is missing: want PORT or HOST:PORT, such as 10000`,
		"http":                 `address "http": port "http" is not a number: want 1 to 65535`,
		"a:http":               `address "a:http": port "http" is not a number: want 1 to 65535`,
		"-1":                   `address "-1": port "-1" is not a number: want 1 to 65535`,
		"+80":                  `address "+80": port "+80" is not a number: want 1 to 65535`,
		"0":                    `address "0": port 0 is out of range: want 1 to 65535`,
		"65536":                `address "65536": port 65536 is out of range: want 1 to 65535`,
		"99999999999999999999": `address "99999999999999999999": port 99999999999999999999 is out of range: want 1 to 65535`,
		"::1:80":               `address "::1:80": want PORT, HOST:PORT or [IPV6]:PORT`,
		"[::1]":                `address "[::1]": want PORT, HOST:PORT or [IPV6]:PORT`,
		"http://a:80":          `address "http://a:80": want PORT, HOST:PORT or [IPV6]:PORT`,
		"a b:80":               `address "a b:80": "a b" is no host: want a name or an IP address`,
		"a\x1bb:80":            `address "a\x1bb:80": "a\x1bb" is no host: want a name or an IP address`,
		"@:80":                 `address "@:80": "@" is no host: want a name or an IP address`,
		"%lo:80":               `address "%lo:80": "%lo" is no host: want a name or an IP address`,
		"[]:80":                `address "[]:80": "[]" is no host: want a name or an IP address`,
	} {
		_, err := clients.ParseAddress(s)
		assert.EqualError(t, err, want)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"10000", "a:1", "[::1]:2", ":", "", "a:b:c", "[", "]:1", "\x00:1", "é:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		address, err := clients.ParseAddress(s)
		if err != nil {
			return
		}
		again, err := clients.ParseAddress(address)
		require.NoError(t, err, "what it returns, it takes")
		require.Equal(t, address, again)
	})
}

func TestPrinter(t *testing.T) {
	var out, failures strings.Builder
	p := &clients.Printer{Out: &out, Err: &failures}
	events := []clients.Event{
		{Kind: clients.Started, Task: 1, Address: "a:1"},
		{Kind: clients.Piece, Task: 1, Address: "a:1", Bytes: 30},
		{Kind: clients.Arrived, Task: 1, Address: "a:1", Bytes: 3003, Elapsed: 10126361 * time.Microsecond},
		{Kind: clients.Failed, Task: 2, Address: "a:2", Err: errors.New("connection refused")},
		{Kind: clients.Failed, Task: 3, Address: "a:3", Bytes: 7, Err: io.ErrUnexpectedEOF},
	}
	for _, e := range events {
		p.Blocking(e)
	}
	for _, e := range events {
		p.Async(e)
	}
	p.Async(clients.Event{Kind: clients.Waiting, Err: syscall.EMFILE})
	results := []clients.Result{{Poem: make([]byte, 3003)}, {Err: io.EOF}, {Err: io.EOF}}
	p.Sums(results)
	p.Total(results, 23*time.Second)
	assert.NoError(t, p.Failed())
	assert.Equal(t, `Task 1: get poetry from: a:1
Task 1: got 3003 bytes of poetry from a:1 in 0:00:10.126361
Task 1: got 30 bytes of poetry from a:1
Task 1: 3003 bytes of poetry
Got 1 poem in 0:00:23
`, out.String())
	twice := "Task 2: connection refused\nTask 3: unexpected EOF (after 7 bytes)\n"
	assert.Equal(t, twice+twice+"Out of descriptors: the tasks that have no connection yet wait until others are done; "+
		"a higher ulimit -n would avoid that (too many open files)\n", failures.String())
}

// A count of one has a singular noun.
func TestPrinterKnowsOneFromMany(t *testing.T) {
	var out strings.Builder
	p := &clients.Printer{Out: &out, Err: &out}
	p.Blocking(clients.Event{Kind: clients.Arrived, Task: 1, Address: "a:1", Bytes: 1})
	p.Async(clients.Event{Kind: clients.Piece, Task: 1, Address: "a:1", Bytes: 1})
	p.Blocking(clients.Event{Kind: clients.Failed, Task: 1, Bytes: 1, Err: &clients.TooLongError{MaxBytes: 1}})
	p.Sums([]clients.Result{{Poem: []byte("x")}})
	p.Total([]clients.Result{{}}, 0)
	p.Total(nil, 0)
	assert.Equal(t, `Task 1: got 1 byte of poetry from a:1 in 0:00:00
Task 1: got 1 byte of poetry from a:1
Task 1: too long: more than the limit of 1 byte (after 1 byte)
Task 1: 1 byte of poetry
Got 1 poem in 0:00:00
Got 0 poems in 0:00:00
`, out.String())
}

type brokenWriter struct{ error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.error }

func TestPrinterRemembersTheFirstFailure(t *testing.T) {
	p := &clients.Printer{Out: brokenWriter{io.ErrClosedPipe}, Err: brokenWriter{io.ErrNoProgress}}
	p.Total(nil, 0)
	p.Blocking(clients.Event{Kind: clients.Failed})
	assert.Equal(t, io.ErrClosedPipe, p.Failed())
}
