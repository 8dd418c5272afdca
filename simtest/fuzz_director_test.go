package simtest_test

import (
	"errors"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// direct performs a step of the director, which changes the network. The model learns
// of a fault before it begins, and of its end afterwards.
func (w *fuzzWorld) direct(s fuzzStep) {
	a, b := int(s.a)%len(w.hosts), int(s.b)%len(w.hosts)
	one, other := w.hosts[a], w.hosts[b]
	if w.program.far && !w.program.calm && s.b%2 == 0 && (s.kind == "link" || s.kind == "profile") {
		w.setAccess(a, int(s.a)<<8|int(s.b))
		return
	}
	switch s.kind {
	case "link":
		w.setLink(a, b, int(s.a)<<8|int(s.b))
	case "profile":
		w.setLinks(a, b, int(s.a)<<8|int(s.b))
	case "bottleneck":
		w.bottleneck.SetRate([]netem.Rate{100 * netem.Kbps, netem.Mbps, 50 * netem.Mbps, 0}[s.b%4])
	case "partition", "one-way", "heal":
		w.directPartition(s)
	case "hold":
		w.note(func(m *fuzzModel, now time.Duration) { m.hold(a, b, now, true) })
		w.sim.Hold(one.name, other.name)
	case "release":
		w.note(func(m *fuzzModel, now time.Duration) { m.hold(a, b, now, false) })
		w.sim.Release(one.name, other.name)
	case "reset", "reset-conn":
		w.directReset(s)
	case "refuse", "blackhole", "allow":
		w.judge(s)
	case "crash":
		w.note(func(m *fuzzModel, now time.Duration) {
			m.hosts[a].down.set(now, true)
			m.crashed(a, now)
		})
		one.host.Crash()
		// Listeners of this instant were opened before the crash.
		w.note(func(m *fuzzModel, now time.Duration) { m.port(a, extraPort).listening.set(now, false) })
	case "restart":
		w.restart(a)
	case "pause":
		w.note(func(m *fuzzModel, now time.Duration) {
			if !m.isDown(a) {
				m.hosts[a].paused.set(now, true)
			}
		})
		one.host.Pause()
	case "resume":
		w.note(func(m *fuzzModel, now time.Duration) { m.hosts[a].paused.set(now, false) })
		one.host.Resume()
	case "skew":
		skew := time.Duration(int8(s.b)) * time.Second
		one.host.SetSkew(skew)
		if got := one.host.Clock().Until(w.sim.Now()); got != -skew {
			w.complain("the clock of %s is %v ahead, and not %v", one.name, -got, skew)
		}
	case "name":
		w.sim.SetName(alias, []simtest.Name{
			{Host: other.name},
			{Host: other.name, Delay: 100*ms + nameSlot},
			{Err: errors.New("no luck")},
			{Delay: time.Second + nameSlot},
		}[s.a%4])
	case "settle":
		before := w.now()
		w.sim.Settle()
		if now := w.now(); now != before {
			w.complain("Settle took %v", now-before)
		}
	}
}

// note updates the model.
func (w *fuzzWorld) note(tell func(m *fuzzModel, now time.Duration)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tell(w.model, w.now())
}

// setLink sets the link from one host to another to the one with the given number.
func (w *fuzzWorld) setLink(from, to, number int) {
	link := w.program.link(number, w.bottleneck)
	w.note(func(m *fuzzModel, now time.Duration) { m.ways[[2]int{from, to}].setLink(now, link) })
	w.sim.SetLink(w.hosts[from].name, w.hosts[to].name, link)
}

// setLinks sets the links between two hosts, in both directions.
func (w *fuzzWorld) setLinks(a, b, number int) {
	profile := netem.Profile{Up: w.program.link(number, w.bottleneck), Down: w.program.link(number+1<<16, w.bottleneck)}
	w.note(func(m *fuzzModel, now time.Duration) {
		m.ways[[2]int{a, b}].setLink(now, profile.Up)
		m.ways[[2]int{b, a}].setLink(now, profile.Down)
	})
	w.sim.SetProfile(w.hosts[a].name, w.hosts[b].name, profile)
}

// setAccess sets a host's access to the one with the given number.
func (w *fuzzWorld) setAccess(host, number int) {
	w.changeAccess(host, netem.Profile{Up: w.program.access(number, w.bottleneck), Down: w.program.access(number+1<<16, w.bottleneck)})
}

// changeAccess sets a host's access.
func (w *fuzzWorld) changeAccess(host int, access netem.Profile) {
	w.note(func(m *fuzzModel, _ time.Duration) {
		for i := range w.hosts {
			if i != host {
				m.ways[[2]int{host, i}].addAccess(access.Up)
				m.ways[[2]int{i, host}].addAccess(access.Down)
			}
		}
	})
	w.hosts[host].host.SetAccess(access)
}

// directPartition performs a step that partitions, heals, holds or releases.
func (w *fuzzWorld) directPartition(s fuzzStep) {
	var sides [2][]int
	var names [2][]string
	for i, h := range w.hosts {
		side := int(s.a>>i) & 1
		sides[side] = append(sides[side], i)
		names[side] = append(names[side], h.name)
	}
	cut := func(from, to []int) {
		w.note(func(m *fuzzModel, now time.Duration) {
			for _, a := range from {
				for _, b := range to {
					m.ways[[2]int{a, b}].cut.set(now, true)
				}
			}
		})
	}
	switch s.kind {
	case "partition":
		cut(sides[0], sides[1])
		cut(sides[1], sides[0])
		if s.b%2 == 0 {
			w.sim.Partition(names[0], names[1])
		} else {
			w.sim.Partition(names[0])
		}
	case "one-way":
		cut(sides[0], sides[1])
		w.sim.PartitionOneWay(names[0], names[1])
	case "heal":
		host := int(s.b) % len(w.hosts)
		w.note(func(m *fuzzModel, now time.Duration) {
			for key, way := range m.ways {
				if s.a%2 == 0 || key[0] == host || key[1] == host {
					way.cut.set(now, false)
				}
			}
		})
		if s.a%2 == 0 {
			w.sim.Heal()
		} else {
			w.sim.Heal(w.hosts[host].name)
		}
	}
}

// directReset resets one connection, or all connections between two hosts.
func (w *fuzzWorld) directReset(s fuzzStep) {
	a, b := int(s.a)%len(w.hosts), int(s.b)%len(w.hosts)
	if s.kind == "reset" {
		w.sim.Settle() // until their connections are certain
		w.note(func(m *fuzzModel, _ time.Duration) {
			for _, c := range m.ordered {
				if c.hosts == [2]int{a, b} || c.hosts == [2]int{b, a} {
					c.broken = true
				}
			}
		})
		w.sim.Reset(w.hosts[a].name, w.hosts[b].name)
		return
	}
	var e *fuzzEnd
	w.sim.Settle() // until the host's connections are certain
	w.note(func(m *fuzzModel, _ time.Duration) {
		if ends := w.hosts[a].ends; len(ends) > 0 {
			e = ends[len(ends)-1-int(s.b)%len(ends)]
			e.model.broken = true
		}
	})
	if e != nil {
		w.sim.ResetConn(e.conn)
	}
}

// judge sets or clears rules that refuse or drop packets for a host or a port.
func (w *fuzzWorld) judge(s fuzzStep) {
	host := int(s.a) % len(w.hosts)
	address := w.hosts[host].name
	times := w.model.hosts[host]
	if port := []int{0, servedPort, extraPort, packetPort}[s.b%4]; port != 0 {
		address += []string{":1", ":2", ":9"}[s.b%4-1]
		w.mu.Lock()
		times = w.model.port(host, port)
		w.mu.Unlock()
	}
	set := func(spans *fuzzSpans, so bool) {
		w.note(func(_ *fuzzModel, now time.Duration) { spans.set(now, so) })
	}
	switch s.kind {
	case "refuse":
		set(&times.refused, true)
		set(&times.black, false)
		w.sim.Refuse(address)
	case "blackhole":
		set(&times.black, true)
		set(&times.refused, false)
		w.sim.Blackhole(address)
	case "allow":
		set(&times.black, false)
		set(&times.refused, false)
		w.sim.Allow(address)
	}
}

// restart restarts a host, and crashes it first if it is up.
func (w *fuzzWorld) restart(host int) {
	w.note(func(m *fuzzModel, now time.Duration) {
		m.hosts[host].down.set(now, true)
		m.crashed(host, now)
	})
	w.hosts[host].host.Restart() // its program sets what listens
	w.note(func(m *fuzzModel, now time.Duration) {
		m.hosts[host].down.set(now, false)
		// Listeners of this instant were opened before or after the crash.
		if port := m.port(host, extraPort); port.listening.began(now) {
			port.refused.set(now, true)
		}
	})
}

// crashed records the effects of a crash.
func (m *fuzzModel) crashed(host int, now time.Duration) {
	for _, port := range []int{servedPort, extraPort, packetPort} {
		m.port(host, port).listening.set(now, false)
	}
	m.hosts[host].paused.set(now, false)
}

func (m *fuzzModel) isDown(host int) bool { return m.hosts[host].down.lasts() }

func (m *fuzzModel) hold(a, b int, now time.Duration, so bool) {
	m.ways[[2]int{a, b}].held.set(now, so)
	m.ways[[2]int{b, a}].held.set(now, so)
}
