package poetryserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A client that never reads is disconnected after Timeout even with a Pace, and
// the next client gets its turn.
func TestTimeoutWithAPace(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{
			Poem:    make([]byte, 32<<20),
			Pace:    netem.Pace{Bytes: 1 << 20, Wait: time.Microsecond},
			Timeout: 200 * ms,
		})
		start := time.Now()
		lazy := n.MustDial(t, f.address)
		gone := f.await(t, poetryserver.Gone)
		assert.EqualError(t, gone.Err, "accepted no byte for 200ms")
		assert.GreaterOrEqual(t, time.Since(start), 200*ms)
		poem, _ := get(t, n, f.address)
		assert.Len(t, poem, len(f.Poem))
		_ = lazy.Close()
	})
}
