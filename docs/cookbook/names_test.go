package cookbook

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestNameServerFails(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		serveHTTP(sim.Host("server"), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
		sim.SetName("server", simtest.Name{Delay: 5 * time.Second, Err: errors.New("server misbehaving")})
		sim.At(time.Minute, func() { sim.SetName("server", simtest.Name{}) })

		web := &http.Client{Transport: &http.Transport{DialContext: sim.Host("client").DialContext}}
		_, err := get(web, "http://server/")
		var lookup *net.DNSError
		require.ErrorAs(t, err, &lookup)
		assert.Equal(t, 5*time.Second, sim.Elapsed())

		time.Sleep(time.Minute)
		text, err := get(web, "http://server/")
		require.NoError(t, err)
		assert.Equal(t, "hello", text)
	})
}

func TestSeveralAddresses(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetName("service", simtest.Name{Hosts: []string{"server1", "server2"}})
		for _, name := range []string{"server1", "server2"} {
			serveHTTP(sim.Host(name), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) })
		}
		web := &http.Client{Transport: &http.Transport{DialContext: sim.Host("client").DialContext, DisableKeepAlives: true}}
		text, err := get(web, "http://service/")
		require.NoError(t, err)
		assert.Equal(t, "server1", text)

		sim.Host("server1").Kill() // its machine now refuses connections
		text, err = get(web, "http://service/")
		require.NoError(t, err)
		assert.Equal(t, "server2", text)
	})
}
