package chrometrace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tracetest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/chrometrace"
)

const ms = time.Millisecond

// A document is the part of the format that Write uses.
type document struct {
	DisplayTimeUnit string            `json:"displayTimeUnit"`
	OtherData       map[string]string `json:"otherData"`
	TraceEvents     []struct {
		Name  *string        `json:"name"`
		Cat   string         `json:"cat"`
		Ph    string         `json:"ph"`
		TS    *json.Number   `json:"ts"`
		PID   *int           `json:"pid"`
		TID   *int           `json:"tid"`
		ID    string         `json:"id"`
		Scope string         `json:"s"`
		Args  map[string]any `json:"args"`
	} `json:"traceEvents"`
}

// read parses a document and fails if it violates the format. It returns the events as
// text, with the names of their processes and threads.
func read(t *testing.T, text []byte) (d document, events []string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&d))
	require.False(t, decoder.More())
	require.Equal(t, "ns", d.DisplayTimeUnit)
	owners := make(map[int]int) // the process of each thread
	processes, threads, open := make(map[int]string), make(map[[2]int]string), make(map[string]float64)
	for _, e := range d.TraceEvents {
		require.NotNil(t, e.Name)
		require.NotNil(t, e.PID)
		require.NotNil(t, e.TID)
		require.NotNil(t, e.TS)
		at, err := strconv.ParseFloat(e.TS.String(), 64)
		require.NoError(t, err)
		require.Positive(t, *e.PID)
		require.Positive(t, *e.TID)
		if pid, known := owners[*e.TID]; known {
			require.Equal(t, pid, *e.PID, "a thread's number is of one process only")
		}
		owners[*e.TID] = *e.PID
		require.GreaterOrEqual(t, at, 0.0)
		thread := [2]int{*e.PID, *e.TID}
		if e.Ph == "M" {
			name, isText := e.Args["name"].(string)
			require.True(t, isText)
			switch *e.Name {
			case "process_name":
				require.NotContains(t, processes, *e.PID)
				processes[*e.PID] = name
			case "thread_name":
				require.NotContains(t, threads, thread)
				threads[thread] = name
			default:
				require.Fail(t, "metadata", *e.Name)
			}
			continue
		}
		require.Contains(t, processes, *e.PID)
		require.Contains(t, threads, thread)
		key := e.Cat + e.ID + *e.Name
		switch e.Ph {
		case "b":
			require.NotEmpty(t, e.ID)
			require.NotEmpty(t, e.Cat)
			require.NotContains(t, open, key)
			open[key] = at
		case "e":
			require.Contains(t, open, key)
			require.LessOrEqual(t, open[key], at)
			delete(open, key)
		case "i":
			require.Contains(t, []string{"g", "p", "t"}, e.Scope)
		case "C":
			for _, value := range e.Args {
				require.IsType(t, 0.0, value)
			}
		default:
			require.Fail(t, "phase", e.Ph)
		}
		events = append(events, fmt.Sprintf("%s %s%s %s/%s %s", e.TS, e.Ph, e.Scope, processes[*e.PID], threads[thread], *e.Name))
	}
	require.Empty(t, open)
	return d, events
}

var conn = trace.Conn{Host: "reader", Network: "tcp", Number: 1}

var events = []trace.Event{
	{At: 0, Kind: trace.HostEvent, To: "poet", Note: "up"},
	{At: 40 * ms, Kind: trace.Connect, From: "reader", To: "poet", Conn: conn},
	{At: 41 * ms, Kind: trace.Packet, From: "poet", To: "reader", Conn: conn, Packet: &trace.PacketInfo{
		From: netip.MustParseAddrPort("10.0.0.1:80"), To: netip.MustParseAddrPort("10.0.0.2:99"), Flags: trace.ACK, Resent: true, Congestion: 14480,
	}},
	{At: 50*ms + 7, Kind: trace.Fault, From: "a", To: "b", Note: "partition </script>"},
	{At: 70 * ms, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Length: 5, Payload: "ro\xffes", Took: 20*ms - 1},
	{At: 71 * ms, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Offset: 5, Length: 5, Took: 20 * ms},
	{At: 80 * ms, Kind: trace.Drop, From: "poet", To: "reader", Conn: conn, Length: 5, Note: "loss"},
	{At: 90 * ms, Kind: trace.Close, From: "poet", To: "reader", Conn: conn},
}

func TestDocument(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, chrometrace.Write(&text, tracetest.Events(nil, events...), chrometrace.Options{Header: trace.Header{Test: "TestPoem", Seed: 1 << 63}}))
	d, got := read(t, text.Bytes())
	assert.Equal(t, "9223372036854775808", d.OtherData["seed"])
	assert.Equal(t, []string{
		"0.000 ip poet/poet up",
		"40000.000 it reader/reader/tcp#1 connect",
		"41000.000 C poet/reader/tcp#1 congestion window of reader/tcp#1",
		"41000.000 it poet/reader/tcp#1 sent again",
		"50000.007 ig network/network partition </script>",
		"50000.001 b poet/reader/tcp#1 reader/tcp#1 to reader",
		"70000.000 e poet/reader/tcp#1 reader/tcp#1 to reader",
		"51000.000 b poet/reader/tcp#1 reader/tcp#1 to reader",
		"71000.000 e poet/reader/tcp#1 reader/tcp#1 to reader",
		"80000.000 it poet/reader/tcp#1 drop",
		"90000.000 it reader/reader/tcp#1 close",
	}, got)
	for _, e := range d.TraceEvents {
		if e.Ph == "b" && e.TS.String() == "50000.001" {
			assert.Equal(t, map[string]any{
				"from": "poet", "to": "reader", "connection": "reader/tcp#1", "offset": "0", "length": 5.0, "payload": `"ro\xffes"`,
			}, e.Args)
		}
	}
}

func TestDamagedAndEmptyTraces(t *testing.T) {
	damage := errors.New("line 7 is not JSON")
	var text bytes.Buffer
	assert.Equal(t, damage, chrometrace.Write(&text, tracetest.Events(damage, events...), chrometrace.Options{}))
	_, got := read(t, text.Bytes())
	assert.Len(t, got, 11)
	text.Reset()
	require.NoError(t, chrometrace.Write(&text, tracetest.Events(nil), chrometrace.Options{}))
	_, got = read(t, text.Bytes())
	assert.Empty(t, got)
	full := errors.New("disk full")
	assert.ErrorIs(t, chrometrace.Write(writer(func([]byte) (int, error) { return 0, full }), tracetest.Events(nil, events...), chrometrace.Options{}), full)
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
