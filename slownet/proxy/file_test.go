package proxy

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestParseFile(t *testing.T) {
	f, err := ParseFile([]byte(`{
	  "seed": 7,
	  "bottlenecks": {"uplink": "10Mbit/s"},
	  "proxies": [
	    {"name": "web", "listen": ":8080", "to": "localhost:80", "profile": "webpagetest/3g"},
	    {"name": "db", "listen": "5433", "to": "unix:/run/db.sock",
	     "down": {"latency": "40ms", "loss": "1%"}, "up": {"latency": "40ms", "bottleneck": "uplink"},
	     "scope": "connection", "deadUpstream": "refuse",
	     "toxics": [{"type": "limit_data", "attributes": {"bytes": 100000}}],
	     "schedule": {"steps": [{"at": "10s", "profile": "webpagetest/edge"}], "repeat": "20s"}},
	    {"name": "dns", "listen": "udp:5353", "to": "udp:9.9.9.9:53", "idleTimeout": "5s", "enabled": false}
	  ]
	}`))
	require.NoError(t, err)
	assert.EqualValues(t, 7, *f.Seed)
	three, edge := netem.MustProfile("webpagetest/3g"), netem.MustProfile("webpagetest/edge")
	assert.Equal(t, []Config{
		{Name: "web", Listen: "127.0.0.1:8080", Upstream: "localhost:80", Toxics: []Toxic{{Name: "link", Stream: Both, Toxicity: 1, Attributes: Link{Profile: &three}}}},
		{Name: "db", Listen: "127.0.0.1:5433", Upstream: "unix:/run/db.sock", DeadUpstream: RefuseClients, Toxics: []Toxic{
			{Name: "down", Stream: Downstream, Toxicity: 1, Scope: PerConnection, Attributes: Link{Link: netem.Link{Latency: 40 * ms, Loss: netem.Loss{Random: 0.01}}}},
			{Name: "up", Stream: Upstream, Toxicity: 1, Scope: PerConnection, Attributes: Link{Link: netem.Link{Latency: 40 * ms}, Bottleneck: "uplink", BottleneckRate: 10 * netem.Mbps}},
			{Toxicity: 1, Attributes: LimitData{100000}},
		}, Schedule: Schedule{Repeat: 20 * time.Second, Steps: []Step{{At: 10 * time.Second, Remove: linkNames, Set: []Toxic{{Name: "link", Stream: Both, Toxicity: 1, Attributes: Link{Profile: &edge}}}}}}},
		{Name: "dns", Listen: "udp:127.0.0.1:5353", Upstream: "udp:9.9.9.9:53", Disabled: true, IdleTimeout: 5 * time.Second},
	}, f.Proxies)

	f, err = ParseFile([]byte(` [{"name": "web", "listen": ":8080", "upstream": "webapp.domain:8080", "enabled": false}]`))
	require.NoError(t, err)
	assert.Equal(t, []Config{{Name: "web", Listen: ":8080", Upstream: "webapp.domain:8080", Disabled: true}}, f.Proxies, "as Toxiproxy parses it")
}

// The files in the documentation are valid.
func TestDocumentedFiles(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxy.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1)
	require.Len(t, blocks, 2)
	var s Schedule
	require.NoError(t, s.UnmarshalJSON(blocks[0][1]))
	require.NoError(t, s.validate())
	f, err := ParseFile(blocks[1][1])
	require.NoError(t, err)
	assert.Len(t, f.Proxies, 3)
}

