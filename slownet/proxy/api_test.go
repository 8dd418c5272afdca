package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

// ask sends a request to an API and returns the answer.
func ask(a *API, method, path, body string, header ...string) (status int, text string) {
	r := httptest.NewRequest(method, "http://127.0.0.1:8474"+path, strings.NewReader(body))
	w := testnet.Ask(a, r, header...)
	return w.Code, w.Body.String()
}

// The API shows that the server cannot be reached, until it can be reached again or the
// proxy is disabled.
func TestAPIUpstreamError(t *testing.T) {
	for _, does := range []DeadUpstream{ResetClient, RefuseClients} {
		a := &API{Server: newServer(t)}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		at := listener.Addr().String()
		require.NoError(t, listener.Close())
		p := addTo(t, a.Server, Config{Upstream: at, DeadUpstream: does})
		isDead := func() bool {
			_, text := ask(a, "GET", "/proxies/p", "")
			return strings.Contains(text, `"upstreamError":"dial tcp `+at+`: `)
		}
		check := func(want bool) {
			assert.Equal(t, want, isDead())
			_, text := ask(a, "GET", "/proxies/p", "")
			_, all := ask(a, "GET", "/proxies", "")
			assert.Equal(t, `{"p":`+text+`}`, all)
		}
		check(false)
		_, _ = dial(t, p).Read(make([]byte, 1))
		check(true)

		require.NoError(t, p.SetEnabled(false))
		check(false)
		require.NoError(t, p.SetEnabled(true))
		_, _ = dial(t, p).Read(make([]byte, 1))
		check(true)

		listenFor(t, "tcp", at, echo)
		if does == ResetClient {
			exchange(t, dial(t, p), []byte("hello"))
		}
		assert.Eventually(t, func() bool { return !isDead() }, 10*time.Second, ms)
		check(false)
	}
}

