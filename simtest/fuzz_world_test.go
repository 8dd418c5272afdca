package simtest_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A fuzzWorld is a simulation in which a program runs, with the model next to it.
type fuzzWorld struct {
	program    *fuzzProgram
	running    atomic.Int64 // goroutines
	sim        *simtest.Sim
	origin     time.Time
	bottleneck *netem.Bottleneck
	hosts      []*fuzzHost

	mu         sync.Mutex // guards the model and everything marked so; never held while waiting
	model      *fuzzModel
	flows      map[string]*fuzzFlow
	references map[string]*fuzzReference
}

// A fuzzLog is a log of observations with their times.
type fuzzLog struct{ lines []string }

func (l *fuzzLog) add(now time.Duration, what string, n int, class string) {
	switch class {
	case "EOF", "reset", "pipe", "timed out", "closed":
		class = "over" // a reader and a writer that return at once share the error
	}
	l.lines = append(l.lines, fmt.Sprint(now, " ", what, " ", n, " ", class))
}

// A fuzzResult is the result of running a program.
type fuzzResult struct {
	problems []string
	digest   string
	seen     string // by the hosts
	events   []trace.Event
}

// runFuzzProgram runs a program in a simulation with a seed.
func runFuzzProgram(t *testing.T, p *fuzzProgram, seed uint64) fuzzResult {
	w := &fuzzWorld{program: p, flows: make(map[string]*fuzzFlow), references: make(map[string]*fuzzReference)}
	tcp := netem.TCP{Congestion: netem.Unlimited}
	if p.tcp {
		tcp.Congestion = netem.Reno
		if p.seed%3 > 0 {
			tcp.Congestion = 0
		}
	}
	config := simtest.Config{TCP: tcp, Seed: seed, TimeLimit: 1000 * time.Hour, KeepEvents: 30, KeepPools: true}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		w.sim, w.origin = sim, time.Now()
		w.model = newFuzzModel(p, w.now)
		w.bottleneck = netem.NewBottleneck(10 * netem.Mbps)
		w.run()
	})
	if w.running.Load() != 0 {
		w.model.complain("%d goroutines are still running", w.running.Load())
	}
	var seen strings.Builder
	for _, h := range w.hosts {
		fmt.Fprintf(&seen, "%s\n%s\n", h.name, strings.Join(h.log.lines, "\n"))
		for _, e := range h.ends {
			lines := append(append(e.reads.lines, e.writes.lines...), e.log.lines...)
			fmt.Fprintf(&seen, "%s %s\n%s\n", h.name, e.model.id, strings.Join(lines, "\n"))
		}
	}
	return fuzzResult{w.model.problems, w.sim.Trace().Digest(), seen.String(), w.sim.Trace().Events()}
}

func (w *fuzzWorld) now() time.Duration              { return time.Since(w.origin) }
func (w *fuzzWorld) time(at time.Duration) time.Time { return w.origin.Add(at) }
func (w *fuzzWorld) complain(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.model.complain(format, a...)
}

// start runs f in a goroutine that must end with the simulation.
func (w *fuzzWorld) start(f func()) {
	w.running.Add(1)
	go func() {
		defer w.running.Add(-1)
		f()
	}()
}

// hostOf returns the number of the host that has an address, from the view of a host:
// loopback is its own.
func (w *fuzzWorld) hostOf(addr net.Addr, seenBy *fuzzHost) int {
	ip := addr.(*net.TCPAddr).AddrPort().Addr().Unmap()
	for _, h := range w.hosts {
		if ip == h.host.Addr() || ip == h.host.Addr6() {
			return h.number
		}
	}
	return seenBy.number
}

// spend takes bytes from the budget of a host's connections. Each host has its own
// budget, since hosts must share nothing but the network.
func (h *fuzzHost) spend(n int) bool {
	if h.bytes+n > 3<<20 {
		return false
	}
	h.bytes += n
	return true
}

// spendPacket takes a datagram from a host's budget: all budgets together fit into a
// socket's buffer.
func (h *fuzzHost) spendPacket() bool {
	h.sends++
	return h.sends <= 60/h.world.program.hosts
}

// flow returns the flow from a socket to a port. A restarted host has new sockets.
func (w *fuzzWorld) flow(source string, from *fuzzHost, to, port int) *fuzzFlow {
	key := fmt.Sprint(source, " ", from.number, from.lives, to, port)
	if w.flows[key] == nil {
		w.flows[key] = &fuzzFlow{}
	}
	return w.flows[key]
}

