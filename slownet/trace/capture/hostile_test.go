package capture_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/internal/tracetest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/capture"
)

// Whatever a trace contains, its capture can be read, or an error gives the reason why
// there is no capture.
func TestAnyEvents(t *testing.T) {
	pick := func(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }
	addr := func(r *rand.Rand) netip.AddrPort {
		addr, _ := netip.ParseAddrPort(pick(r, "10.0.0.1:80", "10.0.0.2:99", "[fd00::1%eth0]:80", "[::ffff:10.0.0.2]:99", "0.0.0.0:0", "none"))
		return addr
	}
	name := func(r *rand.Rand) string {
		return pick(r, "a", "b", "127.0.0.1:5", "[::1]:6", "[fe80::1%eth0]:7", "", "a\x00b", strings.Repeat("long", 40000), "\xff")
	}
	number := func(r *rand.Rand) int64 { return []int64{0, 1, 5, 100, 70000, 1 << 40, -1}[r.IntN(7)] }
	for seed := range uint64(tier.Count(300, 20000)) {
		r := rand.New(rand.NewPCG(seed, 0))
		var events []trace.Event
		for range 1 + r.IntN(12) {
			e := trace.Event{
				At: time.Duration(number(r)), Kind: trace.Kind(1 + r.IntN(12)), From: name(r), To: name(r),
				Conn:   trace.Conn{Host: name(r), Network: pick(r, "tcp", "udp", "unix"), Number: uint64(r.IntN(3))},
				Offset: number(r), Length: int(number(r) % 200000), Note: pick(r, "", "loss", "connection timed out", strings.Repeat("x", 70000)),
				Took: time.Duration(number(r)), Payload: pick(r, "", "payload", strings.Repeat("p", 70000)),
			}
			if r.IntN(2) == 0 {
				e.Packet = &trace.PacketInfo{
					Number: uint64(number(r)), From: addr(r), To: addr(r), Flags: trace.Flags(r.IntN(256)), Seq: number(r), Ack: number(r),
					Window: int(number(r) % 100000), SACK: make([][2]int64, r.IntN(6)), Resent: r.IntN(2) == 0,
				}
			}
			events = append(events, e)
		}
		for _, host := range []string{"", "a", "127.0.0.1"} {
			var file bytes.Buffer
			if err := capture.WritePCAPNG(&file, tracetest.Events(nil, events...), capture.Options{Host: host}); err == nil {
				read(t, file.Bytes())
			} else {
				require.ErrorContains(t, err, "capture: ", "seed %d", seed)
			}
		}
	}
}
