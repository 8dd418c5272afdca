package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// pinged is the output of ping: the sequence numbers that were answered, from 1, and the
// round-trip times.
type pinged struct {
	answered []int
	trips    []time.Duration
}

var pingLine = regexp.MustCompile(`icmp_seq=(\d+) ttl=\d+ time=([\d.]+) ms`)

// runPing sends count pings.
func runPing(t *testing.T, as user, count int, flags ...string) (p pinged) {
	t.Helper()
	needs(t, "ping", "iputils-ping")
	r := runProgram(t, as, append(flags, "--", "ping", "-c", strconv.Itoa(count), "-i", "0.01", "-W", "1", gatewayName)...)
	for _, m := range pingLine.FindAllStringSubmatch(r.stdout, -1) {
		seq, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		ms, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err)
		p.answered = append(p.answered, seq)
		p.trips = append(p.trips, time.Duration(ms*float64(time.Millisecond)))
	}
	require.NotEmpty(t, p.answered, "%s%s", r.stdout, r.stderr)
	return p
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// ping shows the round-trip time.
func TestPingShowsTheRoundTrip(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		p := runPing(t, as, 50, "--latency", "20ms", "--up", "latency=30ms")
		assert.Len(t, p.answered, 50)
		assert.GreaterOrEqual(t, slices.Min(p.trips), 50*time.Millisecond)
		assert.Less(t, median(p.trips), 100*time.Millisecond)
		t.Logf("with 50 ms: minimum %v, median %v", slices.Min(p.trips), median(p.trips))
		p = runPing(t, as, 50)
		t.Logf("without a path: minimum %v, median %v", slices.Min(p.trips), median(p.trips))
		assert.Less(t, median(p.trips), 40*time.Millisecond)
	})
}

func init() { insidePrograms["may-ping"] = mayPing }

// mayPing opens a ping socket, which needs no capability if the range of groups allows
// it.
func mayPing([]string, io.Writer) error {
	_, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
	return err
}

// All users may ping inside.
func TestAllUsersMayPing(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) { insideRun(t, as, nil, "may-ping") })
}

// ping shows the loss. The seed determines which packets are lost: the same packets as on
// lines of package netem.
func TestPingShowsTheLoss(t *testing.T) {
	t.Parallel()
	const count = 200
	link := netem.Link{Loss: netem.Loss{Random: 0.05}}
	for _, seed := range []uint64{1, 2} {
		up, down := netem.NewLine(link, 2*seed+1), netem.NewLine(link, 2*seed+2)
		var want []int
		replies := uint64(0)
		for n := range count {
			const size = 84 // of a packet of ping
			id := netem.PacketID{Flow: 1, Number: uint64(n + 1)}
			if up.Send(time.Duration(n)*time.Millisecond, size, id, nil).Count == 0 {
				continue
			}
			replies++
			id.Number = replies
			if down.Send(time.Duration(n)*time.Millisecond, size, id, nil).Count > 0 {
				want = append(want, n+1)
			}
		}
		asEach(t, func(t *testing.T, as user) {
			p := runPing(t, as, count, "--loss", "5%", "--seed", fmt.Sprint(seed))
			t.Logf("%d of %d were answered", len(p.answered), count)
			assert.Equal(t, want, p.answered)
			assert.Less(t, len(p.answered), count-5)
			assert.Greater(t, len(p.answered), count-50)
		})
	}
}

// A file changes the path while the command runs; an invalid one changes nothing.
func TestFileChangesThePath(t *testing.T) {
	t.Parallel()
	needs(t, "ping", "iputils-ping")
	file := filepath.Join(t.TempDir(), "path.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"down": {"latency": "5ms"}}`), 0o644))
	c := command(self, "--set-file", file, "--latency", "1s", "--", "sh", "-c", fmt.Sprintf(`
		ping -c 3 -i 0.01 %[1]s
		echo '{"down": {"latency": "far"}}' >%[2]s.new && mv %[2]s.new %[2]s
		sleep 1; ping -c 3 -i 0.01 %[1]s
		echo '{"down": {"latency": "40ms"}}' >%[2]s.new && mv %[2]s.new %[2]s
		sleep 1; ping -c 3 -i 0.01 %[1]s`, gatewayName, file))
	r := finish(t, c)
	pings := strings.Split(r.stdout, "PING ")[1:]
	require.Len(t, pings, 3, r.stdout+r.stderr)
	for i, least := range []float64{5, 5, 40} {
		var trips []float64 // on a busy machine ping may not wait for the last one
		for _, m := range pingLine.FindAllStringSubmatch(pings[i], -1) {
			ms, err := strconv.ParseFloat(m[2], 64)
			require.NoError(t, err)
			trips = append(trips, ms)
		}
		require.NotEmpty(t, trips, pings[i])
		assert.GreaterOrEqual(t, slices.Min(trips), least)
		assert.Less(t, slices.Min(trips), least+1000, "and not 2 s, by --latency")
	}
	assert.Equal(t, "slownet run: the path was not changed: "+file+": netem: profile, line 1: down.latency: duration \"far\" cannot be read: write it like \"40ms\" or \"1.5s\"\n", r.stderr)
}