// The answers equal the answers of Toxiproxy 2.12, word for word.
func TestAPI(t *testing.T) {
	a := &API{Server: newServer(t)}
	const p = `{"name":"p","listen":"127.0.0.1:1","upstream":"127.0.0.1:2","enabled":false,"toxics":[]}`
	const latency = `{"attributes":{"latency":100,"jitter":10},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}`
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/proxies", "", 200, `{}`},
		{"POST", "/proxies", `{"upstream":"x:1"}`, 400, `{"error":"missing required field: name","status":400}`},
		{"POST", "/proxies", `{"name":"p"}`, 400, `{"error":"missing required field: upstream","status":400}`},
		{"POST", "/proxies", `{"name":`, 400, `{"error":"bad request body: unexpected EOF","status":400}`},
		{"POST", "/proxies", `{"name":"p","listen":"127.0.0.1:1","upstream":"127.0.0.1:2","enabled":false}`, 201, p},
		{"POST", "/proxies", `{"name":"p","listen":"127.0.0.1:1","upstream":"127.0.0.1:2","enabled":false}`, 409, `{"error":"proxy already exists","status":409}`},
		{"GET", "/proxies", "", 200, `{"p":` + p + `}`},
		{"GET", "/proxies/p", "", 200, p},
		{"GET", "/proxies/q", "", 404, `{"error":"proxy not found","status":404}`},
		{"PATCH", "/proxies/p", `{"upstream":"127.0.0.1:3"}`, 200, strings.Replace(p, ":2", ":3", 1)},
		{"POST", "/proxies/p", `{"upstream":"127.0.0.1:2"}`, 200, p},
		{"POST", "/proxies/p", `{"enabled":"no"}`, 400, `{"error":"bad request body: enabled must be true or false, not a string","status":400}`},
		{"POST", "/proxies/p", `{"upstream":"localhost:1"}`, 400, `{"error":"bad request body: the proxy listens at 127.0.0.1:1 and would connect to itself at localhost:1: give the address of a server","status":400}`},
		{"GET", "/proxies/p/toxics", "", 200, `[]`},
		{"POST", "/proxies/p/toxics", `{"type":"latency","attributes":{"latency":100,"jitter":10}}`, 200, latency},
		{"POST", "/proxies/p/toxics", `{"type":"latency"}`, 409, `{"error":"toxic already exists","status":409}`},
		{"POST", "/proxies/p/toxics", `{"type":"lateness"}`, 400, `{"error":"invalid toxic type","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"latency","stream":"sideways"}`, 400, `{"error":"stream was invalid, can be either upstream or downstream","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"link","stream":"sideways"}`, 400, `{"error":"stream was invalid, can be upstream, downstream or both","status":400}`},
		{"POST", "/proxies/p/toxics", `{"name":"n","type":"latency","attributes":{"latency":5,"jitter":-1}}`, 400, `{"error":"bad request body: jitter is -1ms: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"latency","scope":"server"}`, 400, `{"error":"bad request body: a toxic of type latency cannot be shared: its scope must be connection; bandwidth, limit_data and link can be shared","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"bandwidth","attributes":{"rate":-1}}`, 400, `{"error":"bad request body: rate is -8kbit/s: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"limit_data","attributes":{"bytes":-9223372036854775808}}`, 400, `{"error":"bad request body: bytes is -9223372036854775808: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"timeout","attributes":{"timeout":-1}}`, 400, `{"error":"bad request body: timeout is -1ms: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"reset_peer","attributes":{"timeout":-1}}`, 400, `{"error":"bad request body: timeout is -1ms: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"slow_close","attributes":{"delay":-1}}`, 400, `{"error":"bad request body: delay is -1ms: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"slicer","attributes":{"average_size":1,"delay":-1}}`, 400, `{"error":"bad request body: delay is -1µs: it must be 0 or more","status":400}`},
		{"PATCH", "/proxies/p/toxics/latency_downstream", `{"attributes":{"latency":-300}}`, 400, `{"error":"bad request body: latency is -300ms: it must be 0 or more","status":400}`},
		{"POST", "/proxies/p/toxics", `{"type":"latency","stream":"UPSTREAM","name":"up","toxicity":0.2}`, 200, `{"attributes":{"latency":0,"jitter":0},"name":"up","type":"latency","stream":"upstream","toxicity":0.2}`},
		{"GET", "/proxies/p/toxics/latency_downstream", "", 200, latency},
		{"GET", "/proxies/p/toxics/x", "", 404, `{"error":"toxic not found","status":404}`},
		{"PATCH", "/proxies/p/toxics/latency_downstream", `{"attributes":{"latency":50},"toxicity":0.5}`, 200, `{"attributes":{"latency":50,"jitter":10},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}`},
		{"POST", "/proxies/p/toxics/latency_downstream", `{"attributes":{"latency":100},"toxicity":1}`, 200, latency},
		{"POST", "/proxies/p/toxics/x", `{}`, 404, `{"error":"toxic not found","status":404}`},
		{"DELETE", "/proxies/p/toxics/up", "", 204, ``},
		{"DELETE", "/proxies/p/toxics/up", "", 404, `{"error":"toxic not found","status":404}`},
		{"POST", "/proxies/p/toxics", `{"type":"bandwidth","scope":"proxy","attributes":{"rate":100}}`, 200, `{"attributes":{"rate":100},"name":"bandwidth_downstream","type":"bandwidth","stream":"downstream","toxicity":1,"scope":"proxy"}`},
		{"POST", "/proxies/p/toxics", `{"type":"link","stream":"both","attributes":{"profile":"3g fast"}}`, 200, `{"attributes":{"profile":"webpagetest/3gfast"},"name":"link_both","type":"link","stream":"both","toxicity":1}`},
		{"PATCH", "/proxies/p/toxics/link_both", `{"attributes":{"profile":null,"latency":"40ms","loss":"1%"}}`, 200, `{"attributes":{"latency":"40ms","loss":"1%"},"name":"link_both","type":"link","stream":"both","toxicity":1}`},
		{"PATCH", "/proxies/p/toxics/link_both", `{"attributes":{"bottleneck":{"name":"x","rate":"1Mbit/s"},"loss":null}}`, 200, `{"attributes":{"bottleneck":{"name":"x","rate":"1Mbit/s"},"latency":"40ms"},"name":"link_both","type":"link","stream":"both","toxicity":1}`},
		{"PATCH", "/proxies/p/toxics/link_both", `{"attributes":{"congestion":"reno"}}`, 400, `{"error":"bad request body: congestion cannot be changed: remove the link and add it again","status":400}`},
		{"GET", "/proxies/p/connections", "", 200, `[]`},
		{"GET", "/connections", "", 200, `[]`},
		{"DELETE", "/proxies/p/connections/7", "", 404, `{"error":"connection \"7\" not found","status":404}`},
		{"POST", "/populate", `[{"name":"p","listen":"127.0.0.1:1","upstream":"127.0.0.1:4","enabled":false},{"name":"q","upstream":"u","listen":"nowhere"}]`, 500, ""},
		{"POST", "/populate", `[{"name":"p","listen":"127.0.0.1:1","upstream":"127.0.0.1:4"},{"upstream":"u"}]`, 400, `{"error":"missing required field: name at proxy 2","status":400,"proxies":null}`},
		{"GET", "/proxies/p", "", 200, strings.Replace(p, ":2", ":4", 1)},
		{"GET", "/version", "", 200, "{\"version\": \"2.12.0\"}\n"},
		{"GET", "/metrics", "", 404, ""},
		{"DELETE", "/proxies/p", "", 204, ``},
		{"DELETE", "/proxies/p", "", 404, `{"error":"proxy not found","status":404}`},
		{"POST", "/reset", "", 204, ``},
		{"DELETE", "/reset", "", 405, ""},
	} {
		status, answer := ask(a, step.method, step.path, step.body)
		assert.Equal(t, step.status, status, "%s %s %s: %s", step.method, step.path, step.body, answer)
		if step.answer != "" || status == 204 {
			assert.Equal(t, step.answer, answer, "%s %s %s", step.method, step.path, step.body)
		}
	}
}

