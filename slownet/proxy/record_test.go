package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// payloadsOf returns the payloads of the recorded data, by sender.
func payloadsOf(p *Proxy) (fromServer, toServer string) {
	_, events := p.Recorded()
	for e := range events {
		switch {
		case e.Kind != trace.Data:
		case e.From == e.Conn.Host:
			toServer += e.Payload
		default:
			fromServer += e.Payload
		}
	}
	return fromServer, toServer
}

// assertRecorded waits until these payloads are recorded in both directions. A write is
// recorded after it has returned, which may be after its bytes have come back.
func assertRecorded(t *testing.T, p *Proxy, want string) {
	t.Helper()
	assert.EventuallyWithT(t, func(t *assert.CollectT) {
		fromServer, toServer := payloadsOf(p)
		assert.Equal(t, want, fromServer)
		assert.Equal(t, want, toServer)
	}, 5*time.Second, ms)
}

// awaitTraced waits until all connections are traced: a recording puts them on a traced
// path in the background.
func awaitTraced(t *testing.T, p *Proxy) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(p.all(), func(c *conn) bool { return c.wrapped.Load() == nil })
	}, 10*time.Second, ms)
	awaitFollowed(t, p)
}

// Existing and later connections are recorded, until the recording ends.
func TestRecording(t *testing.T) {
	p, conn := echoProxy(t)
	assert.Equal(t, RecordingInfo{}, p.Recording())
	p.Record(Recording{Enabled: true, Payloads: 3})
	awaitTraced(t, p)
	exchange(t, conn, []byte("recorded"))
	assertRecorded(t, p, "rec")
	exchange(t, dial(t, p), []byte("later"))
	assertRecorded(t, p, "reclat")

	p.Record(Recording{})
	before := p.Recording()
	assert.Equal(t, Recording{Payloads: 3}, before.Recording)
	exchange(t, conn, []byte("not recorded"))
	assert.Equal(t, before, p.Recording())

	p.Record(Recording{Enabled: true, Payloads: -1})
	exchange(t, dial(t, p), []byte("anew"))
	assert.EventuallyWithT(t, func(t *assert.CollectT) {
		fromServer, toServer := payloadsOf(p)
		for _, got := range []string{fromServer, toServer} { // the record of the last write may come late
			assert.Equal(t, "anew", strings.Replace(got, "not", "", 1))
		}
	}, 5*time.Second, ms)
	p.ForgetRecording()
	assert.Equal(t, RecordingInfo{Recording: Recording{Payloads: -1}}, p.Recording())
	assert.Nil(t, p.server.Trace)
}

// New connections over an existing link are recorded, on the line that all of them share.
// The recording adds no payload to the server's own trace.
func TestRecordingOverALink(t *testing.T) {
	s := newServer(t)
	told := make(chan trace.Event, 1000)
	s.Trace = func(e trace.Event) { told <- e }
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	p := addTo(t, s, Config{Upstream: at, Toxics: []Toxic{{Stream: Both, Toxicity: 1, Attributes: Link{Link: netem.Link{Latency: 5 * ms}}}}})
	exchange(t, dial(t, p), []byte("before"))
	p.Record(Recording{Enabled: true, Payloads: -1})
	exchange(t, dial(t, p), []byte("payload"))
	assertRecorded(t, p, "payload")
	n := 0
	for len(told) > 0 {
		e := <-told
		assert.Empty(t, e.Payload)
		if e.Kind == trace.Data {
			n += e.Length
		}
	}
	assert.Equal(t, 2*len("beforepayload"), n)
}

// The memory of a recording is bounded: the oldest events are dropped.
func TestRecordingDropsTheOldest(t *testing.T) {
	var r recorder
	r.start(Recording{Enabled: true, Payloads: -1})
	const n = 3 * maxRecorded / (eventSize + 1000)
	for i := range n {
		r.add(trace.Event{Offset: int64(i), Payload: strings.Repeat("x", 1000)})
		require.LessOrEqual(t, r.size, maxRecorded)
	}
	assert.EqualValues(t, n, len(r.events)+int(r.dropped))
	assert.EqualValues(t, n-1, r.events[len(r.events)-1].Offset)
	assert.EqualValues(t, r.dropped, r.events[0].Offset)
	assert.Greater(t, r.size, maxRecorded*3/4)
	assert.Equal(t, len(r.events)*(eventSize+1000), r.size)
}

// payloadsOfFile parses the trace file of proxy p, and returns all of its payloads.
func payloadsOfFile(t *testing.T, file string) (payloads string) {
	t.Helper()
	r, err := trace.NewReader(strings.NewReader(file))
	require.NoError(t, err)
	assert.Equal(t, "p", r.Header().Test)
	for e, err := range r.All() {
		require.NoError(t, err)
		payloads += e.Payload
	}
	return payloads
}

