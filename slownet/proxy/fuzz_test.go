package proxy

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a file contains, it is parsed or refused with an error, and the proxies that it
// contains can be added to a server and shown by the API.
func FuzzParseFile(f *testing.F) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxy.md"))
	require.NoError(f, err)
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1) {
		f.Add(block[1])
	}
	for _, text := range []string{
		`[{"name": "web", "listen": ":8080", "upstream": "x:1", "enabled": false}]`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "toxics": [{"type": "slicer", "attributes": {"average_size": 9}}]}]}`,
		`{"proxies": [{"name": "a", "listen": "1", "to": "2", "up": {"latency": 40}}], "x": []} 1`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseFile(data)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		s := &Server{}
		defer s.Close()
		for i, c := range file.Proxies {
			c.Name = strings.Repeat("x", i+1) // in Toxiproxy's files a name may appear twice
			c.Disabled, c.Schedule = true, Schedule{}
			p, err := s.Add(c)
			require.NoError(t, err)
			_, err = json.Marshal(p.Config())
			require.NoError(t, err)
		}
	})
}

// Whatever a body contains, the API answers in JSON, never with an internal server error,
// and each toxic that it shows can be added again.
func FuzzAPI(f *testing.F) {
	for i, body := range []string{
		`{"name":"q","listen":"127.0.0.1:0","upstream":"127.0.0.1:2"}`,
		`{"type":"latency","stream":"upstream","toxicity":0.5,"attributes":{"latency":100,"jitter":0.5}}`,
		`{"attributes":{"latency":-1e300},"toxicity":1}`,
		`{"steps":[{"at":"1h","toxics":[{"type":"bandwidth","attributes":{"rate":1}}]}],"repeat":"2h"}`,
		`{"enabled":true,"payloads":-1}`,
		`{"type":"link","stream":"both","attributes":{"profile":"dsl","congestion":"reno"}}`,
		`{"type":"link","attributes":{"bottleneck":{"name":"b","rate":"1Mbit/s"},"latency":"1ms"},"scope":"server"}`,
		`{"type":"slicer","attributes":{"average_size":3,"size_variation":2,"delay":1}}`,
		`{"deadUpstream":"refuse","upstream":"unix:/x"}`,
	} {
		f.Add(uint8(i), body)
	}
	f.Add(uint8(5), `{"listen":"0:"}`)
	f.Fuzz(func(t *testing.T, route uint8, body string) {
		s := &Server{}
		defer s.Close()
		_, err := s.Add(Config{Name: "p", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Disabled: true})
		require.NoError(t, err)
		a := &API{Server: s}
		_, _ = ask(a, "POST", "/proxies/p/toxics", `{"name":"t","type":"latency"}`)
		to := []struct{ method, path string }{
			{"POST", "/proxies"}, {"POST", "/proxies/p/toxics"}, {"PATCH", "/proxies/p/toxics/t"},
			{"PUT", "/proxies/p/schedule"}, {"PUT", "/proxies/p/recording"}, {"PATCH", "/proxies/p"},
		}[int(route)%6]
		if strings.HasSuffix(to.path, "proxies") || strings.HasSuffix(to.path, "/p") {
			var in map[string]any
			if json.Unmarshal([]byte(body), &in) != nil || in == nil {
				return
			}
			for name := range in {
				if strings.EqualFold(name, "enabled") {
					delete(in, name)
				}
			}
			in["enabled"] = false // so that it does not listen
			text, err := json.Marshal(in)
			require.NoError(t, err)
			body = string(text)
		}
		if strings.HasSuffix(to.path, "schedule") && strings.Contains(strings.ToLower(body), "enabled") {
			return
		}
		status, answer := ask(a, to.method, to.path, body)
		// Addresses that net refuses, and names that it does not find, get 500, as from
		// Toxiproxy.
		if !strings.Contains(answer, "address") && !strings.Contains(answer, "lookup ") {
			assert.NotEqual(t, http.StatusInternalServerError, status, answer)
		}
		assert.True(t, json.Valid([]byte(answer)), answer)
		status, answer = ask(a, "GET", "/proxies", "")
		assert.Equal(t, http.StatusOK, status, answer)
		for _, toxic := range s.Proxy("p").Config().Toxics {
			text, err := json.Marshal(toxic)
			require.NoError(t, err)
			require.NoError(t, s.Proxy("p").RemoveToxic(toxic.Name))
			status, answer = ask(a, "POST", "/proxies/p/toxics", string(text))
			assert.Equal(t, http.StatusOK, status, "%s: %s", text, answer)
			assert.JSONEq(t, string(text), answer)
		}
	})
}
