package page_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/tracetest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write returns a page.
func write(t *testing.T, o page.Options, runs ...page.Run) string {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, page.WriteHTML(&text, o, runs...))
	return text.String()
}

// data returns the unpacked contents of the page's data elements of a class.
func data(t *testing.T, text, class string) (blocks [][]byte) {
	t.Helper()
	for _, m := range regexp.MustCompile(`<script type="application/octet-stream" class="`+class+`"[^>]*>([^<]*)</script>`).FindAllStringSubmatch(text, -1) {
		r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(m[1])))
		require.NoError(t, err)
		block, err := io.ReadAll(r)
		require.NoError(t, err)
		blocks = append(blocks, block)
	}
	return blocks
}

// about is the page's description of its runs.
func about(t *testing.T, text string) (about struct {
	Title      string
	Runs       []map[string]any
	Difference json.RawMessage
}) {
	t.Helper()
	blocks := data(t, text, "about")
	require.Len(t, blocks, 1)
	require.NoError(t, json.Unmarshal(blocks[0], &about))
	return about
}

// columns splits a block.
func columns(block []byte) (columns [][]byte) {
	for len(block) > 0 {
		n, width := binary.Uvarint(block)
		block = block[width:]
		columns = append(columns, block[:n])
		block = block[n:]
	}
	return columns
}

// ints returns the numbers of a column.
func ints(column []byte, signed bool) (ints []int64) {
	for len(column) > 0 {
		n, width := binary.Uvarint(column)
		if signed {
			var s int64
			s, width = binary.Varint(column)
			n = uint64(s)
		}
		column = column[width:]
		ints = append(ints, int64(n))
	}
	return ints
}

var conn = trace.Conn{Host: "reader", Network: "tcp", Number: math.MaxUint64}

func TestBlock(t *testing.T) {
	blocks := data(t, write(t, page.Options{}, page.Run{Events: tracetest.Events(nil,
		trace.Event{At: 5, Kind: trace.Connect, From: "poet", To: "reader", Conn: conn},
		trace.Event{At: 9, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Length: 3, Took: 4, Payload: "abc"},
		trace.Event{At: 9, Kind: trace.Data, From: "reader", To: "poet", Conn: conn, Length: 7, Payload: "de"},
		trace.Event{At: 7, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Offset: 3, Length: 300, Note: "late"},
		trace.Event{At: 8, Kind: trace.Packet, From: "poet", Note: "late", Packet: &trace.PacketInfo{
			Number: 1, From: netip.MustParseAddrPort("10.0.0.1:80"), Flags: trace.ACK, Seq: 300, Resent: true, Congestion: 1448, SACK: [][2]int64{{5, 6}},
		}},
	)}), "block")
	require.Len(t, blocks, 1)
	c := columns(blocks[0])
	require.Len(t, c, 13)
	var names struct {
		Kinds, Names, Notes []string
		Conns               [][]any
	}
	require.NoError(t, json.Unmarshal(c[0], &names))
	assert.Equal(t, trace.Arrive.String(), names.Kinds[trace.Arrive])
	assert.Equal(t, []string{"poet", "reader", "10.0.0.1:80"}, names.Names)
	assert.Equal(t, []string{"late"}, names.Notes)
	assert.Equal(t, [][]any{{2., "tcp", "18446744073709551615", ""}}, names.Conns)
	assert.Equal(t, []int64{5, 4, 0, -2, 1}, ints(c[1], true), "at, as differences")
	assert.Equal(t, []int64{1, 3, 3, 3, 11}, ints(c[2], false), "kind")
	assert.Equal(t, []int64{1, 1, 2, 1, 1}, ints(c[3], false), "from")
	assert.Equal(t, []int64{2, 2, 1, 2, 0}, ints(c[4], false), "to")
	assert.Equal(t, []int64{1, 1, 1, 1, 0}, ints(c[5], false), "conn")
	assert.Equal(t, []int64{0, 0, 0, 0, 0}, ints(c[6], true), "offset, relative to the expected one")
	assert.Equal(t, []int64{0, 3, 7, 300, 0}, ints(c[7], false), "length")
	assert.Equal(t, []int64{0, 4, 0, 0, 0}, ints(c[8], true), "took")
	assert.Equal(t, []int64{0, 0, 0, 1, 1}, ints(c[9], false), "note")
	assert.Equal(t, []int64{0, 3, 2, 0, 0}, ints(c[10], false), "payload")
	assert.Equal(t, "abcde", string(c[11]))
	assert.Equal(t, []int64{0, 0, 0, 0, 1, 1, 3, 0, 16, 1, 600, 0, 0, 0, 2 * 1448, 2, 10, 12}, ints(c[12], false), "packets, signed numbers doubled")
}

