package simtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A goroutine that waits for something outside the bubble also stops time until the wait
// ends. The wait may end, so the simulation is not given up. But the wait may also
// never end, so the goroutine is reported.

// standsStill reports whether the simulation has stood still, without a turn of the
// loop or progress of a goroutine, for long enough to report it. It returns true only
// once per standstill.
func (w *watchdog) standsStill(now survey, late bool) bool {
	switch {
	case !now.still:
		w.since = time.Time{}
		return false
	case w.since.IsZero() || now.places != w.last.places:
		w.since, w.told = time.Now(), false
		return false
	case w.told || !late && time.Since(w.since) < enoughStill*lookEvery:
		return false
	}
	w.told = true
	return true
}

// standsStillWords are part of each report of a standstill.
const standsStillWords = "simulated time stands still while these goroutines wait"

// standsStillText returns a report of the goroutines that stop the simulation's time, with
// advice.
func (s *simulation) standsStillText(now survey, since time.Duration) string {
	text := fmt.Sprintf("no progress for %v: "+standsStillWords+".\n%s",
		since.Round(time.Second), formatGoroutines(waitingOutside(s.id, now.goroutines)))
	locked := slices.ContainsFunc(now.goroutines, (*goroutine).waitsForMutex)
	outside := slices.ContainsFunc(now.goroutines, (*goroutine).waitsOutside)
	if locked && !outside && s.config.layers.Time {
		text += heldOutsideText
	} else {
		text += holdersText(s.id, now.goroutines)
	}
	if outside {
		who := "They wait"
		if locked {
			who = "Those that do not wait for a mutex wait"
		}
		text += who + ` for something outside the simulation: a real socket, such as one of net.Dial, net.Listen or the system's resolver; a file or a pipe of the system; a channel or a sync.WaitGroup that was created before the simulation began.
Listen, dial and resolve with a Host's methods, use net.Pipe or io.Pipe, and create channels in the simulation.
`
		if !Overlay().Net {
			text += "Or run the test with slownet test instead of go test: on a host, package net then uses the simulated network.\n"
		}
	}
	return text
}

// heldOutsideText is the advice if only waits for a mutex stop time with the overlay's time
// layer, with which mutexes that are held inside the simulation do not stop it.
const heldOutsideText = `The mutex is held outside of the simulation, by a goroutine that it has not started, or was locked before it began; until it is unlocked, simulated time stands still.
Lock and unlock it in the simulation, or unlock it before the simulation begins.
`

// waitingOutside returns the goroutines of a bubble that stop its time, by host.
func waitingOutside(id string, all []*goroutine) []hostGoroutines {
	byNumber := make(map[string]*goroutine)
	for _, g := range all {
		byNumber[g.number] = g
	}
	hosts := hostsOf(id)
	counts := make(map[string]map[place]int)
	for _, g := range all {
		if g.durable || g.polls() {
			continue
		}
		host := hosts.name(g)
		if counts[host] == nil {
			counts[host] = make(map[place]int)
		}
		p := g.place(g.state)
		if !slices.ContainsFunc(g.frames, frame.ofUser) {
			p.from = cmp.Or(g.starter(byNumber), g.client(all, hosts))
		}
		counts[host][p]++
	}
	return sortPlaces(counts)
}

// maxAncestors limits the search for the starter of a goroutine.
const maxAncestors = 20

// starter returns the call outside of the standard library that started a goroutine,
// directly or through others: it shows the purpose of a goroutine of the standard
// library. It is empty if a goroutine in between has ended.
func (g *goroutine) starter(byNumber map[string]*goroutine) string {
	for range maxAncestors {
		if g.creator.ofUser() {
			return g.creator.String()
		}
		if g = byNumber[g.parent]; g == nil {
			break
		}
		if call := g.userCall(); call != "" {
			return call
		}
	}
	return ""
}

// client returns the call outside of the standard library that probably waits for a
// goroutine of the standard library: a call on the same host that has called a method of
// the same type. For example, a caller of net/http waits for the reader of its connection.
func (g *goroutine) client(all []*goroutine, hosts hostsByKey) string {
	for _, f := range g.frames {
		if f.waiting() || !strings.HasSuffix(f.owner(), ")") {
			continue
		}
		for _, other := range all {
			isOf := func(o frame) bool {
				return o.owner() == f.owner() && (o.first == f.first || o.first == "" || f.first == "")
			}
			if call := other.userCall(); call != "" && hosts.name(other) == hosts.name(g) && slices.ContainsFunc(other.frames, isOf) {
				return call
			}
		}
	}
	return ""
}

// userCall returns the innermost call that is neither of this package nor of the
// standard library, or "".
func (s *stack) userCall() string {
	if i := slices.IndexFunc(s.frames, frame.ofUser); i >= 0 {
		return s.frames[i].String()
	}
	return ""
}

// ofUser reports whether the call is neither of this package nor of the standard
// library.
func (f frame) ofUser() bool { return f.function != "" && !f.waiting() && !f.standard() }
