package trace_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var events = []trace.Event{
	{At: 0, Kind: trace.HostEvent, To: "poet", Note: "up"},
	{At: time.Second, Kind: trace.Connect, From: "reader", To: "poet", Conn: trace.Conn{Host: "reader", Network: "tcp", Number: 1}},
	{
		At: 1500 * time.Millisecond, Kind: trace.Data, From: "poet", To: "reader", Conn: trace.Conn{Host: "reader", Network: "tcp", Number: 1},
		Offset: 1 << 60, Length: 5, Hash: 0xa1, Took: 20 * time.Millisecond, Payload: "\x00<b>\xff",
	},
	{At: math.MaxInt64, Kind: trace.Fault, From: "é <script>\"\\\n", To: "\u2028&", Note: "\x01 partition"},
	{At: 1, Kind: trace.Drop, Conn: trace.Conn{Host: "a/b#c", Network: "udp", Number: math.MaxUint64}, Length: 1<<31 - 1},
	{
		At: 2, Kind: trace.Packet, From: "a", To: "b", Conn: trace.Conn{Host: "a", Network: "tcp", Number: 1}, Length: 2, Payload: "ab",
		Packet: &trace.PacketInfo{
			Number: 7, From: netip.MustParseAddrPort("10.0.0.1:49152"), To: netip.MustParseAddrPort("[fd00::1]:80"), Flags: trace.ACK | trace.PSH,
			Seq: 1 << 40, Ack: 3, Window: 65536, Size: 54, SACK: [][2]int64{{0, 5}, {1 << 40, 1<<40 + 1}}, Resent: true, Congestion: 14480,
		},
	},
	{At: 3, Kind: trace.Arrive, Packet: &trace.PacketInfo{}},
}

var header = trace.Header{
	Start: time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC), Source: "simtest", Test: "TestPoem/\"one\"", Seed: math.MaxUint64, Go: "go1.25.1",
}

// file returns a trace file.
func file(t *testing.T, h trace.Header, events ...trace.Event) string {
	t.Helper()
	var text bytes.Buffer
	w, err := trace.NewWriter(&text, h)
	require.NoError(t, err)
	for _, e := range events {
		require.NoError(t, w.Write(&e))
	}
	require.NoError(t, w.Close())
	return text.String()
}

func digest(events []trace.Event) (d trace.Digest) {
	for _, e := range events {
		d = d.Add(&e)
	}
	return d
}

func TestWrittenEventsAreRead(t *testing.T) {
	r, err := trace.NewReader(strings.NewReader(file(t, header, events...)))
	require.NoError(t, err)
	assert.Equal(t, header, r.Header())
	got, err := r.ReadAll()
	require.NoError(t, err)
	assert.Equal(t, events, got)
	assert.Equal(t, digest(events), r.Digest())
	assert.EqualValues(t, len(events), r.Len())
	for range 2 {
		_, err = r.Next()
		assert.Equal(t, io.EOF, err)
	}
	r, err = trace.NewReader(strings.NewReader(file(t, trace.Header{})))
	require.NoError(t, err)
	assert.Equal(t, trace.Header{}, r.Header())
	got, err = r.ReadAll()
	assert.NoError(t, err)
	assert.Empty(t, got)
}

// The last line contains the time of a failure.
func TestFailureIsWrittenAndRead(t *testing.T) {
	var text bytes.Buffer
	w, err := trace.NewWriter(&text, header)
	require.NoError(t, err)
	w.Failed(-7)
	require.NoError(t, w.Close())
	assert.Contains(t, text.String(), `{"events":"0","digest":"0000000000000000","failed":"-7"}`+"\n")
	r, err := trace.NewReader(&text)
	require.NoError(t, err)
	_, ok := r.Failed()
	assert.False(t, ok, "the last line is not read yet")
	_, err = r.ReadAll()
	require.NoError(t, err)
	at, ok := r.Failed()
	assert.True(t, ok)
	assert.EqualValues(t, -7, at)

	r, err = trace.NewReader(strings.NewReader(file(t, header, events...)))
	require.NoError(t, err)
	_, err = r.ReadAll()
	require.NoError(t, err)
	_, ok = r.Failed()
	assert.False(t, ok)
}

