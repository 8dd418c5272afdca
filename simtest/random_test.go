package simtest_test

import (
	"bufio"
	"context"
	cryptorand "crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	mathrand "math/rand"
	"net/http"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// drawMath draws from math/rand's functions.
func drawMath() string {
	return fmt.Sprint(mathrand.Int63(), mathrand.Intn(1000), mathrand.Perm(5), mathrand.Float64())
}

// drawCrypto draws from crypto/rand.
func drawCrypto(t *testing.T) string {
	b := make([]byte, 16)
	_, err := cryptorand.Read(b)
	require.NoError(t, err)
	return fmt.Sprintf("%x %s", b, cryptorand.Text())
}

// The global functions of math/rand, and crypto/rand, give the same numbers in
// each run with a seed, others with another seed, and unseeded ones after the
// simulation.
func TestRandomnessOfTheProcess(t *testing.T) {
	t.Setenv("SIMTEST_SEED", "")
	for name, draw := range map[string]func(t *testing.T) string{
		"math/rand":   func(*testing.T) string { return drawMath() },
		"crypto/rand": drawCrypto,
	} {
		t.Run(name, func(t *testing.T) {
			drawn := make(map[string]int)
			for run := range 6 {
				simtest.Config{Seed: uint64(run % 2), KeepPools: true}.Run(t, func(t *testing.T, _ *simtest.Sim) { drawn[draw(t)]++ })
				drawn[draw(t)]++
			}
			assert.Equal(t, []int{1, 1, 1, 1, 1, 1, 3, 3}, counts(drawn))
		})
	}
}

// The functions of math/rand follow the simulation's seed even if the program has
// seeded them before, and the program's own seed if it seeds them in the simulation.
func TestSeedOfMathRand(t *testing.T) {
	t.Setenv("GODEBUG", "randseednop=0") // as in modules for Go before 1.24
	var drawn []string
	for run := range int64(2) {
		//lint:ignore SA1019 that is what such programs do
		mathrand.Seed(run)
		simtest.Config{Seed: 3, KeepPools: true}.Run(t, func(t *testing.T, _ *simtest.Sim) {
			drawn = append(drawn, drawMath())
			//lint:ignore SA1019 likewise
			mathrand.Seed(11)
			assert.Equal(t, mathrand.New(mathrand.NewSource(11)).Int63(), mathrand.Int63())
		})
	}
	assert.Equal(t, drawn[0], drawn[1])
}

// counts returns the number of draws of each, in increasing order.
func counts(drawn map[string]int) (counts []int) {
	for _, n := range drawn {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	return counts
}

// A program's own GODEBUG settings hold during a simulation and after it, and
// mathrand.Seed still does nothing.
func TestRandomnessLeavesGODEBUG(t *testing.T) {
	for _, before := range []string{"", "panicnil=1"} {
		t.Setenv("GODEBUG", before)
		if before == "" {
			require.NoError(t, os.Unsetenv("GODEBUG"))
		}
		simtest.Run(t, func(t *testing.T, _ *simtest.Sim) {
			assert.NotContains(t, os.Getenv("GODEBUG"), "randseednop")
			assert.Contains(t, os.Getenv("GODEBUG"), before)
			first := mathrand.Int63()
			//lint:ignore SA1019 it does nothing since Go 1.24
			mathrand.Seed(1)
			second := mathrand.Int63()
			//lint:ignore SA1019 it does nothing since Go 1.24
			mathrand.Seed(1)
			assert.Len(t, map[int64]bool{first: true, second: true, mathrand.Int63(): true}, 3)
		})
		after, found := os.LookupEnv("GODEBUG")
		assert.Equal(t, before, after)
		assert.Equal(t, before != "", found)
	}
}

// Config.KeepRand, and a parallel test, leave the process's randomness alone.
func TestKeepRand(t *testing.T) {
	if simtest.Overlay().Order {
		t.Skip("the seed decides all draws of a simulation")
	}
	reader := cryptorand.Reader
	for range 2 {
		drawn := make(map[string]int)
		for range 3 {
			simtest.Config{KeepRand: true, KeepPools: true}.Run(t, func(t *testing.T, _ *simtest.Sim) {
				assert.Equal(t, reader, cryptorand.Reader)
				drawn[drawMath()]++
				drawn[drawCrypto(t)]++
			})
		}
		assert.Equal(t, []int{1, 1, 1, 1, 1, 1}, counts(drawn))
	}
	t.Run("parallel", func(t *testing.T) {
		t.Parallel()
		drawn := make(map[string]int)
		for range 3 {
			simtest.Run(t, func(t *testing.T, _ *simtest.Sim) {
				drawn[drawMath()]++
				drawn[drawCrypto(t)]++
			})
		}
		assert.Equal(t, []int{1, 1, 1, 1, 1, 1}, counts(drawn))
	})
}

// Hosts that draw from crypto/rand.Reader at one instant draw the same numbers in every
// run, however often: in goroutines that they start, with or without labels of their
// own. The test itself, and functions of time.AfterFunc, draw from a stream that
// belongs to no host.
func TestHostsDrawAtOneInstant(t *testing.T) {
	var first map[string]string
	for run := range tier.Count(30, 300) {
		var mu sync.Mutex
		drawn := make(map[string]string)
		draw := func(who string) {
			b := make([]byte, 16)
			_, err := io.ReadFull(cryptorand.Reader, b)
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			drawn[who] += fmt.Sprintf("%x ", b)
		}
		simtest.Config{Seed: 7, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			for i := range 20 {
				name := fmt.Sprint("host", i)
				sim.Host(name).Run(func(ctx context.Context) error {
					time.Sleep(time.Second)
					for range 5 {
						draw(name)
					}
					var started sync.WaitGroup
					started.Go(func() { draw(name) })
					started.Wait()
					pprof.Do(ctx, pprof.Labels("task", "draw"), func(context.Context) { draw(name) })
					return nil
				})
			}
			time.Sleep(time.Second)
			draw("test")
			time.Sleep(time.Second)
			time.AfterFunc(time.Second, func() { draw("test") })
			time.Sleep(time.Minute)
		})
		if run == 0 {
			first = drawn
			require.Len(t, drawn, 21)
			streams := make(map[string]bool)
			for who, drawn := range drawn {
				require.Len(t, drawn, map[bool]int{true: 2, false: 7}[who == "test"]*33, who)
				streams[drawn] = true
			}
			require.Len(t, streams, 21)
		}
		for who := range first {
			require.Equal(t, strings.Fields(first[who]), strings.Fields(drawn[who]), "run %d, %s", run, who)
		}
	}
}

// A host's draws from crypto/rand.Reader are the same whatever another host draws,
// and whenever it is created.
func TestHostsDrawFromTheirOwn(t *testing.T) {
	draw := func(hosts ...string) (drawn string) {
		simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			for _, name := range hosts {
				sim.Host(name).Run(func(context.Context) error {
					for range 3 {
						d := drawCrypto(t)
						if name == "poet" {
							drawn += d
						}
					}
					return nil
				})
				time.Sleep(time.Second)
			}
		})
		return drawn
	}
	alone := draw("poet")
	assert.NotEmpty(t, alone)
	assert.Equal(t, alone, draw("reader", "poet"))
	assert.Equal(t, alone, draw("a", "poet", "b"))
}