// Names that many blocks share are stored once. A page has the display names of
// connections, and the time of a failure, since the run's start like the times of events.
func TestNamesAndFailure(t *testing.T) {
	day := 10_000 * 24 * time.Hour // a time of day
	text := write(t, page.Options{},
		page.Run{
			Events: tracetest.Events(nil, trace.Event{At: day, Kind: trace.Data, Conn: conn}),
			Names:  func(c trace.Conn) string { return "call of " + c.Host },
			Failed: func() (time.Duration, bool) { return day + time.Minute, true },
		},
		page.Run{Failed: func() (time.Duration, bool) { return 0, true }},
		page.Run{Failed: func() (time.Duration, bool) { return 1, false }},
	)
	assert.Contains(t, string(columns(data(t, text, "block")[0])[0]), `"18446744073709551615","call of reader"]`)
	runs := about(t, text).Runs
	assert.Equal(t, "60000000000", runs[0]["failed"])
	assert.Equal(t, "0", runs[1]["failed"])
	assert.NotContains(t, runs[2], "failed")
}

func TestManyBlocks(t *testing.T) {
	const n = 100_000
	text := write(t, page.Options{}, page.Run{Title: "many", Events: func(yield func(trace.Event, error) bool) {
		for i := range n {
			if !yield(trace.Event{At: time.Duration(i), Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Offset: int64(3 * i), Length: 3}, nil) {
				return
			}
		}
	}})
	blocks := data(t, text, "block")
	assert.Len(t, blocks, 4)
	assert.Equal(t, 1, strings.Count(string(bytes.Join(blocks, nil)), "reader"))
	for i, b := range blocks {
		assert.Equal(t, []int64{int64(min(i, 1)), 1}, ints(columns(b)[1], true)[:2], "at, from the block before")
		assert.Equal(t, []int64{0, 0}, ints(columns(b)[6], true)[:2], "offset, as expected after the block before")
	}
	assert.EqualValues(t, n, about(t, text).Runs[0]["events"])
	assert.Equal(t, []string{"32768", "32768", "32768", "1696"}, eventCounts(text))
	assert.Less(t, len(text), 300_000)
}

func eventCounts(text string) (counts []string) {
	for _, m := range regexp.MustCompile(`class="block" data-run="0" data-events="(\d+)"`).FindAllStringSubmatch(text, -1) {
		counts = append(counts, m[1])
	}
	return counts
}

// The page is written while the events are being read.
func TestStreams(t *testing.T) {
	var text bytes.Buffer
	written := 0
	require.NoError(t, page.WriteHTML(&text, page.Options{}, page.Run{Events: func(yield func(trace.Event, error) bool) {
		for i := range 200_000 {
			if !yield(trace.Event{At: time.Duration(i * i % 1_000_003), Kind: trace.Data, Conn: conn, Offset: int64(i * i % 999_983)}, nil) {
				return
			}
		}
		written = len(data(t, text.String(), "block"))
	}}))
	assert.GreaterOrEqual(t, written, 5)
	assert.Len(t, data(t, text.String(), "block"), 7)
}

func TestDamage(t *testing.T) {
	var text bytes.Buffer
	damage := errors.New("line 3: <b>damaged</b>")
	err := page.WriteHTML(&text, page.Options{},
		page.Run{Title: "one", Events: tracetest.Events(damage, trace.Event{At: 1, Kind: trace.Data})},
		page.Run{Title: "two", Events: tracetest.Events(nil, trace.Event{At: 1, Kind: trace.Data}, trace.Event{At: 2, Kind: trace.Data})},
	)
	assert.ErrorIs(t, err, damage)
	assert.True(t, strings.HasSuffix(text.String(), "</html>\n"))
	a := about(t, text.String())
	assert.Equal(t, "one, two", a.Title)
	assert.Equal(t, map[string]any{"title": "one", "events": 1., "limit": 1024., "wrong": damage.Error()}, a.Runs[0])
	assert.Equal(t, map[string]any{"title": "two", "events": 2., "limit": 1024.}, a.Runs[1])
	assert.NotContains(t, text.String(), "<b>damaged")
}

func TestWriterFails(t *testing.T) {
	for _, n := range []int{0, 100, 100_000, 200_000} {
		failed := errors.New("full")
		err := page.WriteHTML(&failing{n, failed}, page.Options{}, page.Run{Events: tracetest.Events(nil, trace.Event{Kind: trace.Data})})
		if n < 200_000 {
			assert.ErrorIs(t, err, failed, n)
		} else {
			assert.NoError(t, err)
		}
	}
}

// A failing writer accepts a given number of bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, f.err
	}
	f.left -= len(p)
	return len(p), nil
}

func TestEmpty(t *testing.T) {
	for _, runs := range [][]page.Run{nil, {{}}, {{Title: "none", Events: tracetest.Events(nil)}}} {
		text := write(t, page.Options{}, runs...)
		assert.Empty(t, data(t, text, "block"))
		assert.Len(t, about(t, text).Runs, len(runs))
	}
}

