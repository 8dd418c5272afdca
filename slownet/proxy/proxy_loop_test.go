package proxy

import (
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A loop is found through any number of proxies, and by names.
func TestLoopThrough(t *testing.T) {
	named := func(name string) []netip.Addr {
		return map[string][]netip.Addr{"here": {netip.MustParseAddr("127.0.0.1")}, "far": {netip.MustParseAddr("192.0.2.1")}}[name]
	}
	for _, c := range []struct {
		ways []string // listen, upstream, listen, upstream...
		want int      // the length of the loop through the first proxy
	}{
		{[]string{"127.0.0.1:1", "127.0.0.1:2"}, 0},
		{[]string{"127.0.0.1:1", "here:1"}, 1},
		{[]string{"127.0.0.1:1", "far:1"}, 0},
		{[]string{"127.0.0.1:1", "unknown:1"}, 0},
		{[]string{"127.0.0.1:1", "localhost:2", "127.0.0.1:2", "here:1"}, 2},
		{[]string{"127.0.0.1:1", "localhost:2", "127.0.0.1:2", "far:1"}, 0},
		{[]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:3", "127.0.0.1:1"}, 3},
		{[]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:3", "127.0.0.1:2"}, 0}, // not through the first
		{[]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:9", "127.0.0.1:2", "127.0.0.1:1"}, 2}, // a disabled alternative
		{[]string{"udp:127.0.0.1:1", "udp:127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:1"}, 0},
		{[]string{"unix:/tmp/a", "127.0.0.1:2", "127.0.0.1:2", "unix:/tmp//a"}, 2},
	} {
		var all []hop
		for i := 0; i < len(c.ways); i += 2 {
			h, err := Config{Name: fmt.Sprint(i), Listen: c.ways[i], Upstream: c.ways[i+1]}.hop()
			require.NoError(t, err)
			all = append(all, h)
		}
		assert.Len(t, loopThrough(all[0], all, named), c.want, c.ways)
	}
}

// Loops are errors of our file and of Add, but not of Toxiproxy's file and API, where they may
// be temporary.
func TestNoLoopOfProxies(t *testing.T) {
	free := func() string { return listenFor(t, "tcp", "127.0.0.1:0", echo) }
	const text = `the proxy would connect to itself through others, "a" to "b" to "a": give one of them the address of a server`
	s := newServer(t)
	one, two := free(), free()
	a := Config{Name: "a", Listen: one, Upstream: two, Disabled: true}
	b := Config{Name: "b", Listen: two, Upstream: one, Disabled: true}
	assert.EqualError(t, s.Load(File{Proxies: []Config{a, b}}), `proxy "a": `+text)
	assert.Empty(t, s.Proxies())
	addTo(t, s, b)
	_, err := s.Add(a)
	assert.EqualError(t, err, text)
	assert.EqualError(t, s.Load(File{Proxies: []Config{a}}), `proxy "a": `+text)

	b.Upstream = free()
	require.NoError(t, s.Load(File{Proxies: []Config{a, b}}), "the file replaces it")
	b.Upstream = one
	assert.EqualError(t, s.Load(File{Proxies: []Config{a, b}}), `proxy "a": `+text)
	require.NoError(t, s.Load(File{Proxies: []Config{b}}), "the other is removed")

	s = newServer(t)
	f, err := ParseFile(fmt.Appendf(nil, `[{"name": "a", "listen": %q, "upstream": %q, "enabled": false}, {"name": "b", "listen": %q, "upstream": %q, "enabled": false}]`, one, two, two, one))
	require.NoError(t, err)
	require.NoError(t, s.Load(f))
	api := &API{Server: newServer(t)}
	for _, way := range [][3]string{{"a", one, two}, {"b", two, one}} {
		status, answer := ask(api, "POST", "/proxies", fmt.Sprintf(`{"name": %q, "listen": %q, "upstream": %q, "enabled": false}`, way[0], way[1], way[2]))
		assert.Equal(t, 201, status, answer)
	}
}

// A name of this machine is recognized as a loop by Add.
func TestNoLoopByName(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	named, stop := resolving()
	defer stop()
	if len(named(name)) == 0 {
		t.Skipf("the name of this machine, %s, has no address", name)
	}
	at := named(name)[0]
	_, err = newServer(t).Add(Config{Name: "p", Listen: netip.AddrPortFrom(at, 1).String(), Upstream: name + ":1", Disabled: true})
	assert.ErrorContains(t, err, "would connect to itself at "+name+":1")
}
