//go:build !linux

package proxy

// A poller would wait for bytes on sockets that have no goroutine of their own.
// There is none on this system: each direction of a connection has a goroutine.
type poller struct{}

type polledSocket struct{}

func newPoller() *poller { return nil }

func (*poller) close() {}

func (*poller) add(any, func(broken bool)) *polledSocket { return nil }

func (*polledSocket) arm() bool { return false }

func (*polledSocket) armForReset() {}

func (*polledSocket) remove() {}
