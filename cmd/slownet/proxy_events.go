package main

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/eventlog"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// logProxyEvent logs an event of a proxy.
func logProxyEvent(log *eventlog.Log, e proxy.ServerEvent) {
	level, message := slog.LevelInfo, ""
	attrs := []slog.Attr{slog.String("proxy", e.Proxy)}
	add := func(a ...slog.Attr) { attrs = append(attrs, a...) }
	if e.Client != nil {
		add(slog.String("client", e.Client.String()))
	}
	switch e.Kind {
	case proxy.Started:
		message = "listening"
		add(slog.String("address", e.Listen), slog.String("upstream", e.Upstream))
	case proxy.Stopped:
		message = "stopped"
		add(slog.String("address", e.Listen))
	case proxy.Opened:
		message = "connected"
	case proxy.Closed, proxy.WasReset:
		message = "ended"
		if e.Kind == proxy.WasReset {
			message = "reset"
		}
		add(slog.Int64("up", e.Up), slog.Int64("down", e.Down), slog.Float64("seconds", e.Elapsed.Seconds()))
	case proxy.Unreachable:
		level, message = slog.LevelWarn, "upstream unreachable"
		add(slog.String("upstream", e.Upstream), slog.Any("error", e.Err))
	default:
		level, message = slog.LevelError, "cannot apply a change"
		add(slog.Any("error", e.Err))
	}
	log.Tell(cli.Visible(e.String()), level, message, attrs...)
}

// logProxyError logs an error.
func logProxyError(log *eventlog.Log, err error) {
	log.Tell(cli.Visible(err.Error()), slog.LevelError, "error", slog.Any("error", err))
}

// A proxyTrace writes the events of a proxy to a trace file.
type proxyTrace struct {
	mu     sync.Mutex // guards the fields below
	to     *trace.Writer
	failed error
	closed bool
}

// newProxyTrace creates the file.
func newProxyTrace(name string, seed uint64) (*proxyTrace, error) {
	to, err := trace.Create(name, trace.Header{Source: "proxy", Seed: seed, Go: runtime.Version()})
	if err != nil {
		return nil, err
	}
	return &proxyTrace{to: to}, nil
}

func (t *proxyTrace) add(e trace.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.failed = errors.Join(t.failed, t.to.Write(&e))
	}
}

func (t *proxyTrace) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return errors.Join(t.failed, t.to.Close())
}
