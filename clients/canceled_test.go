package clients_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/clients/reactor"
)

// A context that is done is the reason, and nothing is dialled any more.
func TestCanceledBeforeTheStart(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		client := &clients.Client{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialled") }}
		var r reactor.Reactor
		client.GetPoetryAsync(ctx, &r, "x:1", func(_ []byte, err error) { assert.ErrorIs(t, err, context.Canceled) })
		require.NoError(t, r.Run())
	}
}

// Each dial sees the values of its own download's context.
func TestValuesOfTwoContexts(t *testing.T) {
	type key struct{}
	var r reactor.Reactor
	client := &clients.Client{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return nil, errors.New(ctx.Value(key{}).(string))
	}}
	for _, v := range []string{"one", "two"} {
		client.GetPoetryAsync(context.WithValue(t.Context(), key{}, v), &r, "x:1", func(_ []byte, err error) { assert.EqualError(t, err, v) })
	}
	require.NoError(t, r.Run())
}
