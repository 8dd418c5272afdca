package simtest_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A test that fails leaves its whole trace, and says so; a test that passes leaves none.
func TestTraceOfATestThatFails(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "it's new")
	simulate := func() {
		for seed := range uint64(3) {
			config := simtest.Config{Seed: seed, Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
				client, server := connected(t, sim)
				_, _ = io.WriteString(sim.KeyLog(), "CLIENT_RANDOM 00 11\n")
				_, err := io.WriteString(client, "hello")
				require.NoError(t, err)
				_, err = io.ReadFull(server, make([]byte, 5))
				require.NoError(t, err)
				t.Logf("digest %s", sim.Trace().Digest())
				if seed == 1 {
					time.Sleep(time.Hour)
					t.Error("no good")
				}
			})
		}
	}
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		simulate()
		return
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name(), "SIMTEST_TRACE="+folder)
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	name := filepath.Join(folder, "TestTraceOfATestThatFails-1.trace.gz")
	require.Equal(t, []string{name}, names, output)
	assert.Contains(t, output, "its trace is in "+name+". For a page and a packet capture of it:")
	if base := filepath.Join(folder, "TestTraceOfATestThatFails-1"); os.PathSeparator == '/' {
		assert.Contains(t, output, `report '`+filepath.Dir(folder)+`/it'\''s new/TestTraceOfATestThatFails-1.trace.gz' -o `, base)
	}

	r, err := trace.Open(name)
	require.NoError(t, err)
	defer r.Close()
	assert.Equal(t, "simtest", r.Header().Source)
	assert.Equal(t, t.Name(), r.Header().Test)
	assert.EqualValues(t, 1, r.Header().Seed)
	assert.Equal(t, 2020, r.Header().Time(time.Hour).Year())
	events, err := r.ReadAll()
	require.NoError(t, err)
	var payloads []string
	for _, e := range events {
		if e.Kind == trace.Data {
			payloads = append(payloads, e.Payload)
			assert.Equal(t, 100*ms, e.Took)
		}
	}
	assert.Equal(t, []string{"hello"}, payloads)
	at, ok := r.Failed()
	assert.True(t, ok)
	assert.Equal(t, time.Hour+300*ms, at, "long after the last event")
	assert.Equal(t, "CLIENT_RANDOM 00 11\n", string(r.KeyLog()))
}

// If two runs of one seed differ, both traces are kept, and the failure prints the
// command that compares them; if they do not differ, no trace is kept.
func TestTracesOfRunsThatDiffer(t *testing.T) {
	simulate := func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		_, err := fmt.Fprintf(client, "run %d", simulations.Add(1)-1)
		require.NoError(t, err)
		_, err = io.ReadFull(server, make([]byte, 5))
		require.NoError(t, err)
	}
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		simtest.CheckDeterminism(t, simtest.Config{Seed: 1}, func(t *testing.T, sim *simtest.Sim) { connected(t, sim) })
		simtest.CheckDeterminism(t, simtest.Config{Seed: 2}, simulate)
		return
	}
	folder := t.TempDir()
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name(), "SIMTEST_TRACE="+folder)
	base := filepath.Join(folder, t.Name()+"-2")
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{base + "-first.trace.gz", base + "-second.trace.gz"}, names, output)
	assert.Contains(t, output, "two runs with one seed differ, from event 3 on")
	if os.PathSeparator == '/' {
		assert.Contains(t, output, " report --compare "+names[0]+" "+names[1]+" -o "+base+".html\n")
	}
	for i, name := range names {
		r, err := trace.Open(name)
		require.NoError(t, err)
		defer r.Close()
		events, err := r.ReadAll()
		require.NoError(t, err)
		assert.Contains(t, payloadsOf(events), fmt.Sprint("run ", i))
	}
}

var simulations atomic.Int64

func payloadsOf(events []trace.Event) (payloads []string) {
	for _, e := range events {
		payloads = append(payloads, e.Payload)
	}
	return payloads
}

// The folder's name is invalid.
func TestTraceThatCannotBeWritten(t *testing.T) {
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) { t.Log("it has run") })
		return
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name(), "SIMTEST_TRACE="+file)
	assert.Contains(t, output, `simtest: SIMTEST_TRACE is "`+file+`", and no trace can be written there: `)
	assert.NotContains(t, output, "it has run")
}

// Events have as much payload as requested. Payloads do not change digests.
func TestPayloads(t *testing.T) {
	digests := make(map[string]bool)
	for payloads, want := range map[int][]string{0: {"", ""}, 2: {"he", "wo"}, -1: {"hello", "world"}} {
		var got []string
		config := simtest.Config{Payloads: payloads, Trace: func(e trace.Event) {
			if e.Kind == trace.Data {
				got = append(got, e.Payload)
			}
		}}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			client, server := connected(t, sim)
			_, err := io.WriteString(client, "hello")
			require.NoError(t, err)
			_, err = io.ReadFull(server, make([]byte, 5))
			require.NoError(t, err)
			packets, err := sim.Host("a").ListenPacket("udp", ":9")
			require.NoError(t, err)
			_, err = packets.WriteTo([]byte("world"), packets.LocalAddr())
			require.NoError(t, err)
			sim.Settle()
			digests[sim.Trace().Digest()] = true
		})
		assert.Equal(t, want, got)
	}
	assert.Len(t, digests, 1)
}
