// Package memberlist runs github.com/hashicorp/memberlist: five nodes that
// discover each other by probes and gossip.
package memberlist

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A cluster maps names to nodes. Nodes that are down are not in it.
type cluster struct {
	names []string

	mu    sync.Mutex
	nodes map[string]*memberlist.Memberlist
}

// start starts a node on each host, one after another. The others join the first.
func start(sim *simtest.Sim) *cluster {
	c := &cluster{names: strings.Fields(all), nodes: make(map[string]*memberlist.Memberlist)}
	for _, name := range c.names {
		host := sim.Host(name)
		host.Run(func(ctx context.Context) error { return c.run(ctx, sim, host) })
		time.Sleep(100 * time.Millisecond)
	}
	return c
}

func (c *cluster) run(ctx context.Context, sim *simtest.Sim, host *simtest.Host) error {
	t, err := newTransport(host)
	if err != nil {
		return err
	}
	config := memberlist.DefaultLANConfig()
	config.Name, config.Transport = host.Name(), t
	config.LogOutput = io.Discard
	node, err := memberlist.Create(config)
	if err != nil {
		return err
	}
	c.set(host.Name(), node)
	defer c.set(host.Name(), nil)
	defer func() { _ = node.Shutdown() }()
	other := c.names[0]
	if host.Name() == other {
		other = c.names[1]
	}
	for ctx.Err() == nil {
		if _, err := node.Join([]string{c.address(sim, other)}); err == nil {
			break
		}
		time.Sleep(time.Second)
	}
	<-ctx.Done()
	return nil
}

// set sets the node that runs on a host; nil is none.
func (c *cluster) set(name string, node *memberlist.Memberlist) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes[name] = node; node == nil {
		delete(c.nodes, name)
	}
}

// node returns the node that runs on a host.
func (c *cluster) node(name string) *memberlist.Memberlist {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[name]
}

func (c *cluster) address(sim *simtest.Sim, name string) string {
	return fmt.Sprintf("%s:%d", sim.Host(name).Addr(), port)
}

// agree reports whether all running nodes consider exactly the nodes of view
// alive. The node named by except may have any opinion.
func (c *cluster) agree(sim *simtest.Sim, view, except string) bool {
	sim.Settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, node := range c.nodes {
		var alive []string
		for _, member := range node.Members() {
			alive = append(alive, member.Name)
		}
		slices.Sort(alive)
		if name != except && strings.Join(alive, " ") != view {
			return false
		}
	}
	return true
}

// until waits until all agree, and returns the time that it takes. It checks
// every tenth of a second.
func (c *cluster) until(t *testing.T, sim *simtest.Sim, view, except string) time.Duration {
	t.Helper()
	start := sim.Elapsed()
	for !c.agree(sim, view, except) {
		if sim.Elapsed()-start > patience {
			assert.Fail(t, "the nodes do not agree")
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return sim.Elapsed() - start
}

// All nodes, and the nodes that remain without one of them.
const (
	all           = "a b c client server"
	withoutClient = "a b c server"
	withoutServer = "a b c client"
)

// suspected is the minimum time for which a node is suspected before it is
// considered dead: four times the interval of probes.
const suspected = 4 * time.Second

// patience is the maximum time until news arrives: full states are exchanged
// every 30 seconds.
const patience = 5 * time.Minute

// Nodes join; one is cut off and comes back; another crashes and comes back.
// The times differ from run to run.
func TestCluster(t *testing.T) {
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		c := start(sim)
		c.until(t, sim, all, "")

		// A node that is cut off is considered dead, and comes back when it joins again.
		sim.Partition([]string{"client"})
		dead := c.until(t, sim, withoutClient, "client")
		assert.GreaterOrEqual(t, dead, suspected)
		sim.Heal()
		_, err := c.node("client").Join([]string{c.address(sim, "server")})
		assert.NoError(t, err)
		c.until(t, sim, all, "")

		time.Sleep(time.Minute) // by now the client's suspicions are outdated
		sim.Host("server").Crash()
		dead = c.until(t, sim, withoutServer, "")
		assert.GreaterOrEqual(t, dead, suspected)
		sim.Host("server").Restart()
		c.until(t, sim, all, "")
	})
}
