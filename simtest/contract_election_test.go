package simtest_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A cluster is a number of electors, each on its own host.
type cluster struct {
	t     *testing.T
	sim   *simtest.Sim
	nodes []*clusterNode
}

type clusterNode struct {
	*simtest.Host
	mu      sync.Mutex // guards changes
	changes []electionChange
}

// An electionChange is a change of a node's role.
type electionChange struct {
	at   time.Duration
	node int // from 1
	role electorRole
	term uint64
}

func (c electionChange) String() string {
	return fmt.Sprintf("%v: n%d %s in term %d", c.at, c.node, c.role, c.term)
}

// startCluster starts a cluster. The seed is for the electors' timeouts.
func startCluster(t *testing.T, sim *simtest.Sim, size int, seed uint64) *cluster {
	c := &cluster{t: t, sim: sim}
	for i := range size {
		c.nodes = append(c.nodes, &clusterNode{Host: sim.Host(fmt.Sprint("n", i+1))})
	}
	for i, node := range c.nodes {
		disk := &electorDisk{}
		node.Run(func(ctx context.Context) error {
			listener, err := node.Listen("tcp", ":700")
			if err != nil {
				return err
			}
			e := &elector{
				id:       uint8(i + 1),
				listener: listener,
				dial:     node.DialContext,
				clock:    node.Clock(),
				chance:   rand.New(rand.NewPCG(seed, uint64(i+1)<<32|disk.boots)),
				disk:     disk,
				changed: func(role electorRole, term uint64) {
					node.see(electionChange{sim.Elapsed(), i + 1, role, term})
				},
			}
			for _, other := range c.nodes {
				if other != node {
					e.peers = append(e.peers, &electorPeer{address: other.Name() + ":700"})
				}
			}
			return e.run(ctx)
		})
	}
	return c
}

func (n *clusterNode) see(change electionChange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes = append(n.changes, change)
}

// last returns the node's last change.
func (n *clusterNode) last() electionChange {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.changes) == 0 {
		return electionChange{}
	}
	return n.changes[len(n.changes)-1]
}

// checkLeader checks that the nodes other than the given ones have one leader in one
// term, and returns the leader.
func (c *cluster) checkLeader(without ...*clusterNode) (leader *clusterNode) {
	c.t.Helper()
	var states []electionChange
	for _, node := range c.nodes {
		if slices.Contains(without, node) {
			continue
		}
		state := node.last()
		states = append(states, state)
		assert.Equal(c.t, states[0].term, state.term, "%v: one term", c.sim.Elapsed())
		switch state.role {
		case stands:
			assert.Fail(c.t, "an election", "%v: %v", c.sim.Elapsed(), states)
		case leads:
			assert.Nil(c.t, leader, "%v: %v", c.sim.Elapsed(), states)
			leader = node
		}
	}
	assert.NotNil(c.t, leader, "%v: %v", c.sim.Elapsed(), states)
	return leader
}

// checkNobodyLeads checks that no node is a leader.
func (c *cluster) checkNobodyLeads() {
	c.t.Helper()
	for _, node := range c.nodes {
		assert.NotEqual(c.t, leads, node.last().role, "%v: %v", c.sim.Elapsed(), node.last())
	}
}

// others returns all nodes except one.
func (c *cluster) others(one *clusterNode) (others []*clusterNode) {
	for _, node := range c.nodes {
		if node != one {
			others = append(others, node)
		}
	}
	return others
}

// log returns the changes of the nodes, by time, and checks that no term had two
// leaders.
func (c *cluster) log() (log []electionChange) {
	leaders := make(map[uint64]int)
	for i, node := range c.nodes {
		node.mu.Lock()
		log = append(log, node.changes...)
		node.mu.Unlock()
		for _, change := range node.changes {
			if change.role == leads {
				assert.NotContains(c.t, leaders, change.term, "a term with two leaders, one of them n%d", i+1)
				leaders[change.term] = i + 1
			}
		}
	}
	slices.SortStableFunc(log, func(a, b electionChange) int { return cmp.Compare(a.at, b.at) })
	return log
}

// bound is the time within which a cluster whose nodes reach each other has a leader,
// whatever happened before.
const bound = 4 * time.Second