func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		`{"proxy": []}`:                                                                                                          `line 1: unknown field "proxy": the fields are seed, bottlenecks and proxies`,
		`{"proxies": [{"listen": "1"}]}`:                                                                                         "proxy 1: \"name\" is missing: give one",
		`{"proxies": [{"name": "a"}]}`:                                                                                           `proxy "a": "listen" is missing: give it, such as ":8080"`,
		`{"proxies": [{"name": "a", "listen": "1"}]}`:                                                                            "proxy \"a\": \"to\" is missing: give it, such as \"localhost:80\"",
		`{"proxies": [{"name": "a", "listen": "x", "to": "2"}]}`:                                                                 `proxy "a": listen: address "x": the port is missing: want PORT or HOST:PORT, such as x:10000`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "db.example"}]}`:                                                        `proxy "a": to: address "db.example": the port is missing: want PORT or HOST:PORT, such as db.example:10000`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "0"}]}`:                                                                 `proxy "a": to: address "0": port 0 is out of range: want 1 to 65535`,
		`{"proxies": [{"name": "a", "listen": "udp:1", "to": "tcp:2"}]}`:                                                         "do not match",
		`{"proxies": [{"name": "a", "listen": "1", "to": "2"}, {"name": "a", "listen": "1", "to": "2"}]}`:                        `proxy "a": another proxy has the same name`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "profile": "5g"}]}`:                                                `link: profile: there is no profile "5g"`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "profile": "dsl", "up": {}}]}`:                                     "there are both a profile and a link",
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "scope": "proxy"}]}`:                                               "congestion and scope need a link",
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "up": {"latency": 40}}]}`:                                          "up: latency: duration 40 has no unit",
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "up": {"congestion": "bbr"}}]}`:                                    `up: congestion: there is no "bbr"`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "up": {"bottleneck": "x"}}]}`:                                      `there is no bottleneck "x"`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "toxics": [{"type": "latency", "scope": "proxy"}]}]}`:              "cannot be shared",
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "toxics": [{"type": "latency", "toxicity": 2}]}]}`:                 "toxicity is 2: it must be from 0 to 1",
		`{"proxies": [{"name": "a", "listen": "udp:1", "to": "2", "toxics": [{"type": "reset_peer"}]}]}`:                         "has no connections",
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "deadUpstream": "explode"}]}`:                                      `a dead upstream cannot be "explode"`,
		"{\"proxies\": [\n{\"name\": \"a\",\n\"listn\": \"1\"}]}":                                                                `line 3: unknown field "proxies[0].listn": the fields are name, listen, to, enabled, deadUpstream, idleTimeout, profile, down, up, congestion, scope, toxics and schedule`,
		"{\"proxies\": [{\"toxics\": [{\"type\": \"noop\"}, {\"attributes\":\n{\"latncy\": 1}, \"type\": \"latency\"}]}]}":       `line 2: unknown field "proxies[0].toxics[1].attributes.latncy": the fields are latency and jitter`,
		"{\"proxies\": [{\"toxics\": [{\"type\": \"latency\",\n\n\"atributes\": {}}]}]}":                                         `line 3: unknown field "proxies[0].toxics[0].atributes": the fields are attributes, name, type, stream, toxicity and scope`,
		"{\"proxies\": [{\"schedule\": {\n\"steps\": [{\"toxics\": [{\"type\": \"noop\", \"attributes\": {\"x\": 1}}]}]}}]}":     `line 2: unknown field "proxies[0].schedule.steps[0].toxics[0].attributes.x": there are no fields here`,
		"{\"proxies\": [{\"schedule\": {\n\"steps\": [{\"att\": \"1s\"}]}}]}":                                                    `line 2: unknown field "proxies[0].schedule.steps[0].att": the fields are at, enabled, reset, profile, down, up, congestion, scope, toxics and remove`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "toxics": [{"type": "link", "attributes": {"latencu": "1ms"}}]}]}`: `there is no field "latencu"`,
		`{"proxies": [[1]]}`:     "line 1: proxies[0] must be an object, not an array",
		`{"proxies": {"a": {}}}`: "line 1: proxies must be an array, not an object",
		`"proxies"`:              "line 1: the JSON must be an object, not a string",
		`{"proxies": [{"name": "a"}, {"name": "b", "toxics": [{"type": "latncy"}]}]}`:                             `proxy "b": invalid toxic type`,
		`{"proxies": [{"toxics": [{"type": "noop", "stream": "sideways"}]}]}`:                                     "proxy 1: stream was invalid, can be either",
		"{\"proxies\": [{\n\"idleTimeout\": 30}]}":                                                                `line 2: proxies[0].idleTimeout must be a duration such as "40ms" or "1.5s", not a number`,
		"{\"proxies\": [{\"name\": \"a\", \"schedule\":\n{\"steps\": [{\"at\": \"1s\", \"enabled\": \"no\"}]}}]}": `proxy "a": schedule: step 1: enabled must be true or false, not a string`,
		`[{"name": "a"}]`: `proxy "a": missing required field: upstream`,
		`{"proxies": [{"name": "a", "toxics": [{"type": "latency", "attributes": {"latency": "1s"}}]}]}`:     `proxy "a": attributes.latency must be a number of milliseconds, not a string`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "down": 5}]}`:                                  `proxy "a": down must be an object, not a number`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "scope": 5}]}`:                                 "line 1: proxies[0].scope must be a string, not a number",
		`{"proxies": [{"name": "a", "listen": ":80", "to": "localhost:80"}]}`:                                `proxy "a": the proxy listens at 127.0.0.1:80 and would connect to itself at localhost:80: give the address of a server`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "down": {"bottleneck": {"name": 5}}}]}`:        `proxy "a": down: bottleneck.name must be a string, not a number`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "toxics": [{"type": "noop", "name": true}]}]}`: `proxy "a": name must be a string, not true or false`,
		`{"seed": -1}`: "line 1: seed is -1: it must be a whole number from 0 to 18446744073709551615",
	} {
		_, err := ParseFile([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func TestFilesThatAreNotJSON(t *testing.T) {
	const notJSON = "this is not JSON (which allows no comments, needs double quotes, and has no comma after the last item): "
	for text, want := range map[string]string{
		"":                   "line 1: the text is empty: it must be JSON, such as {}",
		" \n\n":              "line 1: the text is empty: it must be JSON, such as {}",
		"{\n\"proxies\": [}": "line 2: " + notJSON + "invalid character '}' looking for beginning of value",
		"{}\n{}":             "line 2: " + notJSON + "invalid character '{' after top-level value",
		"[{\n'name': 'a'}]":  "line 2: " + notJSON + "invalid character '\\'' looking for beginning of object key string",
		"\ufeff{}":           "line 1: there is a byte order mark: save the text as UTF-8 without one",
		"{\n\"\xff\": 1}":    "line 2: this is not UTF-8: save the text as UTF-8",
	} {
		_, err := ParseFile([]byte(text))
		assert.EqualError(t, err, want, text)
	}
}

// Loading a changed file changes only the proxies that differ.
func TestLoad(t *testing.T) {
	s := newServer(t)
	at := listenFor(t, "tcp", "127.0.0.1:0", echo)
	config := func(name string, toxics ...Toxic) Config {
		return Config{Name: name, Listen: "127.0.0.1:0", Upstream: at, Toxics: toxics}
	}
	other := addTo(t, s, config("other"))
	require.NoError(t, s.Load(File{Proxies: []Config{config("a"), config("b")}}))
	a, b := s.Proxy("a"), s.Proxy("b")
	stays, goes := dial(t, a), dial(t, b)
	exchange(t, stays, []byte("hello"))
	exchange(t, goes, []byte("hello"))

	slow := Toxic{Name: "slow", Toxicity: 1, Attributes: Latency{Latency: 50 * ms}}
	require.NoError(t, s.Load(File{Proxies: []Config{config("a", slow), config("c")}}))
	assert.Same(t, a, s.Proxy("a"))
	assert.Nil(t, s.Proxy("b"))
	assert.Same(t, other, s.Proxy("other"))
	start := time.Now()
	exchange(t, stays, []byte("hello"))
	assert.GreaterOrEqual(t, time.Since(start), 50*ms)
	_, err := goes.Read(make([]byte, 1))
	assert.Error(t, err)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	bad := config("d")
	bad.Listen = taken.Addr().String()
	assert.ErrorContains(t, s.Load(File{Proxies: []Config{config("e"), bad}}), `proxy "d": listen tcp`)
	assert.Nil(t, s.Proxy("e"), "nothing has changed")
	assert.NotNil(t, s.Proxy("c"))
	exchange(t, stays, []byte("hello"))

	before := a.Config().Listen
	moved := config("a")
	moved.Listen = b.Config().Listen
	require.NoError(t, s.Load(File{Proxies: []Config{moved}}))
	assert.NotEqual(t, before, a.Config().Listen)
	exchange(t, dial(t, a), []byte("hello"))
}
