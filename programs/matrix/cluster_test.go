package matrix

import (
	"context"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// nodes are the hosts of a cluster.
var nodes = []string{"server", "client", "other"}

// settled is the time by which all nodes must know each other again, whatever has
// happened to them.
const settled = faultAt + partition + 80*time.Second

// A node is a node of a cluster.
type node interface {
	join(other string) error
	members() []string // the living ones
	say(i int) error   // to all
	heard() int        // messages of others received
	close()
}

// clustered returns a simulation of three nodes. A node that is alone
// repeatedly tries to join the others.
func clustered(start func(name string) (node, error)) func(t *testing.T, sim *simtest.Sim) {
	return func(t *testing.T, sim *simtest.Sim) {
		var mu sync.Mutex
		running := make(map[string]node)
		for i, name := range nodes {
			sim.Host(name).Run(func(ctx context.Context) error {
				n, err := start(name)
				if err != nil {
					return err
				}
				mu.Lock()
				running[name] = n
				mu.Unlock()
				defer n.close()
				for round := 0; ctx.Err() == nil; round++ {
					if len(n.members()) < len(nodes) {
						_ = n.join(nodes[(i+1)%len(nodes)])
					}
					_ = n.say(round)
					select {
					case <-ctx.Done():
					case <-time.After(every):
					}
				}
				return nil
			})
		}
		time.Sleep(settled)
		mu.Lock()
		defer mu.Unlock()
		for name, n := range running {
			assert.ElementsMatch(t, nodes, n.members(), name)
			assert.Greater(t, n.heard(), 20, name)
		}
	}
}

// hearing counts the messages that a node receives.
type hearing struct {
	mu   sync.Mutex
	said []string
}

func (h *hearing) hear(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, text)
}

func (h *hearing) heard() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.said)
}

// memberlist with its own transport.
var memberlistProgram = program{"hashicorp/memberlist", "github.com/hashicorp/memberlist",
	"three nodes send each other texts over UDP and TCP; nodes that have lost others join them again",
	clustered(func(name string) (node, error) {
		config := memberlist.DefaultLANConfig()
		config.Name, config.LogOutput = name, io.Discard
		n := &memberlistNode{name: name}
		config.Delegate = n
		var err error
		n.list, err = memberlist.Create(config)
		return n, err
	})}

type memberlistNode struct {
	hearing
	name string
	list *memberlist.Memberlist
}

func (n *memberlistNode) join(other string) error {
	_, err := n.list.Join([]string{other})
	return err
}

func (n *memberlistNode) members() (names []string) {
	for _, m := range n.list.Members() {
		names = append(names, m.Name)
	}
	return names
}

func (n *memberlistNode) say(i int) error {
	for _, m := range n.list.Members() {
		if m.Name != n.name {
			if err := n.list.SendBestEffort(m, text(i, 0)[:1000]); err != nil {
				return err
			}
			if err := n.list.SendReliable(m, text(i, 1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *memberlistNode) close() { _ = n.list.Shutdown() }

// As a memberlist.Delegate.

func (n *memberlistNode) NotifyMsg(text []byte)         { n.hear(string(text)) }
func (*memberlistNode) NodeMeta(int) []byte             { return nil }
func (*memberlistNode) GetBroadcasts(int, int) [][]byte { return nil }
func (*memberlistNode) LocalState(bool) []byte          { return []byte("a state") }
func (n *memberlistNode) MergeRemoteState([]byte, bool) { n.hear("a state") }

// serf, with events and queries.
var serfProgram = program{"hashicorp/serf", "github.com/hashicorp/serf",
	"three nodes with tags, an event and a query from each; nodes that have lost others join them again",
	clustered(func(name string) (node, error) {
		events := make(chan serf.Event, 1000)
		config := serf.DefaultConfig()
		config.Init()
		config.NodeName, config.EventCh = name, events
		config.Logger = log.New(io.Discard, "", 0)
		config.MemberlistConfig.Logger = config.Logger
		config.Tags = map[string]string{"role": "poet", "line": "first", "host": name}
		s, err := serf.Create(config)
		if err != nil {
			return nil, err
		}
		n := &serfNode{name: name, serf: s, ended: make(chan struct{})}
		go n.listen(events)
		return n, nil
	})}

type serfNode struct {
	hearing
	name  string
	serf  *serf.Serf
	ended chan struct{}
}

func (n *serfNode) listen(events <-chan serf.Event) {
	for {
		select {
		case e := <-events:
			switch e := e.(type) {
			case *serf.Query:
				_ = e.Respond(e.Payload)
			case serf.UserEvent:
				n.hear(e.Name)
			}
		case <-n.ended:
			return
		}
	}
}

func (n *serfNode) join(other string) error {
	_, err := n.serf.Join([]string{other}, false)
	return err
}

func (n *serfNode) members() (names []string) {
	for _, m := range n.serf.Members() {
		if m.Status == serf.StatusAlive {
			names = append(names, m.Name)
		}
	}
	return names
}

func (n *serfNode) say(i int) error {
	if err := n.serf.UserEvent(fmt.Sprintf("%s says %d", n.name, i), text(i, 0)[:200], false); err != nil {
		return err
	}
	response, err := n.serf.Query("echo", text(i, 1)[:100], &serf.QueryParam{Timeout: time.Second})
	if err != nil {
		return err
	}
	var from []string
	for r := range response.ResponseCh() {
		from = append(from, r.From)
	}
	slices.Sort(from)
	n.hear(strings.Join(from, ","))
	return nil
}

func (n *serfNode) close() {
	_ = n.serf.Shutdown()
	close(n.ended)
}
