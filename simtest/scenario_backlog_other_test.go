//go:build !linux

package simtest_test

import "net"

// shrinkBacklog is for loopback, where the scenarios run on Linux only.
func shrinkBacklog(w *world, _ net.Listener, _ int) { w.Fatal("not on Linux") }
