package page

import (
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAPI(t *testing.T) *proxy.API {
	s := &proxy.Server{}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	a := &proxy.API{Server: s}
	Add(a)
	return a
}

func get(a *proxy.API, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://127.0.0.1:8474"+path, nil)
	r.Header.Set("User-Agent", "Mozilla/5.0")
	return testnet.Ask(a, r, header...)
}

// The page is a single document that refers to no other file, and no other page can frame
// it.
func TestPage(t *testing.T) {
	a := newAPI(t)
	w := get(a, "/")
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	policy := w.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none';", "frame-ancestors 'none';", "connect-src 'self';", "script-src 'sha256-"} {
		assert.Contains(t, policy, part)
	}
	body := w.Body.String()
	assert.Contains(t, body, strings.TrimSpace(script))
	assert.NotContains(t, body, "/*style*/")
	assert.NotContains(t, body, "://")
	assert.NotContains(t, body, "innerHTML")
	assert.Equal(t, 404, get(a, "/page").Code)
	assert.Equal(t, 403, get(a, "/", "Host", "evil.test:8474").Code)
	assert.Equal(t, 403, get(a, "/", "Sec-Fetch-Site", "cross-site").Code)
}

func TestCapture(t *testing.T) {
	a := newAPI(t)
	p, err := a.Server.Add(proxy.Config{Name: "p", Listen: "127.0.0.1:0", Upstream: testnet.Echo(t)})
	require.NoError(t, err)
	p.Record(proxy.Recording{Enabled: true, Payloads: -1})
	conn, err := net.Dial("tcp", p.Config().Listen)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write([]byte("on the wire"))
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 11))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { // a write is recorded when it has returned
		_, events := p.Recorded()
		n := 0
		for e := range events {
			n += len(e.Payload)
		}
		return n == 2*len("on the wire")
	}, 5*time.Second, time.Millisecond)
	w := get(a, "/proxies/p/recording/capture")
	require.Equal(t, 200, w.Code, w.Body)
	assert.Equal(t, `attachment; filename="capture.pcapng"`, w.Header().Get("Content-Disposition"))
	r, err := pcapgo.NewNgReader(w.Body, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	text := ""
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		text += string(data)
	}
	assert.Equal(t, 2, strings.Count(text, "on the wire"), "there and back")
}