// A browser may use the API for the server's own page only.
func TestBrowsers(t *testing.T) {
	a := &API{Server: newServer(t), Hosts: []string{"proxy.test"}}
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	for _, c := range []struct {
		status int
		header []string
	}{
		{200, nil},
		{200, []string{"Host", "toxiproxy:8474", "User-Agent", "curl/8"}},
		{200, []string{"User-Agent", firefox}},
		{200, []string{"Host", "localhost:8474", "User-Agent", firefox}},
		{200, []string{"Host", "[::1]:8474", "User-Agent", firefox, "Origin", "http://[::1]:8474"}},
		{200, []string{"Host", "Proxy.test:8474", "User-Agent", firefox, "Origin", "http://Proxy.test:8474", "Sec-Fetch-Site", "same-origin"}},
		{200, []string{"User-Agent", firefox, "Sec-Fetch-Site", "none"}},
		{403, []string{"Host", "evil.test:8474", "User-Agent", firefox}}, // DNS rebinding
		{403, []string{"Host", "evil.test", "Origin", "http://evil.test"}},
		{403, []string{"Origin", "http://evil.test"}},
		{403, []string{"Origin", "http://127.0.0.1:80"}},
		{403, []string{"Origin", "null"}},
		{403, []string{"Sec-Fetch-Site", "cross-site"}},
		{403, []string{"Sec-Fetch-Site", "same-site"}},
	} {
		status, answer := ask(a, "GET", "/proxies", "", c.header...)
		assert.Equal(t, c.status, status, "%q: %s", c.header, answer)
	}
}

func TestConnectionsAPI(t *testing.T) {
	p, conn := echoProxy(t)
	a := &API{Server: p.server}
	assert.Eventually(t, func() bool { return p.Totals().Up == 5 && p.Totals().Down == 5 }, 5*time.Second, ms, "bytes that the operating system copies are counted a moment later")
	status, answer := ask(a, "GET", "/proxies/p/connections", "")
	assert.Equal(t, 200, status)
	assert.Regexp(t, `^\[\{"proxy":"p","number":1,"client":"`+conn.LocalAddr().String()+`","upstream":"127\.0\.0\.1:\d+","up":\{"bytes":5,"rate":[\d.]+,"held":0,"ended":false\},"down":\{"bytes":5,"rate":[\d.]+,"held":0,"ended":false\},"seconds":[\d.]+\}\]$`, answer)
	status, _ = ask(a, "DELETE", "/proxies/p/connections/1", "")
	assert.Equal(t, 204, status)
	_, err := io.ReadAll(conn)
	assert.Error(t, err)
	status, answer = ask(a, "PUT", "/proxies/p/schedule", `{"steps":[{"at":"1h","enabled":false}]}`)
	assert.Equal(t, 200, status)
	assert.Equal(t, `{"steps":[{"at":"1h0m0s","enabled":false}]}`, answer)
	status, answer = ask(a, "GET", "/proxies/p/schedule", "")
	assert.Equal(t, 200, status)
	assert.Equal(t, `{"steps":[{"at":"1h0m0s","enabled":false}]}`, answer)
	_, answer = ask(a, "PUT", "/proxies/p/schedule", `{"steps":[{"at":10,"enabled":false}]}`)
	assert.Equal(t, `{"error":"bad request body: schedule: step 1: at must be a duration such as \"40ms\" or \"1.5s\", not a number","status":400}`, answer)
	_, answer = ask(a, "PUT", "/proxies/p/schedule", `{"steps":[{"at":"1s"},{"at":"2s","toxics":[{"type":"latency","toxicity":2}]}]}`)
	assert.Equal(t, `{"error":"bad request body: schedule: step 2: toxicity is 2: it must be from 0 to 1","status":400}`, answer)
	_, answer = ask(a, "PUT", "/proxies/p/schedule", `{"steps":[{"at":"1s"},{"at":"2s","toxics":[{"type":"lateness"}]}]}`)
	assert.Equal(t, `{"error":"schedule: step 2: invalid toxic type","status":400}`, answer)
	status, _ = ask(a, "DELETE", "/proxies/p/schedule", "")
	assert.Equal(t, 204, status)
	assert.Empty(t, p.Config().Schedule.Steps)
}

// The API gives each request an identifier.
func TestRequestIDs(t *testing.T) {
	a := &API{Server: newServer(t)}
	seen := map[string]bool{}
	for range 3 {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/version", nil))
		id := w.Header().Get("X-Toxiproxy-Request-Id")
		require.Len(t, id, 20)
		seen[id] = true
	}
	assert.Len(t, seen, 3)
}
