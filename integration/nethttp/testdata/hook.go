//go:build ignore

// Package hook makes package net wrap every stream with slownet. The tests in
// the copy import it.
package hook

import (
	"net"
	"os"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

func init() {
	if os.Getenv("SLOWNET_LATENCY") != "" {
		net.HookConn, net.HookListener = conn, listener
	}
}

func conn(c net.Conn) net.Conn {
	if isStream(c.LocalAddr()) {
		return slownet.NewConn(c, config())
	}
	return c
}

func listener(l net.Listener) net.Listener {
	if isStream(l.Addr()) {
		return slownet.NewListener(l, config())
	}
	return l
}

func isStream(a net.Addr) bool {
	return strings.HasPrefix(a.Network(), "tcp") || a.Network() == "unix"
}

// config is the same link in both directions, as described by the environment.
// Without limits calls would go right to the inner connection; the trace
// prevents that.
func config() slownet.Config {
	latency, err := time.ParseDuration(os.Getenv("SLOWNET_LATENCY"))
	if err != nil {
		panic(err)
	}
	link := netem.Link{Latency: latency}
	if rate := os.Getenv("SLOWNET_RATE"); rate != "" {
		if link.Rate, err = netem.ParseRate(rate); err != nil {
			panic(err)
		}
	}
	return slownet.Config{Read: link, Write: link, Trace: func(trace.Event) {}}
}
