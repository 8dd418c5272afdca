package simtest_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet"
)

// choir is a host of which many goroutines sing into one connection at the same
// instant, so that it is left to chance in what order they are heard. The
// contract rules that out.
func choir(t *testing.T, sim *simtest.Sim) {
	listener, err := sim.Host("hall").Listen("tcp", ":1")
	require.NoError(t, err)
	conn, err := sim.Host("choir").DialContext(t.Context(), "tcp", "hall:1")
	require.NoError(t, err)
	_, err = conn.Write([]byte("silence"))
	require.NoError(t, err)
	hall, err := listener.Accept()
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
	_, err = hall.Read(make([]byte, 100))
	assert.NoError(t, err)
}

var choirConfig = simtest.Config{Seed: 3, Link: slownet.Link{Latency: 5 * ms}}

// A host program that races its own goroutines is found out, and the report
// names what was different first.
func TestCheckDeterminismFindsARace(t *testing.T) {
	if os.Getenv("SIMTEST_CHOIR") != "" {
		for range 20 { // it may happen that two runs are alike
			simtest.CheckDeterminism(t, choirConfig, choir)
			if t.Failed() {
				return
			}
		}
		return
	}
	output := runSelf(t, "TestCheckDeterminismFindsARace", "SIMTEST_CHOIR=1")
	t.Log(output)
	assert.Contains(t, output, "--- FAIL")
}