// elections simulates a cluster of three with one fault after another, mostly of the
// leader, for two minutes.
func elections(seed uint64) simulation {
	return func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		c := startCluster(t, sim, 3, seed)
		var leader, follower *clusterNode // as of the last check
		find := func(without ...*clusterNode) func() {
			return func() {
				if found := c.checkLeader(without...); found != nil {
					leader, follower = found, c.others(found)[0]
				}
			}
		}
		var gone *clusterNode
		steps := []func(){
			find(),
			// The leader is cut off and replaced, and does not know it.
			func() { gone = leader; sim.Partition([]string{leader.Name()}) },
			func() { find(gone)(); assert.NotEqual(t, leads, gone.last().role, "it has noticed") },
			func() { sim.Heal() },
			find(),
			// The leader hears the others, but they do not hear it.
			func() {
				gone = leader
				sim.PartitionOneWay([]string{leader.Name()}, []string{c.others(leader)[0].Name(), c.others(leader)[1].Name()})
			},
			func() { find(gone)() },
			func() { sim.Heal(gone.Name()) },
			find(),
			// The leader crashes, and is restarted.
			func() { gone = leader; leader.Crash() },
			func() { find(gone)() },
			func() { gone.Restart() },
			find(),
			// Each node is cut off from the others: none leads.
			func() { sim.Partition([]string{"n1"}, []string{"n2"}, []string{"n3"}) },
			c.checkNobodyLeads,
			func() { sim.Heal() },
			find(),
			// All traffic between the leader and one other node is held.
			func() { sim.Hold(leader.Name(), follower.Name()) },
			func() { sim.Release(leader.Name(), follower.Name()) },
			find(),
			// Connections break and are reopened, which does not change the leader.
			func() { sim.Reset(leader.Name(), follower.Name()) },
			func() { was := leader.last(); find()(); assert.Equal(t, was, leader.last()) },
			// A follower crashes, and is restarted at once.
			func() { follower.Crash(); follower.Restart() },
			find(),
			// The leader is paused, and then continues as if it still led.
			func() { gone = leader; leader.Pause() },
			func() { find(gone)() },
			func() { gone.Resume() },
			find(),
		}
		for i, step := range steps {
			sim.At(time.Duration(i+1)*bound, step)
		}
		time.Sleep(time.Duration(len(steps)+1) * bound)
		sim.Settle()
		for _, change := range c.log() {
			note("%v", change)
		}
	}
}

var overland = netem.Link{Latency: 10 * ms}

// A cluster elects the same leaders at the same instants in every run.
func TestContractElection(t *testing.T) {
	o := checkOneDigest(t, simtest.Config{Link: overland}, elections(1))
	var leaders []string
	for _, change := range o.notes {
		if strings.Contains(change, string(leads)) {
			leaders = append(leaders, change)
		}
	}
	assert.Equal(t, []string{
		"373.406182ms: n2 leads in term 1",
		// n2 is cut off at 8 s, and stands for election in vain until it is connected again.
		"8.413920182s: n3 leads in term 2",
		"16.196926234s: n2 leads in term 19",
		// The others do not receive n2's messages from 24 s on.
		"24.348458319s: n3 leads in term 20",
		"32.18906247s: n2 leads in term 38",
		// n2 crashes at 40 s.
		"40.335371364s: n3 leads in term 39",
		// Each node is cut off from 56 s to 64 s.
		"1m4.10898587s: n1 leads in term 57",
		// From 72 s to 76 s n1 and n2 do not hear each other, and depose each
		// other with the vote of n3.
		"1m12.447624777s: n2 leads in term 58",
		"1m13.030873429s: n1 leads in term 59",
		"1m13.68245453s: n2 leads in term 60",
		"1m14.105156323s: n1 leads in term 61",
		"1m14.540725242s: n2 leads in term 62",
		"1m15.036784978s: n1 leads in term 63",
		"1m15.443110033s: n2 leads in term 64",
		"1m15.799382502s: n1 leads in term 65",
		// n1 is paused from 100 s to 108 s. Then its requests from that time arrive.
		"1m40.380164892s: n2 leads in term 66",
		"1m48.04s: n1 leads in term 81",
	}, leaders)
}

// With jitter and loss, too, the elections are the same in every run.
func TestContractElectionWithJitterAndLoss(t *testing.T) {
	link := overland
	link.Jitter.Deviation, link.Loss.Random = 5*ms, 0.01
	checkOneDigest(t, simtest.Config{Seed: 7, Link: link}, elections(2))
}

// If the seed decides only ties, every seed gives a different order.
func TestSeedsElection(t *testing.T) {
	checkSeeds(t, simtest.Config{Link: overland}, elections(1))
}

// With many different timeouts of the electors, there is never more than one leader in a
// term, and a leader is always elected in time.
func TestElectionsOfManyClusters(t *testing.T) {
	runs := tier.Count(20, 50)
	if testing.Short() {
		runs = 5
	}
	for seed := range uint64(runs) {
		runOnce(t, simtest.Config{Seed: seed, Link: overland}, elections(seed))
	}
}
