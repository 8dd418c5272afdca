package matrix

import (
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A scenario is a network with a fault.
type scenario struct {
	name  string
	of    string // the link, in words
	link  netem.Link
	event string // the fault, in words
	fault func(sim *simtest.Sim)
}

const (
	faultAt   = 10 * time.Second // after the programs have begun
	partition = 30 * time.Second
	down      = 5 * time.Second // until a crashed server is restarted
	latency   = 20 * time.Millisecond
)

var scenarios = []scenario{
	{name: "plain", of: "passes everything at once"},
	{name: "50 ms", of: "50 ms one way", link: netem.Link{Latency: 50 * time.Millisecond}},
	{name: "1 Mbit/s", of: "20 ms, 1 Mbit/s", link: netem.Link{Latency: latency, Rate: netem.Mbps}},
	{name: "5 % loss", of: "20 ms; each packet is lost with a probability of 5 %", link: netem.Link{Latency: latency, Loss: netem.Loss{Random: 0.05}}},
	{name: "partition", of: "20 ms", link: netem.Link{Latency: latency}, event: "one of the clients is cut off from 10 s to 40 s", fault: func(sim *simtest.Sim) {
		sim.At(faultAt, func() { sim.Partition([]string{"client"}) })
		sim.At(faultAt+partition, func() { sim.Heal() })
	}},
	{name: "crash", of: "20 ms", link: netem.Link{Latency: latency}, event: "the server crashes at 10 s, and is restarted at 15 s", fault: func(sim *simtest.Sim) {
		sim.At(faultAt, sim.Host("server").Crash)
		sim.At(faultAt+down, sim.Host("server").Restart)
	}},
}
