package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A tracer records the calls of the net/http/httptrace hooks.
type tracer struct {
	sim *simtest.Sim // or nil, where times differ

	mu    sync.Mutex // guards lines
	lines []string
}

func (tr *tracer) note(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if tr.sim != nil {
		line = fmt.Sprint(tr.sim.Elapsed(), " ", line)
	}
	tr.lines = append(tr.lines, line)
}

// context returns a context with hooks.
func (tr *tracer) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) { tr.note("lookup of %s", info.Host) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			var addrs []string
			for _, addr := range info.Addrs {
				addrs = append(addrs, addr.String())
			}
			slices.Sort(addrs)
			tr.note("looked up: %v %v", addrs, errors.Unwrap(info.Err))
		},
		ConnectStart: func(network, addr string) { tr.note("connect %s %s", network, addr) },
		ConnectDone: func(network, addr string, err error) {
			var op *net.OpError
			if errors.As(err, &op) {
				err = fmt.Errorf("%s %s %v: %w", op.Op, op.Net, op.Addr, op.Err)
			}
			tr.note("connected %s %s: %v", network, addr, err)
		},
	})
}

// A dial calls the net/http/httptrace hooks of its context as a net.Dialer
// does.
var traceScenarios = []scenario{
	{"dial is traced", func(w *world, r *report) {
		tr := new(tracer)
		l := w.listenOn(w.server, "tcp4", ":0")
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(w, err)
		refused := w.closedPort("tcp")
		for _, dial := range [][2]string{
			{"tcp4", net.JoinHostPort(w.name, port)}, {"tcp", net.JoinHostPort(w.server.v4, port)}, {"tcp", refused},
			{"udp", refused}, {"tcp", "unknown.invalid:1"}, {"tcp", ""},
		} {
			conn, err := w.client.DialContext(tr.context(w.Context()), dial[0], dial[1])
			if err == nil {
				_ = conn.Close()
			}
		}
		ctx, cancel := context.WithCancel(tr.context(w.Context()))
		cancel()
		_, _ = w.client.DialContext(ctx, "tcp", refused)
		for _, line := range tr.lines {
			r.add("%s", strings.NewReplacer(port, "PORT", refused, "REFUSED", w.server.v4, "V4", w.server.v6, "V6", w.name, "NAME").Replace(line))
		}
	}, []string{
		"lookup of NAME",
		"looked up: [V4] <nil>",
		"connect tcp4 V4:PORT",
		"connected tcp4 V4:PORT: <nil>",
		"connect tcp V4:PORT",
		"connected tcp V4:PORT: <nil>",
		"connect tcp REFUSED",
		"connected tcp REFUSED: dial tcp REFUSED: connect: connection refused",
		"connect udp REFUSED",
		"connected udp REFUSED: <nil>",
		"lookup of unknown.invalid",
		"looked up: [] <nil>",
	}},
}

// An http.Client's request tells when its lookup and its connection began and
// ended, to the nanosecond.
func TestTraceOfARequest(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 50 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":80")
		require.NoError(t, err)
		server := &http.Server{Handler: http.NotFoundHandler()}
		sim.Host("server").Run(func(context.Context) error { return ignoreClosed(server.Serve(listener)) })
		defer server.Close()
		sim.SetName("server", simtest.Name{Delay: 30 * ms})
		transport := &http.Transport{DialContext: sim.Host("client").DialContext}
		defer transport.CloseIdleConnections()

		tr := &tracer{sim: sim}
		request, err := http.NewRequestWithContext(tr.context(t.Context()), "GET", "http://server/", nil)
		require.NoError(t, err)
		response, err := (&http.Client{Transport: transport}).Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		v4, v6 := sim.Host("server").Addr(), sim.Host("server").Addr6()
		assert.Equal(t, []string{
			"0s lookup of server",
			fmt.Sprintf("30ms looked up: [%v %v] <nil>", v4, v6),
			fmt.Sprintf("30ms connect tcp %v:80", v4),
			fmt.Sprintf("130ms connected tcp %v:80: <nil>", v4),
		}, tr.lines)
	})
}

// The hooks are called when a dial is given up, and when its host crashes.
func TestTraceOfAFailedDial(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := sim.Host("client"), sim.Host("server")
		address := fmt.Sprintf("%v:80", server.Addr())
		sim.Partition([]string{"client"}, []string{"server"})
		tr := &tracer{sim: sim}
		ctx, cancel := context.WithTimeout(tr.context(t.Context()), 2*time.Second)
		defer cancel()
		_, err := client.DialContext(ctx, "tcp", address)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		sim.At(3*time.Second, client.Crash)
		_, err = client.DialContext(tr.context(t.Context()), "tcp", address)
		assert.ErrorIs(t, err, syscall.ENETDOWN)
		assert.Equal(t, []string{
			"0s connect tcp " + address,
			"2s connected tcp " + address + ": dial tcp " + address + ": i/o timeout",
			"2s connect tcp " + address,
			"3s connected tcp " + address + ": dial tcp " + address + ": connect: network is down",
		}, tr.lines)
	})
}

// The hooks are called for each address of a name when it is tried, including
// addresses that were given up for a faster one.
func TestTraceOfSeveralAddresses(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 50 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, refuses, serves := sim.Host("client"), sim.Host("refuses"), sim.Host("serves")
		_, err := serves.Listen("tcp4", ":80")
		require.NoError(t, err)
		sim.SetName("two", simtest.Name{Hosts: []string{"refuses", "serves"}})
		tr := &tracer{sim: sim}
		conn, err := client.DialContext(tr.context(t.Context()), "tcp4", "two:80")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		first, second := fmt.Sprintf("%v:80", refuses.Addr()), fmt.Sprintf("%v:80", serves.Addr())
		assert.Equal(t, []string{
			"0s lookup of two",
			fmt.Sprintf("0s looked up: [%v %v] <nil>", refuses.Addr(), serves.Addr()),
			"0s connect tcp4 " + first,
			"100ms connected tcp4 " + first + ": dial tcp4 " + first + ": connect: connection refused",
			"100ms connect tcp4 " + second,
			"200ms connected tcp4 " + second + ": <nil>",
		}, tr.lines)

		// IPv6 begins 300 ms after IPv4, which gets no answer.
		_, err = serves.Listen("tcp6", ":80")
		require.NoError(t, err)
		sim.Blackhole("serves:80", simtest.Only{Family: 4})
		sim.SetName("two", simtest.Name{Hosts: []string{"serves", "refuses"}})
		tr = &tracer{sim: sim}
		_, err = client.DialContext(tr.context(t.Context()), "tcp", "two:80")
		require.NoError(t, err)
		first, second = fmt.Sprintf("%v:80", serves.Addr()), fmt.Sprintf("[%v]:80", serves.Addr6())
		assert.Equal(t, []string{
			"200ms connect tcp " + first,
			"500ms connect tcp " + second,
			"600ms connected tcp " + second + ": <nil>",
			"600ms connected tcp " + first + ": dial tcp " + first + ": operation was canceled",
		}, tr.lines[2:])
	})
}
