package register

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/bugtest"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nodes = []string{"node1", "node2", "node3"}

// A writer and two readers use a register on three nodes. Their results must be
// possible on one node.
func TestRegisterIsLinearizable(t *testing.T) {
	search := simtest.Search{Seeds: 6, Chaos: simtest.DefaultChaos()}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		for _, name := range nodes {
			serve(sim.Host(name), &Node{})
		}
		users := []*user{{name: "writer"}, {name: "reader1"}, {name: "reader2"}}
		for i, u := range users {
			for j, node := range nodes { // each user is near to a different node
				link := netem.Link{Latency: time.Duration(10+4*((i+j)%3)) * time.Millisecond}
				sim.SetProfile(u.name, node, netem.Profile{Up: link, Down: link})
			}
			u.sim, u.host = sim, sim.Host(u.name)
			u.host.Run(u.run)
		}

		<-sim.Quiet()
		time.Sleep(10 * time.Second)
		sim.Settle()
		var history []operation
		for _, u := range users {
			if u.lastAnswer() < sim.Elapsed()-5*time.Second {
				t.Errorf("%s no longer gets answers", u.name)
			}
			history = append(history, u.history...)
		}
		if earlier, later, found := violation(history); found {
			t.Errorf("not linearizable: %v, then %v", earlier, later)
		}
	})
}

// serve runs a node on a host.
func serve(host *simtest.Host, node *Node) {
	host.Run(func(ctx context.Context) error {
		listener, err := host.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: node}
		context.AfterFunc(ctx, func() { _ = server.Close() })
		if err := server.Serve(listener); ctx.Err() == nil {
			return err
		}
		return nil
	})
}

// A user is a program that reads or writes, with the operations that the test has seen.
type user struct {
	name    string
	sim     *simtest.Sim
	host    *simtest.Host
	history []operation
	written int
}

// run reads or writes once a second, at a random time, until the host ends.
func (u *user) run(ctx context.Context) error {
	transport := &http.Transport{DialContext: u.host.DialContext}
	defer transport.CloseIdleConnections()
	client := Client{HTTP: &http.Client{Transport: transport}, Nodes: nodes, NoWriteBack: bugtest.HasBug()}
	for {
		untilNext := time.Second - u.sim.Elapsed()%time.Second
		select {
		case <-time.After(untilNext + time.Duration(u.host.Rand().IntN(500))*time.Millisecond):
		case <-ctx.Done():
			return nil
		}
		u.history = append(u.history, operation{client: u.name, call: u.sim.Elapsed(), failed: true})
		o := &u.history[len(u.history)-1]
		var err error
		if u.name == "writer" {
			u.written++
			o.write, o.number = true, u.written
			err = client.Write(ctx, Value{Number: o.number, Text: fmt.Sprintf("text %d", o.number)})
		} else {
			var v Value
			v, err = client.Read(ctx)
			o.number = v.Number
		}
		o.back, o.failed = u.sim.Elapsed(), err != nil
	}
}

// lastAnswer returns the time of the user's last successful read or write.
func (u *user) lastAnswer() (last time.Duration) {
	for _, o := range u.history {
		if !o.failed {
			last = o.back
		}
	}
	return last
}

// A read that does not write back its value is followed by a read that returns an older
// value.
func TestBugIsFound(t *testing.T) { bugtest.Find(t, "TestRegisterIsLinearizable", "not linearizable") }
