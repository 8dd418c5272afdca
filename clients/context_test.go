package clients_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// The dial function sees the values of the caller's context. Once the poem has
// arrived, nothing waits for the end of the context, even if the loop continues.
func TestContextOfADownload(t *testing.T) {
	type key struct{}
	for _, async := range []bool{false, true} {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("server").Listen("tcp", ":1")
			require.NoError(t, err)
			go func() {
				conn, err := listener.Accept()
				if assert.NoError(t, err) {
					_, _ = conn.Write([]byte("poem"))
					_ = conn.Close()
				}
			}()
			ctx := testnet.NewCountingContext(context.WithValue(context.Background(), key{}, "value"))
			client := &clients.Client{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				assert.Equal(t, "value", ctx.Value(key{}))
				return sim.Host("client").DialContext(ctx, network, address)
			}}
			if !async {
				poem, err := client.GetPoetry(ctx, "server:1")
				assert.NoError(t, err)
				assert.Equal(t, "poem", string(poem))
				assert.Zero(t, ctx.Waiting())
				return
			}
			var r reactor.Reactor
			client.GetPoetryAsync(ctx, &r, "server:1", func(poem []byte, err error) {
				assert.NoError(t, err)
				assert.Equal(t, "poem", string(poem))
			})
			r.Go(func() { time.Sleep(time.Second) }, func() { assert.Zero(t, ctx.Waiting()) })
			require.NoError(t, r.Run())
		})
	}
}

// If the context is canceled before the start, its error is returned, and
// nothing is dialled.
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

// Each dial sees the values of the context of its own download.
func TestValuesOfTwoContexts(t *testing.T) {
	type key struct{}
	for name, wrap := range map[string]func(context.Context) context.Context{
		"comparable":     func(ctx context.Context) context.Context { return ctx },
		"not comparable": func(ctx context.Context) context.Context { return sliceContext{ctx, nil} },
	} {
		t.Run(name, func(t *testing.T) {
			var r reactor.Reactor
			client := &clients.Client{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return nil, errors.New(ctx.Value(key{}).(string))
			}}
			var got []error
			for _, v := range []string{"one", "two"} {
				ctx := wrap(context.WithValue(t.Context(), key{}, v))
				client.GetPoetryAsync(ctx, &r, "x:1", func(_ []byte, err error) {
					assert.EqualError(t, err, v)
					got = append(got, err)
				})
			}
			require.NoError(t, r.Run())
			assert.Len(t, got, 2)
		})
	}
}

// A sliceContext is not comparable, so it cannot be the key of a map.
type sliceContext struct {
	context.Context
	_ []string
}
