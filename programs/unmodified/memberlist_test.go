package unmodified

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Memberlist with its own transport, TCP and UDP. The node that is cut off is
// considered dead after a while, and comes back.
func TestMemberlist(t *testing.T) {
	run(t, func(t *testing.T, sim *simtest.Sim) {
		var nodes sync.Map
		node := func(name string) *memberlist.Memberlist {
			found, _ := nodes.Load(name)
			return found.(*memberlist.Memberlist)
		}
		for _, name := range []string{"a", "b", "c"} {
			sim.Host(name).Run(func(ctx context.Context) error {
				config := memberlist.DefaultLANConfig()
				config.Name, config.LogOutput = name, io.Discard
				node, err := memberlist.Create(config)
				if err != nil {
					return err
				}
				nodes.Store(name, node)
				context.AfterFunc(ctx, func() { _ = node.Shutdown() })
				_, err = node.Join([]string{"a"})
				<-ctx.Done()
				return err
			})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		assert.Equal(t, 3, node("a").NumMembers())
		cut(sim, "c")
		time.Sleep(partition)
		assert.Equal(t, 2, node("a").NumMembers())
		sim.Host("c").Do(func() {
			_, err := node("c").Join([]string{"a"})
			assert.NoError(t, err)
		})
		time.Sleep(10 * time.Second)
		assert.Equal(t, 3, node("a").NumMembers())
	})
}