// Programs in other languages depend on these exact bytes.
func TestFormat(t *testing.T) {
	assert.Equal(t, `{"format":"slowpoetry-trace","version":1,"start":"2001-02-03T04:05:06.000000007Z","source":"simtest","test":"TestPoem/\"one\"","seed":"18446744073709551615","go":"go1.25.1"}
{"at":"0","kind":"host","to":"poet","note":"up"}
{"at":"1000000000","kind":"connect","from":"reader","to":"poet","conn":"reader/tcp#1"}
{"at":"1500000000","kind":"data","from":"poet","to":"reader","conn":"reader/tcp#1","offset":"1152921504606846976","length":5,"hash":"000000a1","took":"20000000","payload":"ADxiPv8="}
{"at":"9223372036854775807","kind":"fault","from":"é \u003cscript\u003e\"\\\n","to":"\u2028\u0026","note":"\u0001 partition"}
{"at":"1","kind":"drop","conn":"a/b#c/udp#18446744073709551615","length":2147483647}
{"at":"2","kind":"packet","from":"a","to":"b","conn":"a/tcp#1","length":2,"payload":"YWI=","packet":{"number":"7","from":"10.0.0.1:49152","to":"[fd00::1]:80","flags":24,"seq":"1099511627776","ack":"3","window":65536,"size":54,"sack":[["0","5"],["1099511627776","1099511627777"]],"resent":true,"congestion":14480}}
{"at":"3","kind":"arrive","packet":{"number":"0"}}
{"events":"7","digest":"`+digest(events).String()+`"}
`, file(t, header, events...))
}

func TestNamedFiles(t *testing.T) {
	for _, name := range []string{"run.trace", "run.trace.gz", "RUN.GZ"} {
		name := filepath.Join(t.TempDir(), name)
		w, err := trace.Create(name, header)
		require.NoError(t, err)
		for _, e := range events {
			require.NoError(t, w.Write(&e))
		}
		require.NoError(t, w.Close())
		assert.ErrorIs(t, w.Close(), os.ErrClosed)
		assert.ErrorIs(t, w.Write(&events[0]), os.ErrClosed)

		data, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, strings.HasSuffix(strings.ToLower(name), ".gz"), bytes.HasPrefix(data, []byte{0x1f, 0x8b}), name)
		r, err := trace.Open(name)
		require.NoError(t, err)
		got, err := r.ReadAll()
		require.NoError(t, err)
		assert.Equal(t, events, got)
		require.NoError(t, r.Close())
	}
	_, err := trace.Create(filepath.Join(t.TempDir(), "none", "run.trace"), header)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = trace.Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// A file that is truncated anywhere yields all complete lines, and then an error,
// compressed or not.
func TestTruncatedFiles(t *testing.T) {
	text := file(t, header, events...)
	for n := range len(text) {
		r, err := trace.NewReader(strings.NewReader(text[:n]))
		if n <= strings.Index(text, "\n") {
			require.ErrorIs(t, err, trace.ErrCutOff, n)
			require.ErrorContains(t, err, "line 1:")
			continue
		}
		require.NoError(t, err, n)
		got, err := r.ReadAll()
		require.ErrorIs(t, err, trace.ErrCutOff, n)
		whole := strings.Count(text[:n], "\n") - 1
		require.Len(t, got, whole)
		require.ErrorContains(t, err, fmt.Sprintf("line %d:", whole+2))
		_, again := r.Next()
		require.Equal(t, err, again)
	}

	many := make([]trace.Event, 3000)
	for i := range many {
		many[i] = trace.Event{At: time.Duration(rand.Int64()), Kind: trace.Data, Hash: rand.Uint32(), Length: 9}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, file(t, header, many...))
	require.NoError(t, w.Close())
	r, err := trace.NewReader(bytes.NewReader(packed.Bytes()[:packed.Len()*2/3]))
	require.NoError(t, err)
	got, err := r.ReadAll()
	assert.ErrorIs(t, err, trace.ErrCutOff)
	assert.Greater(t, len(got), 1000)
	assert.Equal(t, many[:len(got)], got)
}