func TestRecordingAPI(t *testing.T) {
	p, conn := echoProxy(t)
	a := &API{Server: p.server}
	a.Capture = func(w io.Writer, h trace.Header, events iter.Seq2[trace.Event, error]) error {
		n := 0
		for range events {
			n++
		}
		_, err := fmt.Fprint(w, "capture of ", h.Test, n > 0)
		return err
	}
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "", "", 200, `{"enabled":false,"payloads":0,"events":0,"bytes":0,"dropped":0}`},
		{"GET", "/trace", "", 404, `{"error":"nothing is recorded: start a recording with PUT /proxies/p/recording, and use a connection","status":404}`},
		{"PUT", "", `{"payloads":"all"}`, 400, `{"error":"bad request body: payloads must be a whole number, not a string","status":400}`},
		{"PUT", "", `{"payloads":-5}`, 400, `{"error":"bad request body: payloads is -5: it must be a number of bytes, or -1 for all","status":400}`},
		{"PUT", "", `{"payloads":-1}`, 200, `{"enabled":true,"payloads":-1,"events":0,"bytes":0,"dropped":0}`},
	} {
		status, answer := ask(a, step.method, "/proxies/p/recording"+step.path, step.body)
		assert.Equal(t, step.status, status, "%s: %s", step.path, answer)
		if step.answer != "" {
			assert.Equal(t, step.answer, answer)
		}
	}
	awaitTraced(t, p)
	exchange(t, conn, []byte("hello"))
	assert.Eventually(t, func() bool { // a write is recorded when it has returned
		status, answer := ask(a, "GET", "/proxies/p/recording/trace", "")
		return status == http.StatusOK && payloadsOfFile(t, answer) == "hellohello"
	}, 5*time.Second, ms)
	status, answer := ask(a, "GET", "/proxies/p/recording/capture", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "capture of ptrue", answer)

	a.Capture = func(io.Writer, trace.Header, iter.Seq2[trace.Event, error]) error { return errors.New("no packet") }
	b := &API{Server: p.server, Capture: a.Capture}
	status, answer = ask(b, "GET", "/proxies/p/recording/capture", "")
	assert.Equal(t, `404 {"error":"no packet","status":404}`, fmt.Sprint(status, " ", answer))

	status, _ = ask(a, "DELETE", "/proxies/p/recording", "")
	assert.Equal(t, http.StatusNoContent, status)
	assert.Equal(t, RecordingInfo{Recording: Recording{Payloads: -1}}, p.Recording())
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		status, _ = ask(a, method, "/proxies/q/recording", "{}")
		assert.Equal(t, http.StatusNotFound, status)
	}
}

func TestStatusAPI(t *testing.T) {
	p, conn := echoProxy(t)
	a := &API{Server: p.server}
	second := dial(t, p)
	exchange(t, second, []byte("a second one"))
	require.NoError(t, second.Close())
	want := `{"live":1,"conns":2,"up":{"bytes":17,"rate":0},"down":{"bytes":17,"rate":0},"recording":{"enabled":false,"payloads":0,"events":0,"bytes":0,"dropped":0}}`
	read := func() string {
		var all map[string]*statusJSON
		_, answer := ask(a, "GET", "/status", "")
		require.NoError(t, json.Unmarshal([]byte(answer), &all))
		all["p"].Up.Rate, all["p"].Down.Rate = 0, 0
		text, err := json.Marshal(all["p"])
		require.NoError(t, err)
		return string(text)
	}
	assert.Eventually(t, func() bool { return read() == want }, 5*time.Second, ms)
	exchange(t, conn, bytes.Repeat([]byte("x"), 1000))
	assert.Eventually(t, func() bool {
		_, answer := ask(a, "GET", "/status", "")
		var all map[string]statusJSON
		require.NoError(t, json.Unmarshal([]byte(answer), &all))
		return all["p"].Up.Rate > 0 && all["p"].Down.Rate > 0
	}, 5*time.Second, ms)
}

// A list of connections can be limited to the latest ones.
func TestLatestConnections(t *testing.T) {
	p, _ := echoProxy(t)
	a := &API{Server: p.server}
	for range 3 {
		exchange(t, dial(t, p), []byte("x"))
	}
	for query, want := range map[string]string{"?limit=2": "3 4", "?limit=0": "", "?limit=9": "1 2 3 4", "": "1 2 3 4"} {
		for _, path := range []string{"/connections", "/proxies/p/connections"} {
			status, answer := ask(a, "GET", path+query, "")
			assert.Equal(t, http.StatusOK, status)
			var conns []connJSON
			require.NoError(t, json.Unmarshal([]byte(answer), &conns))
			numbers := []string{}
			for _, c := range conns {
				numbers = append(numbers, fmt.Sprint(c.Number))
			}
			assert.Equal(t, want, strings.Join(numbers, " "), path+query)
		}
	}
	status, answer := ask(a, "GET", "/connections?limit=-1", "")
	assert.Equal(t, `400 {"error":"bad request body: limit is \"-1\": it must be a number, 0 or more","status":400}`, fmt.Sprint(status, " ", answer))
}
