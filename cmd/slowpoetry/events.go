package main

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/eventlog"
	"github.com/slowpoetry/slowpoetry/poetryserver"
)

// logServing logs the poem and the address.
func logServing(log *eventlog.Log, poem string, at net.Addr) {
	log.Tell(fmt.Sprintf("Serving %s on %s", cli.Visible(poem), at), slog.LevelInfo, "serving",
		slog.String("poem", poem), slog.String("address", at.String()))
}

// logMetrics logs the address of the metrics.
func logMetrics(log *eventlog.Log, url string) {
	log.Tell("Metrics on "+url, slog.LevelInfo, "metrics", slog.String("url", url))
}

// logEvent logs an event of a client.
func logEvent(log *eventlog.Log, e poetryserver.ClientEvent) {
	level := slog.LevelInfo
	client, bytes, elapsed := slog.String("client", e.Client.String()), slog.Int("bytes", e.Bytes), slog.Float64("seconds", e.Elapsed.Seconds())
	var message string
	var attrs []slog.Attr
	switch e.Kind {
	case poetryserver.Connected:
		message, attrs = "connected", []slog.Attr{client}
	case poetryserver.Sent:
		message, attrs = "sent", []slog.Attr{client, bytes}
	case poetryserver.Done:
		message, attrs = "done", []slog.Attr{client, bytes, elapsed}
	case poetryserver.Gone:
		level, message, attrs = slog.LevelWarn, "gone", []slog.Attr{client, bytes, elapsed, slog.Any("error", e.Err)}
	case poetryserver.NotAccepted:
		level, message, attrs = slog.LevelError, "cannot accept clients", []slog.Attr{slog.String("address", e.Client.String()), slog.Any("error", e.Err)}
	}
	log.Tell(e.String(), level, message, attrs...)
}
