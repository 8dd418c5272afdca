//go:build ignore

// This file becomes part of net/http's tests in the copy. There, the fake
// listener's Accept has been renamed to the name called here, and
// synctest.Wait() is settle(synctest.Wait).

package http_test

import (
	"net"
	"os"
	"time"
)

func (li *fakeNetListener) Accept() (net.Conn, error) {
	c, err := li.plainAccept()
	if err == nil {
		c = hookedConn(c)
	}
	return c, err
}

func hookedConn(c net.Conn) net.Conn {
	if net.HookConn == nil {
		return c
	}
	return net.HookConn(c)
}

// settle waits until everything is quiet. On plain connections that is when all
// goroutines are blocked. On a link, everything in flight must arrive first.
func settle(wait func()) {
	latency, _ := time.ParseDuration(os.Getenv("SLOWNET_LATENCY"))
	if latency > 0 || os.Getenv("SLOWNET_RATE") != "" {
		time.Sleep(max(10*latency, time.Millisecond))
	}
	wait()
}
