package simtest

import (
	"context"
	"io"
	"log/slog"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Logger returns a logger for programs on the host. Its records have the simulated time
// and, under the key "host", the host's name. They go to [Config.Logger], or if that is
// nil, to the test's log, where "at" is the time since the simulation began. Records
// after the end of the simulation are dropped.
func (h *Host) Logger() *slog.Logger {
	return slog.New(&hostHandler{h.sim, h.sim.logHandler.WithAttrs([]slog.Attr{slog.String("host", h.name)})})
}

// A hostHandler drops records after the end of the simulation, when the test's log
// cannot be used.
type hostHandler struct {
	sim *Sim
	slog.Handler
}

// Handle passes a record on.
func (h *hostHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.sim.isOver() {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns the handler with attributes.
func (h *hostHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &hostHandler{h.sim, h.Handler.WithAttrs(attrs)}
}

// WithGroup returns the handler with a group.
func (h *hostHandler) WithGroup(name string) slog.Handler {
	return &hostHandler{h.sim, h.Handler.WithGroup(name)}
}

// logTo returns a handler that writes lines with the time since the simulation began.
func (s *Sim) logTo(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
				return slog.Duration("at", a.Value.Time().Sub(s.origin))
			}
			return a
		},
	})
}

// logEvent logs an event: faults at level Info, all others at level Debug. The record's
// time is the simulated one.
func logEvent(logger *slog.Logger, e *trace.Event) {
	level := slog.LevelDebug
	if e.Kind == trace.Fault || e.Kind == trace.HostEvent {
		level = slog.LevelInfo
	}
	ctx := context.Background()
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 6)
	for _, word := range []struct{ key, value string }{{"from", e.From}, {"to", e.To}, {"conn", e.Conn.String()}, {"note", e.Note}} {
		if word.value != "" {
			attrs = append(attrs, slog.String(word.key, word.value))
		}
	}
	if e.Length > 0 || e.Offset > 0 {
		attrs = append(attrs, slog.Int64("offset", e.Offset), slog.Int("bytes", e.Length))
	}
	logger.LogAttrs(ctx, level, e.Kind.String(), attrs...)
}