func TestDamagedFiles(t *testing.T) {
	text := file(t, header, events...)
	lines := strings.SplitAfter(text, "\n")
	with := func(line int, text string) string {
		changed := append([]string{}, lines...)
		changed[line-1] = text
		return strings.Join(changed, "")
	}
	for name, tc := range map[string]struct{ text, want string }{
		"empty":              {"", "trace: line 1: the trace was cut off"},
		"other text":         {"hello\nworld\n", `trace: line 1: not a trace: the first line must begin with {"format":"slowpoetry-trace"`},
		"other JSON":         {"[]\n", "trace: line 1: not a trace"},
		"newer":              {`{"format":"slowpoetry-trace","version":2}` + "\n", "trace: line 1: format version 2 is newer than version 1, the newest that this program knows: use a newer program"},
		"no version":         {`{"format":"slowpoetry-trace"}` + "\n", "trace: line 1: format version 0"},
		"start":              {`{"format":"slowpoetry-trace","version":1,"start":"now"}` + "\n", `trace: line 1: "start" is "now"`},
		"seed":               {`{"format":"slowpoetry-trace","version":1,"seed":"-1"}` + "\n", `trace: line 1: "seed" is "-1"`},
		"no JSON":            {with(3, "{\n"), "trace: line 3: not JSON: "},
		"a number, not text": {with(3, `{"at":1,"kind":"data"}`+"\n"), `trace: line 3: "at" is a number`},
		"no time":            {with(3, `{"kind":"data"}`+"\n"), `trace: line 3: "at" is "": it must be a whole number in a string`},
		"kind":               {with(4, `{"at":"1","kind":"dance"}`+"\n"), `trace: line 4: "dance" is not a kind of event; the kinds are [connect accept`},
		"offset":             {with(4, `{"at":"1","kind":"data","offset":"9223372036854775808"}`+"\n"), `trace: line 4: "offset" is "9223372036854775808"`},
		"hash":               {with(4, `{"at":"1","kind":"data","hash":"1"}`+"\n"), `trace: line 4: "hash" is "1": it must be 8 hexadecimal digits`},
		"length":             {with(4, `{"at":"1","kind":"data","length":-1}`+"\n"), `trace: line 4: "length" is -1`},
		"payload":            {with(4, `{"at":"1","kind":"data","payload":"AA=="}`+"\n"), `trace: line 4: "payload" has 1 bytes, more than "length", 0`},
		"connection":         {with(4, `{"at":"1","kind":"data","conn":"tcp#1"}`+"\n"), `trace: line 4: "conn": "tcp#1" is not the name of a connection`},
		"packet's number":    {with(4, `{"at":"1","kind":"packet","packet":{}}`+"\n"), `trace: line 4: the packet's "number" is ""`},
		"packet's address":   {with(4, `{"at":"1","kind":"packet","packet":{"number":"1","from":"a"}}`+"\n"), `trace: line 4: the packet's "from" is "a"`},
		"packet's position":  {with(4, `{"at":"1","kind":"packet","packet":{"number":"1","seq":"a"}}`+"\n"), `trace: line 4: the packet's "seq" is "a"`},
		"packet's block":     {with(4, `{"at":"1","kind":"packet","packet":{"number":"1","sack":[["1",""]]}}`+"\n"), `trace: line 4: the packet's "sack" is ""`},
		"packet's window":    {with(4, `{"at":"1","kind":"packet","packet":{"number":"1","window":-1}}`+"\n"), `trace: line 4: the packet's "window"`},
		"one line missing":   {with(4, ""), `trace: line 8: the file has 6 events, but its last line says "7"`},
		"one line changed":   {with(2, strings.Replace(lines[1], "poet", "port", 1)), "trace: line 9: the events have the digest"},
		"more lines":         {text + lines[2], "trace: line 10: there is text after the file's last line"},
		"failure":            {with(9, strings.Replace(lines[8], "}", `,"failed":"late"}`, 1)), `trace: line 9: "failed" is "late"`},
		"a very long line":   {with(3, `{"at":"`+strings.Repeat("1", 5<<20)+"\"}\n"), "trace: line 3: longer than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := trace.NewReader(strings.NewReader(tc.text))
			if err == nil {
				_, err = r.ReadAll()
			}
			require.Error(t, err)
			assert.Contains(t, err.Error(), tc.want)
		})
	}
	name := filepath.Join(t.TempDir(), "some.trace")
	require.NoError(t, os.WriteFile(name, []byte(with(3, "{\n")), 0o666))
	r, err := trace.Open(name)
	require.NoError(t, err)
	_, err = r.ReadAll()
	assert.ErrorContains(t, err, "trace: "+name+": line 3: not JSON")
	require.NoError(t, r.Close())
}

func TestEventsThatCannotBeWritten(t *testing.T) {
	var text bytes.Buffer
	w, err := trace.NewWriter(&text, header)
	require.NoError(t, err)
	long := int64(1<<31 + 1) // as a 32-bit int this is 1, and less than the payload
	for _, e := range []trace.Event{{}, {Kind: 99}, {Kind: trace.Data, Length: -1}, {Kind: trace.Data, Length: int(long), Payload: "ab"}, {Kind: trace.Data, Payload: "a"}} {
		assert.Error(t, w.Write(&e))
	}
	broken := trace.Event{Kind: trace.Data, From: "a\xff"}
	require.NoError(t, w.Write(&broken))
	assert.Equal(t, "a\xff", broken.From)
	require.NoError(t, w.Close())
	r, err := trace.NewReader(&text)
	require.NoError(t, err)
	got, err := r.ReadAll()
	require.NoError(t, err)
	assert.Equal(t, []trace.Event{{Kind: trace.Data, From: "a\uFFFD"}}, got)
}

