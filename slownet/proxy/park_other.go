//go:build !linux

package proxy

// A lot is where sockets would wait for bytes without a goroutine each. There is
// none on this system: each direction of a connection has a goroutine.
type lot struct{}

type place struct{}

func newLot() *lot { return nil }

func (*lot) close() {}

func (*lot) place(any, func(broken bool)) *place { return nil }

func (*place) park() bool { return false }

func (*place) parkForReset() {}

func (*place) leave() {}
