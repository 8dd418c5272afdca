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
// collection, in case that it is wanted soon, and not the second.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// startLibrary makes what the standard library makes at the first use, for the
// whole process, and what no bubble but that of the first use could use.
var startLibrary = sync.OnceFunc(func() {
	ctx := context.Background()
	// The channel by which one lookup at a time reads resolv.conf again. The name
	// is in the file of hosts; where it is not, nobody is asked.
	files := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }}
	_, _ = files.LookupHost(ctx, "localhost")
	// The channel that bounds the calls of the system's resolver.
	_, _ = new(net.Resolver).LookupPort(ctx, "tcp", "http")
	// The goroutine that waits for signals.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, quietSignal)
	signal.Stop(signals)
})
