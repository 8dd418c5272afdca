package slownet

import "sync/atomic"

// A gate counts the user's calls in the inner connection. While it is open the
// calls go there directly; that is the only cost of a link without limits. The
// zero gate is open.
type gate struct{ state atomic.Int32 }

// gateShut is added to the number of calls while the gate is shut.
const gateShut = 1 << 30

// enter counts a call, if the gate is open.
func (g *gate) enter() bool { return g.state.Add(1) < gateShut }

// enterAlone counts a call, if the gate is open and no call is inside.
func (g *gate) enterAlone() bool { return g.state.CompareAndSwap(0, 1) }

// leave counts a call that leaves, even one that enter refused. It reports whether
// the gate is shut: then a goroutine may be waiting for the call to leave.
func (g *gate) leave() (shut bool) { return g.state.Add(-1) >= gateShut }

// pass counts a call while the gate is shut.
func (g *gate) pass() { g.state.Add(1) }

// shut shuts the gate. Calls inside stay inside.
func (g *gate) shut() { g.state.Or(gateShut) }

func (g *gate) isShut() bool { return g.state.Load() >= gateShut }

// within returns the number of calls inside.
func (g *gate) within() int32 { return g.state.Load() &^ gateShut }

// open opens the gate, unless a call is inside.
func (g *gate) open() { g.state.CompareAndSwap(gateShut, 0) }
