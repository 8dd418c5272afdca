package simtest_test

import (
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// shout is a host with many goroutines that write to one connection at the same
// instant, so that the order is random. The determinism contract excludes that.
func shout(t *testing.T, sim *simtest.Sim) {
	listener, err := sim.Host("street").Listen("tcp", ":1")
	require.NoError(t, err)
	conn, err := sim.Host("crowd").DialContext(t.Context(), "tcp", "street:1")
	require.NoError(t, err)
	_, err = conn.Write([]byte("silence"))
	require.NoError(t, err)
	street, err := listener.Accept()
	require.NoError(t, err)
	var voices sync.WaitGroup
	for voice := byte('a'); voice <= 'z'; voice++ {
		voices.Go(func() {
			time.Sleep(time.Second)
			_, err := conn.Write([]byte{voice})
			assert.NoError(t, err)
		})
	}
	voices.Wait()
	time.Sleep(time.Second)
	_, err = street.Read(make([]byte, 100))
	assert.NoError(t, err)
}

// A host program that races its own goroutines is detected, and the report names the
// first difference: its time and place, the connection, and the offset.
func TestCheckDeterminismFindsARace(t *testing.T) {
	cfg := simtest.Config{TCP: unlimited, Seed: 3, Link: netem.Link{Latency: 5 * ms, Loss: netem.Loss{Random: 1e-9}}} // with loss, bytes are sent in packets
	if os.Getenv("SIMTEST_RABBLE") != "" {
		for range 20 { // two runs may be the same by chance
			if simtest.CheckDeterminism(t, cfg, shout); t.Failed() {
				return
			}
		}
		return
	}
	if simtest.Overlay().Order {
		t.Skip("there is no race: one goroutine runs at a time, in the same order each time")
	}
	output := runSelf(t, "TestCheckDeterminismFindsARace", "SIMTEST_RABBLE=1")
	assert.Contains(t, output, "--- FAIL: TestCheckDeterminismFindsARace")
	match := regexp.MustCompile(`two runs with one seed differ, from event (\d+) on
 *last in common: (.+)
 *first run: +1\.02s data crowd>street crowd/tcp#1 offset (\d+), 1 bytes, hash ([0-9a-f]{8})
 *second run: +1\.02s data crowd>street crowd/tcp#1 offset (\d+), 1 bytes, hash ([0-9a-f]{8})
`).FindStringSubmatch(output)
	require.NotNil(t, match, output)
	event, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(7+event-4), match[3], "events before it: to connect, to be accepted, and the silence of 7 bytes")
	assert.Equal(t, match[3], match[5], "the same byte")
	assert.NotEqual(t, match[4], match[6], "another voice")
	common := "15ms data crowd>street crowd/tcp#1 offset 0, 7 bytes"
	if event > 4 {
		common = "1.02s data crowd>street crowd/tcp#1 offset " + strconv.Itoa(6+event-4) + ", 1 bytes"
	}
	assert.Contains(t, match[2], common)
	assert.NotContains(t, output, "DATA RACE")
}

// For a program that obeys the contract there is nothing to report.
func TestCheckDeterminismFindsNothing(t *testing.T) {
	for seed := range uint64(3) {
		cfg := simtest.Config{Seed: seed, Link: netem.Link{Latency: 5 * ms}}
		simtest.CheckDeterminism(t, cfg, func(t *testing.T, sim *simtest.Sim) { lockStep(t, sim, func(string, ...any) {}) })
	}
}
