package simtest

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
	"slices"
)

// A dialTrace calls the net/http/httptrace hooks of a context during a dial, as a
// net.Dialer does, in the dialling goroutine. The nil dialTrace calls none.
type dialTrace struct {
	hooks   *httptrace.ClientTrace
	network string
	family  family
	notes   chan dialNote    // from the loop to the dialling goroutine
	trying  []netip.AddrPort // used only by the dialling goroutine
}

// A dialNote records that an address is tried, or how the attempt ended.
type dialNote struct {
	remote netip.AddrPort
	over   bool
	err    error
}

// newDialTrace returns the trace of a dial that tries at most the given number of
// addresses.
func newDialTrace(ctx context.Context, network string, f family, addresses int) *dialTrace {
	hooks := httptrace.ContextClientTrace(ctx)
	if hooks == nil || hooks.ConnectStart == nil && hooks.ConnectDone == nil {
		return nil
	}
	return &dialTrace{hooks: hooks, network: network, family: f, notes: make(chan dialNote, 2*addresses)}
}

// started records that an address is tried.
func (t *dialTrace) started(remote netip.AddrPort) {
	if t != nil {
		t.notes <- dialNote{remote: remote}
	}
}

// over records how the attempt at an address ended.
func (t *dialTrace) over(remote netip.AddrPort, err error) {
	if t != nil {
		t.notes <- dialNote{remote, true, err}
	}
}

// noted returns the channel of notes for which the dialling goroutine must call hooks.
func (t *dialTrace) noted() <-chan dialNote {
	if t == nil {
		return nil
	}
	return t.notes
}

// tell calls the hooks.
func (t *dialTrace) tell(n dialNote) {
	addr := t.family.shown(n.remote)
	if !n.over {
		t.trying = append(t.trying, n.remote)
		if t.hooks.ConnectStart != nil {
			t.hooks.ConnectStart(t.network, addr.String())
		}
		return
	}
	if i := slices.Index(t.trying, n.remote); i >= 0 {
		t.trying = slices.Delete(t.trying, i, i+1)
	}
	if t.hooks.ConnectDone == nil {
		return
	}
	err := n.err
	if err != nil {
		err = &net.OpError{Op: "dial", Net: t.network, Addr: addr, Err: err}
	}
	t.hooks.ConnectDone(t.network, addr.String(), err)
}

// end calls the hooks for the last notes, and for attempts still in progress when the
// dial ends.
func (t *dialTrace) end(err error) {
	if t == nil {
		return
	}
	for len(t.notes) > 0 {
		t.tell(<-t.notes)
	}
	if err == nil {
		err = dialError(context.Canceled) // another address was faster
	}
	for _, remote := range slices.Clone(t.trying) {
		t.tell(dialNote{remote, true, err})
	}
}

// A lookupTrace calls the hooks of a context before and after a name is looked up.
// The zero lookupTrace calls none.
type lookupTrace struct{ hooks *httptrace.ClientTrace }

// startLookup calls the hook for the beginning of a lookup. As in the net package, an
// address is not looked up.
func startLookup(ctx context.Context, name string) (t lookupTrace) {
	hooks := httptrace.ContextClientTrace(ctx)
	if hooks == nil {
		return t
	}
	if _, ok := parseAddr(name); ok {
		return t
	}
	if hooks.DNSStart != nil {
		hooks.DNSStart(httptrace.DNSStartInfo{Host: name})
	}
	return lookupTrace{hooks}
}

// end calls the hook for the end of the lookup. It does not report addresses of families
// that were not requested.
func (t lookupTrace) end(all []netip.Addr, asked func(netip.Addr) bool, err error) {
	if t.hooks == nil || t.hooks.DNSDone == nil {
		return
	}
	var addrs []net.IPAddr
	for _, addr := range all {
		if asked(addr) {
			addrs = append(addrs, net.IPAddr{IP: addr.AsSlice()})
		}
	}
	t.hooks.DNSDone(httptrace.DNSDoneInfo{Addrs: addrs, Err: err})
}
