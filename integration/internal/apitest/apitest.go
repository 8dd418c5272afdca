// Package apitest serves the proxy's API to clients under test.
package apitest

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// Serve serves an API until the test ends, with a new proxy.Server unless the API has
// one. It returns the API's URL, and the address of an echo server as an upstream of
// proxies.
func Serve(t *testing.T, api *proxy.API) (url, echo string) {
	t.Helper()
	echo = testnet.Echo(t)
	if api.Server == nil {
		api.Server = &proxy.Server{Seed: 1}
	}
	web := httptest.NewServer(api)
	t.Cleanup(func() {
		require.NoError(t, api.Server.Close())
		web.Close()
	})
	return web.URL, echo
}
