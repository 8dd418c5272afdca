package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// body answers with as many bytes as the path says.
func body(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
	w.Header().Set("Content-Length", strconv.Itoa(n))
	_, _ = w.Write(make([]byte, n))
}

// serve returns the port of a server on this machine's loopback.
func serve(t *testing.T, handler http.HandlerFunc) int {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// predicted returns how long curl's request takes in the simulator.
func predicted(t *testing.T, profile netem.Profile, bytes int) (took time.Duration) {
	t.Helper()
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetProfile("client", "server", profile)
		listener, err := sim.Host("server").Listen("tcp", ":80")
		require.NoError(t, err)
		go func() { _ = http.Serve(listener, http.HandlerFunc(body)) }()
		conn, err := sim.Host("client").Dial("tcp", "server:80")
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "GET /%d HTTP/1.1\r\nHost: host.slownet:12345\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\nConnection: close\r\n\r\n", bytes)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err)
		took = sim.Elapsed()
	})
	return took
}

// A transfer by curl takes what it takes in the simulator, within 10 percent.
func TestTransferTakesWhatTheSimulatorSays(t *testing.T) {
	needs(t, "curl", "curl")
	port := serve(t, body)
	rows := []struct {
		profile string
		bytes   int
	}{
		{"webpagetest/3g", 1_000},
		{"webpagetest/3g", 200_000},
		{"chrome/fast-4g", 1_000_000},
	}
	if tier.Long() {
		rows = append(rows, []struct {
			profile string
			bytes   int
		}{{"webpagetest/3g", 2_000_000}, {"webpagetest/cable", 4_000_000}, {"webpagetest/3gslow", 100_000}, {"loadero/satellite", 1_000_000}}...)
	}
	for _, row := range rows {
		profile := netem.MustProfile(row.profile)
		want := predicted(t, profile, row.bytes)
		asEach(t, func(t *testing.T, as user) {
			r := runProgram(t, as, "--profile", row.profile, "--",
				"curl", "-sS", "-o", "/dev/null", "-H", "Connection: close", "-w", "%{http_code} %{size_download} %{time_total}", fmt.Sprintf("http://host.slownet:%d/%d", port, row.bytes))
			var code, size int
			var seconds float64
			_, err := fmt.Sscan(r.stdout, &code, &size, &seconds)
			require.NoError(t, err, "%q, %s", r.stdout, r.stderr)
			assert.Equal(t, 200, code)
			assert.Equal(t, row.bytes, size)
			t.Logf("%s, %d bytes: %.3f s, in the simulator %.3f s: %.3f", row.profile, row.bytes, seconds, want.Seconds(), seconds/want.Seconds())
			assert.InEpsilon(t, want.Seconds(), seconds, 0.1, "%s, %d bytes", row.profile, row.bytes)
		})
	}
}
