package slownet

import "sync/atomic"

// A gate counts the user's calls that are in the inner connection. While the gate
// is open, calls go there directly, and the gate is the only cost of a link
// without limits. The zero gate is open.
type gate struct{ state atomic.Int32 }

// gateShut is added to the number of calls while the gate is shut.
const gateShut = 1 << 30

// enter counts a call, if the gate is open.
func (g *gate) enter() bool { return g.state.Add(1) < gateShut }

// enterAlone counts a call, if the gate is open and no call is inside.
func (g *gate) enterAlone() bool { return g.state.CompareAndSwap(0, 1) }

// leave must follow each call of enter, even one that returned false, and records
// that the call has left. It reports whether the gate is shut: then a goroutine may
// be waiting for the call to leave.
func (g *gate) leave() (shut bool) { return g.state.Add(-1) >= gateShut }

// pass counts a call while the gate is shut.
func (g *gate) pass() { g.state.Add(1) }

// shut shuts the gate. Calls that are inside stay there.
func (g *gate) shut() { g.state.Or(gateShut) }

func (g *gate) isShut() bool { return g.state.Load() >= gateShut }

// within returns the number of calls inside.
func (g *gate) within() int32 { return g.state.Load() &^ gateShut }

// open opens the gate, unless a call is inside.
func (g *gate) open() { g.state.CompareAndSwap(gateShut, 0) }
