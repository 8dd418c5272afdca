package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// body answers with the number of bytes in the path.
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

// takes reads an upload.
func takes(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// A request is a request of curl: a download or an upload.
type request struct {
	profile string
	bytes   int
	upload  bool
}

// handler answers the request.
func (r request) handler() http.HandlerFunc {
	if r.upload {
		return takes
	}
	return body
}

// curl is the command that makes the request, and prints the status and the time.
func (r request) curl(port int) []string {
	args := []string{"curl", "-sS", "-o", "/dev/null", "-H", "Connection: close", "-w", "%{http_code} %{time_total}", fmt.Sprintf("http://host.slownet:%d/%d", port, r.bytes)}
	if r.upload {
		args = append(args, "-H", "Expect:", "-H", fmt.Sprintf("Content-Length: %d", r.bytes), "-T", "-")
	}
	return args
}

// predicted returns the time of the request in the simulator.
func (r request) predicted(t *testing.T) (took time.Duration) {
	t.Helper()
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetProfile("client", "server", netem.MustProfile(r.profile))
		listener, err := sim.Host("server").Listen("tcp", ":80")
		require.NoError(t, err)
		go func() { _ = http.Serve(listener, r.handler()) }()
		conn, err := sim.Host("client").Dial("tcp", "server:80")
		require.NoError(t, err)
		method, length := "GET", ""
		if r.upload {
			method, length = "PUT", fmt.Sprintf("Content-Length: %d\r\n", r.bytes)
		}
		_, err = fmt.Fprintf(conn, "%s /%d HTTP/1.1\r\nHost: host.slownet:12345\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\nConnection: close\r\n%s\r\n", method, r.bytes, length)
		require.NoError(t, err)
		if r.upload {
			_, err = conn.Write(make([]byte, r.bytes))
			require.NoError(t, err)
		}
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err)
		took = sim.Elapsed()
	})
	return took
}

// took returns the time of the request on the path.
func (r request) took(t *testing.T, as user, port int) time.Duration {
	t.Helper()
	c := command(as, append([]string{"--profile", r.profile, "--"}, r.curl(port)...)...)
	c.Stdin = bytes.NewReader(make([]byte, r.bytes))
	out := finish(t, c)
	var code int
	var seconds float64
	_, err := fmt.Sscan(out.stdout, &code, &seconds)
	require.NoError(t, err, "%q, %s", out.stdout, out.stderr)
	require.Equal(t, 200, code)
	return time.Duration(seconds * float64(time.Second))
}

// lateness measures the delays with which goroutines wake up after a sleep, until stop is
// called. stop returns the 90th percentile of the delays, minus a millisecond. On a quiet
// machine this is 0.
func lateness() (stop func() time.Duration) {
	const sleep = 5 * time.Millisecond
	var late []time.Duration
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			start := time.Now()
			select {
			case <-ended:
				return
			case <-time.After(sleep):
				late = append(late, time.Since(start)-sleep)
			}
		}
	}()
	return func() time.Duration {
		close(ended)
		<-done
		slices.Sort(late)
		if len(late) == 0 {
			return 0
		}
		return max(0, late[len(late)*9/10]-time.Millisecond)
	}
}

// limit returns the longest time that a request may take, if goroutines wake up late. A round
// trip wakes up some eight threads one after another: curl, the path in both directions, the
// stack that carries on the connection, and the server. So each round trip may take eight
// times the lateness longer, and the whole request, which is a number of round trips, is
// longer by the same factor.
func (r request) limit(predicted, late time.Duration) time.Duration {
	profile := netem.MustProfile(r.profile)
	roundTrip := profile.Down.Latency + profile.Up.Latency
	longer := 1 + 8*late.Seconds()/roundTrip.Seconds()
	return time.Duration(1.1 * longer * float64(predicted))
}

// A transfer by curl takes as long as in the simulator, within 10 percent, in both
// directions. On a busy machine it may take longer, by as much as the machine is late.
func TestTransferTakesAsLongAsInTheSimulator(t *testing.T) {
	needs(t, "curl", "curl")
	requests := []request{
		{"webpagetest/3g", 1_000, false},
		{"webpagetest/3g", 200_000, false},
		{"webpagetest/3g", 100_000, true},
		{"chrome/fast-4g", 1_000_000, false},
	}
	if tier.Long() {
		requests = append(requests, request{"webpagetest/3g", 2_000_000, false}, request{"webpagetest/cable", 4_000_000, false},
			request{"webpagetest/3gslow", 100_000, false}, request{"loadero/satellite", 1_000_000, false},
			request{"webpagetest/cable", 500_000, true}, request{"loadero/satellite", 500_000, true})
	}
	for _, r := range requests {
		port, want := serve(t, r.handler()), r.predicted(t)
		asEach(t, func(t *testing.T, as user) {
			for try := 1; ; try++ { // on a busy machine packets are late, and TCP treats them as lost
				stop := lateness()
				took := r.took(t, as, port)
				late := stop()
				limit := r.limit(want, late)
				t.Logf("%+v: %v, in the simulator %v: %.3f; up to %v at a lateness of %v", r, took, want, took.Seconds()/want.Seconds(), limit, late)
				if took > want*9/10 && took < limit {
					return
				}
				require.Less(t, try, 4, "%+v takes %v, in the simulator %v", r, took, want)
			}
		})
	}
}
