package simtest

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// overlap reports whether one packet could match both addresses; a dual address stands
// for all of IPv6 and of IPv4.
func overlap(one netip.AddrPort, oneDual bool, other netip.AddrPort, otherDual bool) bool {
	if one.Port() != other.Port() {
		return false
	}
	a, b := one.Addr(), other.Addr()
	sameFamily := a.Is4() == b.Is4() || oneDual || otherDual
	return a == b || sameFamily && (a.IsUnspecified() || b.IsUnspecified())
}

// A table's counts give the same answer as a search of all addresses.
func TestPortTableFindsEveryOverlap(t *testing.T) {
	t.Parallel()
	type binding struct {
		addr netip.AddrPort
		dual bool
	}
	var all []binding
	for _, addr := range []string{"0.0.0.0", "::", "10.0.0.1", "127.0.0.1", "127.0.0.2", "fd00::1", "::1"} {
		for port := range uint16(2) {
			all = append(all, binding{addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 7+port)})
			if addr == "::" {
				all = append(all, binding{all[len(all)-1].addr, true})
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		table, bound := make(portTable), make(map[binding]bool)
		for range 20 {
			b := all[random.IntN(len(all))]
			if bound[b] {
				table.add(b.addr, b.dual, -1)
				delete(bound, b)
				continue
			}
			want, same, port := false, false, false
			for other := range bound {
				want = want || overlap(b.addr, b.dual, other.addr, other.dual)
				same = same || b.addr == other.addr
				port = port || b.addr.Port() == other.addr.Port()
			}
			require.Equal(t, want, same || table.overlaps(b.addr, b.dual), "%v among %v", b, bound)
			require.Equal(t, port, table.has(b.addr.Port()))
			if !want {
				table.add(b.addr, b.dual, 1)
				bound[b] = true
			}
		}
		for b := range bound {
			table.add(b.addr, b.dual, -1)
		}
		require.Empty(t, table)
	}
}
