package simtest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A gossiper is one node of a replicated, growing set: each node repeatedly sends its
// elements to the others, one after another, and merges theirs. It is written for
// sockets, without any reference to the simulation.
type gossiper struct {
	name  string
	peers []string
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	disk  *gossipDisk
}

// A gossipDisk is the persistent state of a node: a bit for each element.
type gossipDisk struct {
	mu  sync.Mutex
	set uint64
}

// merge adds elements and returns all.
func (d *gossipDisk) merge(set uint64) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set |= set
	return d.set
}

const gossipPatience = time.Second

// run gossips and listens until the context ends.
func (g *gossiper) run(ctx context.Context, listener net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.answer(conn)
		}
	}()
	for {
		for _, peer := range g.peers {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(700 * time.Millisecond):
			}
			if set, err := swap(ctx, g.dial, peer, g.disk.merge(0)); err == nil {
				g.disk.merge(set)
			}
		}
	}
}

// answer merges a set and answers with the result.
func (g *gossiper) answer(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(gossipPatience))
	message := make([]byte, 8)
	if _, err := io.ReadFull(conn, message); err == nil {
		binary.BigEndian.PutUint64(message, g.disk.merge(binary.BigEndian.Uint64(message)))
		_, _ = conn.Write(message)
	}
}

// swap sends a set to a node and returns the node's set.
func swap(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error), peer string, set uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, gossipPatience)
	defer cancel()
	conn, err := dial(ctx, "tcp", peer+":7")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	message := binary.BigEndian.AppendUint64(nil, set)
	if _, err := conn.Write(message); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(conn, message); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(message), nil
}

// gossip is a set on three nodes, to which a client adds elements for a minute, to one
// node at a time. In the quiet period all nodes get every confirmed element.
func gossip(t *testing.T, sim *simtest.Sim, note func(format string, args ...any)) {
	names := []string{"a", "b", "c"}
	disks := make(map[string]*gossipDisk)
	for i, name := range names {
		host, disk := sim.Host(name), &gossipDisk{}
		disks[name] = disk
		g := &gossiper{name: name, peers: []string{names[(i+1)%3], names[(i+2)%3]}, dial: host.DialContext, disk: disk}
		host.Run(func(ctx context.Context) error {
			listener, err := host.Listen("tcp", ":7")
			if err != nil {
				return err
			}
			time.Sleep(time.Duration(i+1) * 13 * ms) // nodes that start together must not gossip at the same times
			return g.run(ctx, listener)
		})
	}
	client := sim.Host("client")
	var confirmed uint64
	for i := range 60 {
		time.Sleep(time.Until(sim.Now().Truncate(time.Second).Add(time.Second)))
		_, err := swap(t.Context(), client.DialContext, names[i%3], 1<<i)
		if err == nil {
			confirmed |= 1 << i
		}
		note("%d: %v", i, err)
	}
	<-sim.Quiet()
	require.GreaterOrEqual(t, sim.Elapsed(), time.Minute)
	time.Sleep(10 * time.Second)
	sim.Settle()
	all := disks["a"].merge(0)
	note("%x confirmed, %x there", confirmed, all)
	for _, name := range names {
		set := disks[name].merge(0)
		require.Equal(t, confirmed, set&confirmed, "%s lacks what was confirmed", name)
		require.Equal(t, all, set, "%s and a differ", name)
	}
	require.Greater(t, bits.OnesCount64(confirmed), 10)
}

// gossipChaos injects faults that affect the nodes, not the client.
func gossipChaos(seed uint64) simtest.Config {
	chaos := simtest.DefaultChaos()
	chaos.Hosts = []string{"a", "b", "c"}
	return simtest.Config{Seed: seed, Link: netem.Link{Latency: 10 * ms}, Chaos: chaos}
}

// A correct program recovers, whatever the faults were.
func TestProgramRecoversFromChaos(t *testing.T) {
	t.Setenv("SIMTEST_SEED", "")
	failed := 0
	for seed := range uint64(tier.Count(15, 300)) {
		runOnce(t, gossipChaos(seed), func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
			gossip(t, sim, func(format string, args ...any) {
				if fmt.Sprint(args[len(args)-1]) != "<nil>" {
					failed++
				}
			})
		})
	}
	assert.Greater(t, failed, 15, "the faults had effects")
}

// A Chaos repeats exactly, on any number of processors.
func TestSeedsOfChaos(t *testing.T) {
	t.Setenv("SIMTEST_SEED", "")
	digests := make(map[string]uint64)
	for seed := range uint64(tier.Count(4, 100)) {
		var first outcome
		onProcessors(func(n int) {
			o := runOnce(t, gossipChaos(seed), gossip)
			if n == processors[0] {
				first = o
			}
			require.Equal(t, first, o, "seed %d, with %d processors", seed, n)
		})
		other, found := digests[first.digest]
		require.False(t, found, "seeds %d and %d give one digest", seed, other)
		digests[first.digest] = seed
	}
	simtest.CheckDeterminism(t, gossipChaos(1), func(t *testing.T, sim *simtest.Sim) {
		gossip(t, sim, func(string, ...any) {})
	})
}

// A cluster never has two leaders in one term, and has a leader in the quiet period.
func TestElectionInChaos(t *testing.T) {
	t.Setenv("SIMTEST_SEED", "")
	for seed := range uint64(tier.Count(3, 100)) {
		config := simtest.Config{Seed: seed, Link: overland, KeepPools: true, Chaos: simtest.DefaultChaos()}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			c := startCluster(t, sim, 5, 1)
			<-sim.Quiet()
			time.Sleep(bound)
			c.checkLeader()
		})
	}
}
