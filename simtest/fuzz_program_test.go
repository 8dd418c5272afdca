package simtest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A fuzzProgram is the program of a simulation: the steps of its hosts and their times.
// It is decoded from a fuzzer's bytes, all of which are significant.
type fuzzProgram struct {
	seed  uint64 // decides links
	hosts int
	calm  bool // links are simple and never change, and there are no faults: all times are predictable
	tcp   bool // streams are TCP, whose times are not simply predictable
	far   bool // hosts have accesses, and some steps set them instead of links; never on a calm network
	mend  bool // at the end, links become good
	tidy  bool // at the end everything is closed; otherwise that is left to the simulation
	ends  time.Duration
	steps []fuzzStep
}

// exact reports whether all times of streams are predictable.
func (p *fuzzProgram) exact() bool { return p.calm && !p.tcp }

// A fuzzStep is one action of one actor.
type fuzzStep struct {
	at    time.Duration
	actor int // a host, or the director: the last one
	kind  string
	a, b  byte
}

const (
	maxFuzzBytes = 1200
	maxFuzzTime  = 12 * time.Hour
)

// Steps of hosts and of the director, weighted by repetition.
var (
	fuzzHostKinds = strings.Fields(`dial dial dial dial dial-odd dial-odd dial-two cancel
		write write write write write write-all close-write close-read close close linger read-deadline write-deadline
		manner manner stop listen listen accept accept packet packet packet packet packet-dial packet-write packet-write
		packet-close`)
	fuzzDirectorKinds = strings.Fields(`link link link profile bottleneck partition one-way heal heal heal hold release
		release reset reset-conn refuse blackhole allow allow allow crash crash restart restart restart pause resume resume skew name settle`)
	fuzzCalmKinds = strings.Fields(`settle skew`)
)

// fuzzGaps are the times between steps.
var fuzzGaps = [16]time.Duration{
	0, 0, 0, time.Microsecond, 100 * time.Microsecond, ms, ms, ms, 5 * ms, 10 * ms, 20 * ms, 50 * ms, 100 * ms, 200 * ms,
	time.Second, 3 * time.Second,
}

// fuzzPause is a long gap, which is rare.
const fuzzPause = 5 * time.Minute

// decodeFuzzProgram turns bytes into a program. Steps of one host are never at one
// instant, since its goroutines must not race; steps of different hosts and of the
// director often are.
func decodeFuzzProgram(seed uint64, tape []byte) *fuzzProgram {
	p := &fuzzProgram{seed: seed, hosts: 2}
	if len(tape) == 0 {
		return p
	}
	head, tape := tape[0], tape[1:]
	p.hosts += int(head % 3)
	p.calm, p.mend, p.tidy = head&24 == 24, head&32 != 0, head&64 != 0
	last := make([]time.Duration, p.hosts)
	now := time.Second
	for ; len(tape) >= 4 && now < maxFuzzTime; tape = tape[4:] {
		now += fuzzGaps[tape[0]%16]
		if tape[0]%16 == 15 && tape[3]%4 == 0 {
			now += fuzzPause
		}
		actor := int(tape[0]>>4) % (p.hosts + 1)
		kinds := fuzzDirectorKinds
		switch {
		case actor < p.hosts:
			kinds = fuzzHostKinds
			now = max(now, last[actor]+time.Microsecond)
			last[actor] = now
		case p.calm:
			kinds = fuzzCalmKinds
		}
		p.steps = append(p.steps, fuzzStep{now, actor, kinds[int(tape[1])%len(kinds)], tape[2], tape[3]})
	}
	p.ends = now + time.Second
	return p
}

// String returns the program, one step per line.
func (p *fuzzProgram) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, %d hosts, calm %v, mend %v, tidy %v\n", p.seed, p.hosts, p.calm, p.mend, p.tidy)
	for _, s := range p.steps {
		actor := "director"
		if s.actor < p.hosts {
			actor = fuzzHostName(s.actor)
		}
		fmt.Fprintf(&text, "%14v  %s: %s %d %d\n", s.at, actor, s.kind, s.a, s.b)
	}
	return text.String()
}

func fuzzHostName(i int) string { return string(rune('a' + i%26)) }

// link returns the link with a number.
func (p *fuzzProgram) link(number int, bottleneck *netem.Bottleneck) netem.Link {
	random := rand.New(rand.NewPCG(p.seed, uint64(number)))
	if p.calm {
		return calmLink(random)
	}
	return wildLink(random, bottleneck)
}

// access returns the direction of an access with a number.
func (p *fuzzProgram) access(number int, bottleneck *netem.Bottleneck) netem.Link {
	random := rand.New(rand.NewPCG(p.seed+1, uint64(number)))
	link := wildLink(random, bottleneck)
	link.Pace = netem.Pace{}
	link.Queue.Discipline = oneOf(random, netem.FIFO, netem.FIFO, netem.CoDel, netem.FQCoDel)
	return oneOf(random, link, link, link, netem.Link{Latency: link.Latency, Rate: link.Rate}, netem.Link{Latency: link.Latency}, netem.Link{})
}

func oneOf[T any](random *rand.Rand, all ...T) T { return all[random.IntN(len(all))] }

// calmLink returns a link with simple times: a byte takes a whole number of
// nanoseconds.
func calmLink(random *rand.Rand) netem.Link {
	return netem.Link{
		Latency: oneOf(random, 0, 0, ms, 7*ms, 300*ms),
		Rate:    oneOf(random, 0, 0, 8*netem.Mbps, 800*netem.Kbps),
		Pace:    oneOf(random, netem.Pace{}, netem.Pace{}, netem.Pace{Bytes: 700, Wait: 3 * ms}, netem.Pace{Wait: ms}),
		MTU:     oneOf(random, 0, 100, 1400),
	}
}

// wildLink returns a link with any combination of features.
func wildLink(random *rand.Rand, bottleneck *netem.Bottleneck) netem.Link {
	chance := func() (c netem.Chance) {
		if random.IntN(4) == 0 {
			c = netem.Chance{Probability: random.Float64() * 0.05, Correlation: oneOf(random, 0, 0.3)}
		}
		return c
	}
	link := netem.Link{
		Latency:   oneOf(random, 0, ms, 5*ms, 50*ms, time.Duration(random.Int64N(int64(time.Second)))),
		Pace:      oneOf(random, netem.Pace{}, netem.Pace{}, netem.Pace{Bytes: 1000, Wait: 3 * ms}, netem.Pace{Bytes: 300, Wait: ms}),
		Queue:     netem.Queue{Bytes: oneOf(random, 0, 0, 700, 3000, 100000)},
		MTU:       oneOf(random, 0, 0, 200, 1400, 9000),
		Duplicate: chance(),
		Corrupt:   chance(),
		Reorder:   chance(),
	}
	switch random.IntN(4) {
	case 0:
		link.Rate = oneOf(random, 64*netem.Kbps, netem.Mbps, netem.Gbps, netem.Rate(1e5+random.Int64N(1e8)))
	case 1:
		link.Bottleneck = bottleneck
	}
	switch random.IntN(6) {
	case 0:
		link.Loss.Random = random.Float64() * 0.1
	case 1:
		link.Loss.GilbertElliott = netem.GilbertElliott{P: 0.02, R: 0.4, LossBad: 0.9}
	}
	if random.IntN(3) == 0 {
		link.Jitter = netem.Jitter{
			Deviation:    oneOf(random, ms, 20*ms),
			Distribution: oneOf(random, nil, netem.Normal, netem.Pareto),
			Correlation:  oneOf(random, 0, 0.5),
		}
	}
	return link
}
