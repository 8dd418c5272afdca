package simtest_test

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A reset of a connection that is not from the simulation panics. The message mentions
// the method NetConn of a connection that has it.
func TestResetConnOfAnotherConnection(t *testing.T) {
	var other *simtest.Sim
	var foreign net.Conn
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		other = sim
		foreign, _ = connected(t, sim)
	})
	pipe, _ := net.Pipe()
	const (
		plain  = " is not a connection of this simulation: pass one that Host.Dial or Accept has returned, or one around it that has a NetConn method"
		around = " is not a connection of this simulation, and its NetConn method does not lead to one"
	)
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		for want, conn := range map[string]net.Conn{
			"simtest: ResetConn needs a connection, such as one that Host.Dial has returned": nil,
			"simtest: ResetConn: *net.pipe" + plain:                                          pipe,
			"simtest: ResetConn: *net.TCPConn" + plain:                                       &net.TCPConn{},
			"simtest: ResetConn: *simtest.conn" + plain:                                      foreign,
			"simtest: ResetConn: *tls.Conn" + around:                                         tls.Client(pipe, nil),
			"simtest: ResetConn: *simtest_test.wrapped" + around:                             &wrapped{},
		} {
			assert.PanicsWithValue(t, want, func() { sim.ResetConn(conn) })
		}
		client, server := connected(t, sim)
		sim.ResetConn(tls.Client(client, nil))
		_, err := server.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
	assert.NotPanics(t, func() { other.ResetConn(foreign) }, "of its own simulation, which has ended")
}

// A wrapped connection has none inside.
type wrapped struct{ net.Conn }

func (*wrapped) NetConn() net.Conn { return nil }
