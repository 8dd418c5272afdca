package tutorial

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// readAll reads connections to their ends, all at once, and prints how much came of each.
func readAll(conns []net.Conn, out io.Writer) error {
	var loop reactor.Reactor
	sizes := make([]int, len(conns))
	buffer := make([]byte, 1024)
	for i, conn := range conns {
		loop.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
			n, err := c.Read(buffer)
			sizes[i] += n
			if err != nil && err != reactor.ErrWouldBlock {
				fmt.Fprintf(out, "connection %d: %d bytes, then %v\n", i+1, sizes[i], err)
				_ = c.Close()
			}
		}))
	}
	return loop.Run()
}

func readAllRun(t *testing.T) string {
	var out strings.Builder
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var conns []net.Conn
		for _, address := range Serve(sim, Lesson()) {
			conn, err := sim.Host(Reader).DialContext(context.Background(), "tcp", address)
			require.NoError(t, err)
			conns = append(conns, conn)
		}
		assert.NoError(t, readAll(conns, &out))
	})
	return out.String()
}
