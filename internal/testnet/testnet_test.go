package testnet_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEach(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		listener, address := n.Listen(t)
		conn := n.MustDial(t, address)
		accepted, err := listener.Accept()
		assert.NoError(t, err)
		assert.Equal(t, conn.LocalAddr().String(), accepted.RemoteAddr().String())
		assert.NoError(t, accepted.Close())

		_, err = n.Dial(t.Context(), "tcp", n.RefusedAddress(t))
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)

		start := time.Now()
		time.Sleep(time.Millisecond)
		n.AssertTook(t, time.Millisecond, time.Since(start))
	})
}