// With times of day, a run begins at its first event, and runs of one day begin at the
// same time.
func TestTimesOfDay(t *testing.T) {
	day := time.Duration(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano())
	text := write(t, page.Options{},
		page.Run{Events: tracetest.Events(nil, trace.Event{At: day, Kind: trace.Data}, trace.Event{At: day + 1, Kind: trace.Data})},
		page.Run{Events: tracetest.Events(nil, trace.Event{At: day + 5, Kind: trace.Data})},
		page.Run{Events: tracetest.Events(nil, trace.Event{At: day + 100*time.Hour, Kind: trace.Data})},
		page.Run{Events: tracetest.Events(nil, trace.Event{At: day + 200*time.Hour + 9, Took: 9, Kind: trace.Connect})},
		page.Run{Header: trace.Header{Start: time.Unix(1e9, 0)}, Events: tracetest.Events(nil, trace.Event{At: 7, Kind: trace.Data})},
		page.Run{Events: tracetest.Events(nil, trace.Event{At: math.MinInt64, Kind: trace.Data}, trace.Event{At: math.MaxInt64, Kind: trace.Data})},
	)
	var first []int64
	for _, b := range data(t, text, "block") {
		first = append(first, ints(columns(b)[1], true)[0])
	}
	assert.Equal(t, []int64{0, 5, 0, 9, 7, math.MinInt64}, first)
	var starts []any
	for _, r := range about(t, text).Runs {
		starts = append(starts, r["start"])
	}
	assert.Equal(t, []any{"1767323045000000006", "1767323045000000006", "1767683045000000006", "1768043045000000006", "1000000000000000000", nil}, starts)
}

func TestPayloadLimits(t *testing.T) {
	long := strings.Repeat("x", 5000)
	payload := func(o page.Options, n int) (size, cut int) {
		text := write(t, o, page.Run{Events: func(yield func(trace.Event, error) bool) {
			for range n {
				if !yield(trace.Event{Kind: trace.Data, Length: len(long), Payload: long}, nil) {
					return
				}
			}
		}})
		for _, b := range data(t, text, "block") {
			size += len(columns(b)[11])
		}
		left, _ := about(t, text).Runs[0]["cut"].(float64)
		return size, int(left)
	}
	for _, test := range []struct {
		limit, events, size, cut int
	}{
		{0, 3, 3 * 1024, 0},
		{-1, 3, 0, 0},
		{10, 3, 30, 0},
		{9000, 7000, 32 << 20, 7000 - 6710},
	} {
		size, cut := payload(page.Options{PayloadBytes: test.limit}, test.events)
		assert.Equal(t, test.size, size, test.limit)
		assert.Equal(t, test.cut, cut, test.limit)
	}
}

// Whatever a trace contains, the page has the same elements, and its policy allows only
// its own two scripts and its style.
func TestHostileNames(t *testing.T) {
	const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'--><!--` + "\u2028\x00"
	harmless := write(t, page.Options{Title: "t"}, page.Run{Title: "t", Events: tracetest.Events(nil, trace.Event{Kind: trace.Data})})
	text := write(t, page.Options{Title: hostile}, page.Run{
		Title: hostile, Header: trace.Header{Test: hostile, Source: hostile, Go: hostile},
		Events: tracetest.Events(nil, trace.Event{
			Kind: trace.Data, From: hostile, To: hostile, Note: hostile, Payload: hostile, Length: 1000,
			Conn: trace.Conn{Host: hostile, Network: hostile, Number: 1},
		}),
	})
	tags := func(text string) []string { return regexp.MustCompile(`<[/!]?[a-z-]+`).FindAllString(text, -1) }
	assert.Equal(t, tags(harmless), tags(text))
	assert.NotContains(t, text, "alert(1)</script>")
	assert.Contains(t, text, `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-`)
	assert.NotContains(t, text, "unsafe-")
	assert.NotContains(t, text, "eval(")
	assert.NotContains(t, text, "innerHTML =")
}

// The page contains no address from which it would load something.
func TestLoadsNothing(t *testing.T) {
	text := write(t, page.Options{})
	for _, m := range regexp.MustCompile(`(?:\ssrc|\shref|\saction|url\()\s*=?\s*["']?([^"'\s>)]*)`).FindAllStringSubmatch(regexp.MustCompile(`(?s)<script>.*?</script>`).ReplaceAllString(text, ""), -1) {
		assert.Contains(t, []string{"data:,", ""}, m[1], m[0])
	}
	assert.Contains(t, text, "Permission to use, copy, modify, and/or distribute this software")
	assert.Contains(t, text, "Redistribution and use in source and binary forms")
}

// The same events give the same file.
func TestSamePage(t *testing.T) {
	run := page.Run{Title: "t", Events: tracetest.Events(nil,
		trace.Event{At: 1, Kind: trace.Data, From: "a", To: "b", Conn: conn}, trace.Event{At: 2, Kind: trace.Data, From: "b", To: "c", Conn: conn, Note: "n"})}
	assert.Equal(t, write(t, page.Options{}, run), write(t, page.Options{}, run))
}
