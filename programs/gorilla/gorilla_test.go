// Package gorilla runs github.com/gorilla/websocket over net/http: a chat room
// with pings, like that package's own example.
package gorilla

import (
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	pingEvery = 9 * time.Second
	pongWait  = 10 * time.Second
)

// A room forwards each member's messages to all members.
type room struct {
	mu      sync.Mutex
	members map[*member]bool
}

// A member is a member of a room on the server. One goroutine reads its
// connection, another writes to it.
type member struct {
	conn *websocket.Conn
	send chan []byte
}

func (r *room) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, request, nil)
	if err != nil {
		return
	}
	m := &member{conn: conn, send: make(chan []byte, 256)}
	r.mu.Lock()
	r.members[m] = true
	r.mu.Unlock()
	go m.write()
	r.read(m)
}

// read reads the member's messages, until its connection ends.
func (r *room) read(m *member) {
	defer func() {
		r.mu.Lock()
		delete(r.members, m)
		close(m.send)
		r.mu.Unlock()
	}()
	_ = m.conn.SetReadDeadline(time.Now().Add(pongWait))
	m.conn.SetPongHandler(func(string) error { return m.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		_, message, err := m.conn.ReadMessage()
		if err != nil {
			return
		}
		r.mu.Lock()
		for other := range r.members {
			other.send <- message
		}
		r.mu.Unlock()
	}
}

// write writes the messages of others to the member, and pings.
func (m *member) write() {
	pings := time.NewTicker(pingEvery)
	defer pings.Stop()
	defer func() { _ = m.conn.Close() }()
	for {
		select {
		case message, ok := <-m.send:
			if !ok || m.conn.WriteMessage(websocket.BinaryMessage, message) != nil {
				return
			}
		case <-pings.C:
			if m.conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

// serve runs a room on the server; members returns the number of its members.
func serve(sim *simtest.Sim) (members func() int) {
	var now *room
	scenario.ServeHTTP(sim, func() http.Handler {
		now = &room{members: make(map[*member]bool)}
		return now
	})
	return func() int {
		now.mu.Lock()
		defer now.mu.Unlock()
		return len(now.members)
	}
}

// A client is in the room.
type client struct {
	conn *websocket.Conn

	mu    sync.Mutex
	heard []time.Duration // times of receipt, since the start
	err   error           // the error that ended its reading
	gone  chan struct{}   // closed then
}

// join makes a host join the room.
func join(t *testing.T, sim *simtest.Sim, host string) *client {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: sim.Host(host).DialContext}
	conn, response, err := dialer.DialContext(t.Context(), "ws://server/", nil)
	require.NoError(t, err)
	_ = response.Body.Close()
	c := &client{conn: conn, gone: make(chan struct{})}
	_ = conn.SetReadDeadline(time.Now().Add(pongWait))
	pong := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		_ = conn.SetReadDeadline(time.Now().Add(pongWait))
		return pong(data)
	})
	go c.read(sim)
	t.Cleanup(func() {
		_ = conn.Close()
		<-c.gone
	})
	return c
}

func (c *client) read(sim *simtest.Sim) {
	defer close(c.gone)
	for {
		_, _, err := c.conn.ReadMessage()
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.mu.Unlock()
			return
		}
		c.heard = append(c.heard, sim.Elapsed())
		c.mu.Unlock()
	}
}

func (c *client) say(t *testing.T, message string) {
	t.Helper()
	assert.NoError(t, c.conn.WriteMessage(websocket.BinaryMessage, []byte(message)))
}

// times returns the times at which the client received messages.
func (c *client) times() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.heard)
}

// Bytes on the wire.
const (
	request  = 177 // to upgrade
	response = 129
	header   = 2 // of a short message
	mask     = 4 // of the client's
)

// thereAndBack is the time until the client receives its own message.
func thereAndBack(message string) time.Duration {
	return scenario.RoundTrip + scenario.Bytes(2*(header+len(message))+mask) + scenario.Headers(2)
}

// atOnce is thereAndBack if the acknowledgement of the response is still to be sent.
func atOnce(message string) time.Duration { return scenario.Headers(1) + thereAndBack(message) }

// Three clients send at one instant. Each receives all three messages, one after another.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		members := serve(sim)
		took := scenario.Took(func() { join(t, sim, "client") })
		assert.Equal(t, 2*scenario.RoundTrip+scenario.Bytes(request+response)+scenario.Headers(3+3), took, "the request is acknowledged")
		var clients []*client
		for _, name := range []string{"a", "b", "c"} {
			clients = append(clients, join(t, sim, name))
		}
		assert.Equal(t, 4, members())

		const message = "If you can keep your head"
		start := sim.Elapsed()
		for _, c := range clients {
			c.say(t, message)
		}
		time.Sleep(time.Minute)
		first := start + thereAndBack(message)
		next := scenario.Bytes(header+len(message)) + scenario.Headers(1)
		for _, c := range clients {
			assert.Equal(t, []time.Duration{first, first + next, first + 2*next}, c.times())
		}
	})
}

// A short partition costs time. In a long one pings and pongs are lost, which
// both ends detect.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		members := serve(sim)
		c := join(t, sim, "client")
		joined := sim.Elapsed()
		scenario.Cut(sim, 3*time.Second)
		c.say(t, "If")
		time.Sleep(8 * time.Second)
		require.Len(t, c.times(), 1)
		scenario.Retransmitted(t, 5, thereAndBack("If"), c.times()[0]-joined)

		scenario.Cut(sim, time.Hour)
		<-c.gone
		assert.Equal(t, joined+pongWait, sim.Elapsed())
		assert.ErrorContains(t, c.err, "i/o timeout")
		time.Sleep(time.Second)
		assert.Zero(t, members())
		time.Sleep(time.Hour)
		c = join(t, sim, "client")
		joined = sim.Elapsed()
		c.say(t, "If")
		time.Sleep(time.Minute)
		assert.Equal(t, []time.Duration{joined + atOnce("If")}, c.times())
		assert.Equal(t, 1, members(), "pings are answered")
	})
}

// A server that has crashed and restarted answers the next segment with a
// reset.
func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		c := join(t, sim, "client")
		scenario.Bounce(sim, 2*time.Second)
		took := scenario.Took(func() {
			c.say(t, "If")
			<-c.gone
		})
		scenario.Retransmitted(t, 4, scenario.RoundTrip+scenario.Bytes(header+mask+len("If"))+scenario.Headers(2), took)
		assert.ErrorIs(t, c.err, syscall.ECONNRESET)
		c = join(t, sim, "client")
		joined := sim.Elapsed()
		c.say(t, "If")
		time.Sleep(time.Second)
		assert.Equal(t, []time.Duration{joined + atOnce("If")}, c.times())
	})
}
