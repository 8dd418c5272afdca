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

// Libraries keep timers and channels in pools, for the whole process. One that
// was made in a bubble must not be used outside of it or in another bubble: the
// runtime ends the process. One that was made outside is worse in a bubble,
// because simulated time stands still while anyone waits for it.

// emptyPools empties every sync.Pool. What is in a pool survives the first
// collection, in case it is needed soon, but not the second.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// startLibrary makes what the standard library makes once per process, at the
// first use; made in a bubble, it would be of use in no other.
var startLibrary = sync.OnceFunc(func() {
	ctx := context.Background()
	// The channel by which one lookup at a time reads resolv.conf again. The name
	// is in the hosts file; if it is not, no server is asked.
	files := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }}
	_, _ = files.LookupHost(ctx, "localhost")
	// The channel that bounds the calls of the system's resolver.
	_, _ = new(net.Resolver).LookupPort(ctx, "tcp", "http")
	// The goroutine that waits for signals.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, quietSignal)
	signal.Stop(signals)
})