// A client that draws like a WebSocket client, the key of its handshake from
// crypto/rand.Reader and the masks of its messages from math/rand, always has the same
// digest. Many clients with handshakes at one instant do, too.
func TestWebSocketHasOneDigest(t *testing.T) {
	const hosts = 10
	var first string
	for run := range tier.Count(20, 300) {
		var trace *simtest.Trace
		simtest.Config{Seed: 3, KeepPools: true, Link: netem.Link{Latency: 20 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			trace = sim.Trace()
			listener, err := sim.Host("server").Listen("tcp", ":80")
			require.NoError(t, err)
			server := &http.Server{Handler: http.HandlerFunc(echoMasked)}
			sim.Host("server").Run(func(context.Context) error { return ignoreClosed(server.Serve(listener)) })
			var clients sync.WaitGroup
			for i := range hosts {
				host := sim.Host(fmt.Sprint("client", i))
				clients.Add(1)
				host.Run(func(context.Context) error {
					defer clients.Done()
					time.Sleep(time.Second)
					return speakMasked(host, time.Duration(i+1)*time.Millisecond)
				})
			}
			clients.Wait()
			require.NoError(t, server.Close())
		})
		if run == 0 {
			first = trace.Digest()
			require.Greater(t, trace.Len(), int64(10*hosts))
		}
		require.Equal(t, first, trace.Digest(), "run %d", run)
	}
}

func ignoreClosed(err error) error {
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}

// speakMasked performs a handshake and sends some messages, the first of them after a
// while.
func speakMasked(host *simtest.Host, after time.Duration) error {
	conn, err := host.Dial("tcp", "server:80")
	if err != nil {
		return err
	}
	defer conn.Close()
	key := make([]byte, 16)
	if _, err := io.ReadFull(cryptorand.Reader, key); err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(key)
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: %s\r\n\r\n", text)
	if err != nil {
		return err
	}
	from := bufio.NewReader(conn)
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		return err
	}
	if sum := sha1.Sum([]byte(text)); response.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return fmt.Errorf("the server says %v", response.Header)
	}
	for range 3 {
		time.Sleep(after)
		message := make([]byte, 4+12)
		binary.LittleEndian.PutUint32(message, mathrand.Uint32())
		for i := range message[4:] {
			message[4+i] = message[i%4] ^ byte(i)
		}
		if _, err := conn.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(from, message); err != nil {
			return err
		}
	}
	return nil
}

// echoMasked is the server's side.
func echoMasked(w http.ResponseWriter, r *http.Request) {
	conn, both, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key")))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	if err == nil {
		_, _ = io.Copy(conn, both)
	}
}
