//go:build unix

package cli

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// raiseSelf sends this process a signal, which must be caught.
func raiseSelf(t *testing.T, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(os.Getpid(), sig))
}

func TestInterruptible(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		ctx, stop := Interruptible(time.Hour, func(os.Signal) { t.Error("it has time") })
		assert.NoError(t, ctx.Err())
		assert.Nil(t, SignalOf(ctx))
		raiseSelf(t, sig)
		<-ctx.Done()
		assert.EqualError(t, context.Cause(ctx), "interrupted")
		assert.ErrorIs(t, context.Cause(ctx), context.Canceled)
		assert.Equal(t, sig, SignalOf(ctx))
		stop()
	}
	ctx, stop := Interruptible(time.Hour, func(os.Signal) { t.Error("nothing has happened") })
	stop()
	assert.Nil(t, SignalOf(ctx), "a command that has ended by itself was not interrupted")
}

// A command that does not end in time, or receives a second signal, is ended.
func TestInterruptedForGood(t *testing.T) {
	ended := make(chan os.Signal, 1)
	_, stop := Interruptible(time.Millisecond, func(sig os.Signal) { ended <- sig })
	raiseSelf(t, syscall.SIGTERM)
	assert.Equal(t, syscall.SIGTERM, <-ended)
	stop()

	ctx, stop := Interruptible(time.Hour, func(sig os.Signal) { ended <- sig })
	raiseSelf(t, syscall.SIGINT)
	<-ctx.Done()
	raiseSelf(t, syscall.SIGTERM)
	assert.Equal(t, syscall.SIGINT, <-ended, "the first signal ends it")
	stop()
}
