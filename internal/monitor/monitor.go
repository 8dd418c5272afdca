// Package monitor serves the state of a long-running command over HTTP: its
// metrics for Prometheus on /metrics, and its health on /healthz, whose status is
// 200 while the command serves and 503 while it is ending.
package monitor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slowpoetry/slowpoetry/internal/address"
)

// An Address is a flag whose value is the address of a monitor, PORT, HOST:PORT
// or [IPV6]:PORT. The default host is 127.0.0.1, and port 0 is any free one.
// The empty address means no monitor.
type Address string

// Set parses the value.
func (a *Address) Set(s string) error {
	parsed, err := address.Parse(s, 0)
	if err == nil {
		*a = Address(parsed)
	}
	return err
}

// String returns the address, with its host.
func (a *Address) String() string { return string(*a) }

// Type returns the kind of value for the help.
func (a *Address) Type() string { return "address" }

// A Monitor serves the metrics of its Registry, which include the metrics of
// the process and of the Go runtime.
type Monitor struct {
	Registry *prometheus.Registry

	listener net.Listener
	server   *http.Server
	ending   atomic.Bool
	served   chan struct{} // closed when the server has ended
}

// Limits of a request, which is always small.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 10 * time.Second
	maxHeader     = 16 << 10
)

// Listen starts a monitor. The error says how to fix it, and names the flag
// with the address, such as --metrics.
func Listen(at Address, flag string) (*Monitor, error) {
	listener, err := net.Listen("tcp", string(at))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot serve metrics on %s: the port is in use; choose another port for %s", at, flag)
	case err != nil:
		return nil, fmt.Errorf("cannot serve metrics on %s: %w; choose another address for %s", at, err, flag)
	}
	m := &Monitor{Registry: prometheus.NewRegistry(), listener: listener, served: make(chan struct{})}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", m.health)
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, MaxHeaderBytes: maxHeader}
	go func() {
		defer close(m.served)
		_ = m.server.Serve(listener)
	}()
	return m, nil
}

// health handles /healthz.
func (m *Monitor) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if m.ending.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "ending\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// URL returns the address of the metrics.
func (m *Monitor) URL() string { return "http://" + m.listener.Addr().String() + "/metrics" }

// Ending makes /healthz report from now on that the command is ending. A nil
// Monitor ignores it.
func (m *Monitor) Ending() {
	if m != nil {
		m.ending.Store(true)
	}
}

// Close stops serving, and waits until it has ended. Requests in progress are
// aborted. On a nil Monitor it does nothing.
func (m *Monitor) Close() {
	if m != nil {
		_ = m.server.Close()
		<-m.served
	}
}
