package simtest

import (
	"context"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// Libraries keep timers and channels in pools for the whole process. A timer or a
// channel created in a bubble must not be used outside of it or in another bubble: the
// runtime ends the process. One created outside of bubbles is worse in a bubble:
// simulated time stands still while a goroutine waits for it.

// emptyPools empties every sync.Pool. The contents of a pool survive the first
// collection, in case they are needed soon, but not the second.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// startLibrary creates the channels and goroutines that the standard library creates
// once per process, at their first use; if created in a bubble, they could not be used
// in another.
var startLibrary = sync.OnceFunc(func() {
	ctx := context.Background()
	// The channel that serializes rereading resolv.conf. The name is in the hosts file;
	// if not, no server is asked.
	files := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }}
	_, _ = files.LookupHost(ctx, "localhost")
	// The channel that limits calls of the system's resolver.
	_, _ = new(net.Resolver).LookupPort(ctx, "tcp", "http")
	// The goroutine that waits for signals.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, quietSignal)
	signal.Stop(signals)
})