// reference returns the reference for datagrams from a host's socket to another host. All
// datagrams from a socket to a host share a path, whatever the addresses are.
func (w *fuzzWorld) reference(source string, from, to int) *fuzzReference {
	_, port, _ := net.SplitHostPort(source)
	key := fmt.Sprint(from, port, to)
	if w.references[key] == nil {
		w.references[key] = &fuzzReference{link: w.model.ways[[2]int{from, to}].link}
	}
	return w.references[key]
}

// run runs the program, in the bubble.
func (w *fuzzWorld) run() {
	for i := range w.program.hosts {
		name := fuzzHostName(i)
		w.hosts = append(w.hosts, &fuzzHost{world: w, number: i, name: name, host: w.sim.Host(name)})
		w.model.hosts[i] = &fuzzTimes{}
	}
	for a := range w.hosts {
		for b := range w.hosts {
			w.setLink(a, b, 1<<20+a<<4+b)
		}
	}
	for i := range w.hosts {
		if w.program.far && !w.program.calm && i != 1 {
			w.setAccess(i, 1<<18+i)
		}
	}
	for _, h := range w.hosts {
		h.host.Run(h.serve)
	}
	var actors sync.WaitGroup
	for actor := range w.program.hosts + 1 {
		actors.Go(func() {
			for _, s := range w.program.steps {
				if s.actor != actor {
					continue
				}
				if wait := s.at - w.now(); wait > 0 {
					time.Sleep(wait)
				}
				if actor < len(w.hosts) {
					w.hosts[actor].do(s)
				} else {
					w.direct(s)
				}
			}
		})
	}
	actors.Wait()
	time.Sleep(w.program.ends - w.now())
	w.mend()
	w.await()
	w.probe()
	w.finish()
}

// mend ends all faults of the network, and makes all ends read.
func (w *fuzzWorld) mend() {
	number := len(w.hosts)
	for a := range number {
		if w.program.mend && w.program.far && !w.program.calm {
			w.changeAccess(a, netem.Profile{})
		}
		w.direct(fuzzStep{kind: "resume", a: byte(a)})
		for b := range number {
			w.direct(fuzzStep{kind: "release", a: byte(a), b: byte(b)})
			if w.program.mend && !w.program.calm {
				w.note(func(m *fuzzModel, now time.Duration) { m.ways[[2]int{a, b}].setLink(now, netem.Link{}) })
				w.sim.SetLink(w.hosts[a].name, w.hosts[b].name, netem.Link{})
			}
		}
		for port := range 4 {
			w.direct(fuzzStep{kind: "allow", a: byte(a), b: byte(port)})
		}
		if w.model.isDown(a) {
			w.restart(a)
		}
	}
	w.direct(fuzzStep{kind: "heal"})
	w.bottleneck.SetRate(10 * netem.Mbps)
	for _, h := range w.hosts {
		w.mu.Lock()
		ends := h.ends
		w.mu.Unlock()
		for _, e := range ends {
			time.Sleep(w.instant(time.Microsecond, mendSlot) - w.now())
			w.note(func(*fuzzModel, time.Duration) { e.setManner(promptly) })
		}
		w.mu.Lock()
		if h.extra != nil {
			h.extra.accepts += 1 << 20
			h.extra.told.Broadcast()
		}
		w.mu.Unlock()
		time.Sleep(time.Microsecond)
	}
}

// await waits until everything that can arrive has arrived, or for long enough.
func (w *fuzzWorld) await() {
	const step, most = 7*time.Second + 333, 5 * time.Hour
	for start := w.now(); w.now()-start < most; time.Sleep(step) {
		w.mu.Lock()
		left := w.unfinished()
		w.mu.Unlock()
		if len(left) == 0 && w.now()-start > 3*w.program.dialTimeout() {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range w.unfinished() {
		w.model.complain("long after all faults have ended, %s", what)
	}
	w.checkArrived()
	w.checkResets()
}

// finish ends everything, unless that is left to the simulation. Goroutines that wait
// for orders return.
func (w *fuzzWorld) finish() {
	for _, h := range w.hosts {
		w.mu.Lock()
		ends, dialled := h.ends, h.dialled
		w.mu.Unlock()
		if w.program.tidy {
			for _, e := range ends {
				e.close(&e.log)
				time.Sleep(time.Microsecond)
			}
			for _, c := range dialled {
				w.mu.Lock()
				c.closed = true
				w.mu.Unlock()
				_ = c.conn.Close()
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.model.ending = true
	for _, h := range w.hosts {
		for _, e := range h.ends {
			e.stopped = true
			e.changed.Broadcast()
		}
		if h.extra != nil {
			h.extra.over = true
			h.extra.told.Broadcast()
		}
	}
}
