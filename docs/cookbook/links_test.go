package cookbook

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// ask sends a question in a datagram, and repeats it every 200 ms until it is answered.
func ask(conn net.Conn, question string) (answer string, sent int, err error) {
	buffer := make([]byte, 1500)
	for sent = 1; sent <= 20; sent++ {
		if _, err := io.WriteString(conn, question); err != nil {
			return "", sent, err
		}
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if n, err := conn.Read(buffer); err == nil {
			return string(buffer[:n]), sent, nil
		}
	}
	return "", sent, fmt.Errorf("no answer after %d questions", sent-1)
}

func TestLostDatagrams(t *testing.T) {
	link := netem.Link{Latency: 20 * time.Millisecond, Loss: netem.Loss{Random: 0.3}}
	total := 0
	for seed := range uint64(20) {
		simtest.Config{Seed: seed, Link: link}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			socket, err := sim.Host("server").ListenPacket("udp", ":53")
			require.NoError(t, err)
			sim.Host("server").Go(func(context.Context) {
				buffer := make([]byte, 1500)
				for {
					n, from, err := socket.ReadFrom(buffer)
					if err != nil {
						return
					}
					_, _ = socket.WriteTo(append([]byte("re: "), buffer[:n]...), from)
				}
			})
			conn, err := sim.Host("client").Dial("udp", "server:53")
			require.NoError(t, err)
			answer, sent, err := ask(conn, "hello?")
			require.NoError(t, err)
			assert.Equal(t, "re: hello?", answer)
			total += sent
		})
	}
	assert.Greater(t, total, 20) // some were lost
}

func TestPhones(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		serveHTTP(sim.Host("server"), func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 50_000)) })
		took := make([]time.Duration, 50)
		var downloads sync.WaitGroup
		for i := range took {
			phone := sim.Host(fmt.Sprint("phone", i))
			phone.SetAccess(netem.MustProfile("webpagetest/3g"))
			web := &http.Client{Transport: &http.Transport{DialContext: phone.DialContext}}
			downloads.Go(func() {
				_, err := get(web, "http://server/")
				assert.NoError(t, err)
				took[i] = sim.Elapsed()
			})
		}
		downloads.Wait()
		for _, d := range took { // each phone has its own line
			assert.InDelta(t, 1.2, d.Seconds(), 0.1)
		}
	})
}

func TestOwnProfile(t *testing.T) {
	office, err := slownet.ReadProfile("testdata/office.json")
	require.NoError(t, err)
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetProfile("office", "server", office) // Up is from the first to the second
		serveHTTP(sim.Host("server"), func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1_000_000)) })
		web := &http.Client{Transport: &http.Transport{DialContext: sim.Host("office").DialContext}}
		_, err := get(web, "http://server/")
		require.NoError(t, err)
		assert.InDelta(t, 0.6, sim.Elapsed().Seconds(), 0.1) // 8 Mbit at 20 Mbit/s, and slow start
	})
}

func TestRealServer(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	server.Listener = slownet.NewListener(server.Listener, slownet.ServerConfig(netem.Symmetric(netem.Link{
		Latency: 20 * time.Millisecond,
	})))
	server.Start()
	defer server.Close()

	start := time.Now()
	text, err := get(server.Client(), server.URL)
	require.NoError(t, err)
	assert.Equal(t, "hello", text)
	assert.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
}
