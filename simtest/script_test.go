package simtest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Scripts are called at their times, and may use the network and wait.
func TestAtAndEvery(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var called []time.Duration
		note := func() { called = append(called, sim.Elapsed()) }
		time.Sleep(500 * ms)
		sim.At(3*time.Second, note)
		sim.At(time.Second, func() {
			note()
			time.Sleep(time.Minute) // others are called meanwhile
		})
		sim.At(0, note) // in the past: at once
		sim.Every(2*time.Second, note)
		time.Sleep(6500 * ms)
		sim.Settle() // from now on, the bytes that they have written can be read
		assert.Equal(t, []time.Duration{500 * ms, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 6 * time.Second}, called)
		assert.Panics(t, func() { sim.Every(0, note) })
		assert.Equal(t, sim.Now(), time.Now())
	})
}

// Settle waits for everything that happens at this instant, and no longer.
func TestSettle(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		var got []byte
		go func() {
			p := make([]byte, 1)
			for range 10 { // a round trip without latency
				if _, err := server.Read(p); err == nil {
					_, _ = server.Write(p)
				}
			}
		}()
		go func() {
			p := make([]byte, 1)
			for range 10 {
				_, _ = client.Write([]byte("x"))
				if n, err := client.Read(p); err == nil {
					got = append(got, p[:n]...)
				}
			}
		}()
		sim.Settle()
		assert.Equal(t, "xxxxxxxxxx", string(got))
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		write1(t, client, 'y')
		sim.Settle()
		assert.Zero(t, sim.Elapsed())
	})
}

// A host's clock can go wrong, and with it its deadlines, but not its timers.
func TestSkew(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		host, other := sim.Host("a"), sim.Host("b")
		c := host.Clock()
		assert.Equal(t, sim.Now(), c.Now())
		host.SetSkew(time.Hour)
		assert.Equal(t, sim.Now().Add(time.Hour), c.Now())
		assert.Equal(t, sim.Now(), other.Clock().Now())
		assert.Equal(t, time.Hour, c.Since(sim.Now()))
		assert.Equal(t, -time.Hour, c.Until(sim.Now()))
		c.Sleep(time.Second)
		<-c.After(time.Second)
		assert.Equal(t, 2*time.Second, sim.Elapsed())
		ctx, cancel := c.WithDeadline(t.Context(), c.Now().Add(time.Second))
		defer cancel()
		<-ctx.Done()
		assert.Equal(t, 3*time.Second, sim.Elapsed())
		host.SetSkew(-time.Minute)
		assert.Equal(t, sim.Now().Add(-time.Minute), c.Now())
		ctx, cancel = c.WithTimeout(t.Context(), time.Second)
		defer cancel()
		<-ctx.Done()
		assert.Equal(t, 4*time.Second, sim.Elapsed())
	})
}

// Names resolve to hosts, or as a test has set them.
func TestResolver(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		ctx, resolver := t.Context(), a.Resolver()
		addrs, err := resolver.LookupHost(ctx, "b")
		require.NoError(t, err)
		assert.Equal(t, []string{"10.0.0.2", "fd00::2"}, addrs)
		addrs, err = resolver.LookupHost(ctx, "b.")
		require.NoError(t, err)
		assert.Len(t, addrs, 2)
		ips, err := resolver.LookupNetIP(ctx, "ip6", "b")
		require.NoError(t, err)
		assert.Equal(t, []netip.Addr{b.Addr6()}, ips)
		ipAddrs, err := resolver.LookupIPAddr(ctx, "localhost")
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1", ipAddrs[0].String())
		four, err := resolver.LookupIP(ctx, "ip4", "b")
		require.NoError(t, err)
		assert.Equal(t, b.Addr().String(), four[0].String())
		names, err := resolver.LookupAddr(ctx, "fd00::2")
		require.NoError(t, err)
		assert.Equal(t, []string{"b"}, names)
		port, err := resolver.LookupPort(ctx, "tcp", "http")
		require.NoError(t, err)
		assert.Equal(t, 80, port)

		_, err = resolver.LookupHost(ctx, "nobody")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		assert.True(t, dns.IsNotFound)
		assert.Equal(t, "lookup nobody: no such host", err.Error())
	})
}

// A name can fail, be slow, or resolve to another host; for dials too.
func TestSetName(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		_, err := b.Listen("tcp", ":1")
		require.NoError(t, err)
		sim.SetName("www", simtest.Name{Host: "b", Delay: time.Second})
		conn, err := a.Dial("tcp", "www:1")
		require.NoError(t, err)
		assert.Equal(t, "10.0.0.2:1", conn.RemoteAddr().String())
		assert.Equal(t, time.Second, sim.Elapsed())

		ctx, cancel := context.WithTimeout(t.Context(), 300*ms)
		defer cancel()
		_, err = a.DialContext(ctx, "tcp", "www:1")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		assert.True(t, dns.IsTimeout)
		assert.True(t, err.(net.Error).Timeout())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1300*ms, sim.Elapsed())

		broken := errors.New("server misbehaving")
		sim.SetName("b", simtest.Name{Err: broken})
		_, err = a.Dial("tcp", "b:1")
		require.ErrorAs(t, err, &dns)
		assert.ErrorIs(t, err, broken)
		assert.Equal(t, "dial tcp: lookup b: server misbehaving", err.Error())
		sim.SetName("b", simtest.Name{Err: &net.DNSError{Err: "later", IsTemporary: true}})
		_, err = a.Dial("tcp", "b:1")
		require.ErrorAs(t, err, &dns)
		assert.Equal(t, net.DNSError{Err: "later", Name: "b", IsTemporary: true}, *dns)
		sim.SetName("b", simtest.Name{})
		_, err = a.Dial("tcp", "b:1")
		assert.NoError(t, err)
		assert.Panics(t, func() { sim.SetName("b:1", simtest.Name{}) })
	})
}
