package slownet

import "sync/atomic"

// A gate counts the user's calls in the inner connection. While it is open they
// go there directly; a link without limits costs no more than that. The zero gate
// is open.
type gate struct{ state atomic.Int32 }

// gateShut is added to the number of calls while the gate is shut.
const gateShut = 1 << 30

// enter counts a call, if the gate is open.
func (g *gate) enter() bool { return g.state.Add(1) < gateShut }

// enterAlone counts a call, if the gate is open and no call is within.
func (g *gate) enterAlone() bool { return g.state.CompareAndSwap(0, 1) }

// leave counts a call out, also one that enter turned away. It reports whether the
// gate is shut: then a goroutine may wait for the call to leave.
func (g *gate) leave() (shut bool) { return g.state.Add(-1) >= gateShut }

// pass counts a call while the gate is shut.
func (g *gate) pass() { g.state.Add(1) }

// shut shuts the gate. Calls that are within stay there.
func (g *gate) shut() { g.state.Or(gateShut) }

func (g *gate) isShut() bool { return g.state.Load() >= gateShut }

// within returns how many calls are within.
func (g *gate) within() int32 { return g.state.Load() &^ gateShut }

// open opens the gate, unless a call is within.
func (g *gate) open() { g.state.CompareAndSwap(gateShut, 0) }