// Write or Close returns the error of a full disk, and so do later calls.
func TestFullDisk(t *testing.T) {
	full := errors.New("disk full")
	w, err := trace.NewWriter(writer(func(p []byte) (int, error) { return 0, full }), header)
	require.NoError(t, err)
	for range 100 {
		err = w.Write(&trace.Event{Kind: trace.Data, Note: strings.Repeat("n", 1000)})
	}
	assert.ErrorIs(t, err, full)
	assert.ErrorIs(t, w.Close(), full)
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// The digest depends on each of its fields, and on no other field.
func TestDigest(t *testing.T) {
	base := events[2]
	seen := map[trace.Digest]bool{trace.Digest(0).Add(&base): true}
	for i, change := range []func(e *trace.Event){
		func(e *trace.Event) { e.At++ }, func(e *trace.Event) { e.Kind = trace.Drop }, func(e *trace.Event) { e.From = "x" },
		func(e *trace.Event) { e.To = "x" }, func(e *trace.Event) { e.Conn.Host = "x" }, func(e *trace.Event) { e.Conn.Network = "x" },
		func(e *trace.Event) { e.Conn.Number++ }, func(e *trace.Event) { e.Offset++ }, func(e *trace.Event) { e.Length++ },
		func(e *trace.Event) { e.Hash++ }, func(e *trace.Event) { e.Note = "x" },
	} {
		e := base
		change(&e)
		d := trace.Digest(0).Add(&e)
		assert.False(t, seen[d], i)
		seen[d] = true
	}
	e := base
	e.Took, e.Payload = 1, ""
	assert.True(t, seen[trace.Digest(0).Add(&e)])
	for _, kind := range []trace.Kind{trace.Packet, trace.Arrive} {
		assert.EqualValues(t, 5, trace.Digest(5).Add(&trace.Event{Kind: kind}))
	}
	assert.NotEqual(t, digest([]trace.Event{events[0], events[1]}), digest([]trace.Event{events[1], events[0]}))
	assert.Equal(t, "0000000000000000", trace.Digest(0).String())
}

func TestConnNames(t *testing.T) {
	for _, name := range []string{"tcp#1", "/tcp#", "a/tcp#-1", "a/tcp#01", "a/tcp", "a#1", "a/#1", "/", "a/tcp#18446744073709551616"} {
		_, err := trace.ParseConn(name)
		assert.Error(t, err, name)
	}
	for _, c := range []trace.Conn{{}, {Host: "a", Network: "tcp", Number: 1}, {Host: "/tmp/s#ck", Network: "unix", Number: 7}, {Network: "tcp", Number: 1}} {
		got, err := trace.ParseConn(c.String())
		require.NoError(t, err)
		assert.Equal(t, c, got)
	}
}

// A Reader returns, whatever a file contains.
func FuzzReader(f *testing.F) {
	f.Add([]byte("{\"format\":\"slowpoetry-trace\",\"version\":1}\n{\"at\":\"1\",\"kind\":\"data\"}\n{\"events\":\"1\",\"digest\":\"0\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := trace.NewReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		events, err := r.ReadAll()
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := trace.NewWriter(&again, r.Header())
		require.NoError(t, err)
		for _, e := range events {
			require.NoError(t, w.Write(&e))
		}
		require.NoError(t, w.Close())
		r2, err := trace.NewReader(&again)
		require.NoError(t, err)
		_, err = r2.ReadAll()
		require.NoError(t, err)
		require.Equal(t, r.Digest(), r2.Digest())
	})
}

func BenchmarkWrite(b *testing.B) {
	w, _ := trace.NewWriter(io.Discard, header)
	b.ReportAllocs()
	for range b.N {
		_ = w.Write(&events[2])
	}
}

func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	w, _ := trace.NewWriter(&text, header)
	for range b.N {
		_ = w.Write(&events[2])
	}
	_ = w.Close()
	b.ReportAllocs()
	b.ResetTimer()
	r, _ := trace.NewReader(&text)
	_, err := r.ReadAll()
	if err != nil {
		b.Fatal(err)
	}
}
