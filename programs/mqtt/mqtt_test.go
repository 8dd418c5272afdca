// Package mqtt runs github.com/eclipse/paho.mqtt.golang against the broker
// github.com/mochi-mqtt/server/v2.
package mqtt

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs the broker on the server.
func serve(sim *simtest.Sim) {
	host := sim.Host("server")
	host.Run(func(ctx context.Context) error {
		listener, err := host.Listen("tcp", ":1883")
		if err != nil {
			return err
		}
		broker := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err := broker.AddHook(new(auth.AllowHook), nil); err != nil {
			return err
		}
		if err := broker.AddListener(listeners.NewNet("tcp", listener)); err != nil {
			return err
		}
		if err := broker.Serve(); err != nil {
			return err
		}
		<-ctx.Done()
		return broker.Close()
	})
}

// A party is a host that is connected to the broker, and reconnects by itself.
type party struct {
	sim    *simtest.Sim
	client paho.Client

	mu    sync.Mutex
	heard []string
	log   []time.Duration // when it connected, lost the connection, connected...
}

// pause is the time between connecting and subscribing. The broker's greeting and
// the missed messages come in one segment: answering those and subscribing at the
// same instant would be a race.
const pause = 10 * time.Millisecond

// connect connects a host. It subscribes to a topic each time, if there is one.
func connect(t *testing.T, sim *simtest.Sim, name, topic string) *party {
	t.Helper()
	p := &party{sim: sim}
	o := paho.NewClientOptions().AddBroker("tcp://server:1883").SetClientID(name).SetCleanSession(false)
	o.SetOnConnectHandler(func(c paho.Client) {
		p.note()
		if topic != "" {
			time.Sleep(pause)
			c.Subscribe(topic, 1, p.hear)
		}
	})
	o.SetConnectionLostHandler(func(paho.Client, error) { p.note() })
	o.SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		return sim.Host(name).Dial("tcp", u.Host)
	})
	p.client = paho.NewClient(o)
	wait(t, p.client.Connect())
	t.Cleanup(func() { p.client.Disconnect(1000) })
	return p
}

func (p *party) note() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, p.sim.Elapsed())
}

func (p *party) hear(_ paho.Client, m paho.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, string(m.Payload()))
}

// all returns the messages that the party has received.
func (p *party) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard)
}

// connected returns the time of the nth connection.
func (p *party) connected(n int) time.Duration {
	return p.at(2*n - 2)
}

// at returns the time of the ith entry, or 0 if there is none.
func (p *party) at(i int) time.Duration {
	p.sim.Settle()
	p.mu.Lock()
	defer p.mu.Unlock()
	if i >= len(p.log) {
		return 0
	}
	return p.log[i]
}

// lost returns the time at which the nth connection was lost.
func (p *party) lost(n int) time.Duration {
	return p.at(2*n - 1)
}

// say publishes a message, and waits until the broker has it.
func (p *party) say(t *testing.T, line string) {
	t.Helper()
	wait(t, p.client.Publish("poem", 1, false, line))
}

// wait waits for the end of a client's operation.
func wait(t *testing.T, token paho.Token) {
	t.Helper()
	token.Wait()
	assert.NoError(t, token.Error())
}

// lines returns n lines of a poem.
func lines(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("line %d", i))
	}
	return all
}

// Bytes on the wire.
const (
	publish     = 10 // without the text
	acknowledge = 4
	subscribe   = 11
	subscribed  = 5
)

// The client's defaults.
const (
	keepAlive   = 30 * time.Second // of silence, before a ping
	checkEvery  = 5 * time.Second  // whether there was silence
	pingTimeout = 10 * time.Second
)

// A message costs a round trip, or two if it must arrive exactly once, or none.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		reader := connect(t, sim, "client", "poem")
		assert.Equal(t, 2*scenario.RoundTrip+scenario.Bytes(20+acknowledge)+scenario.Headers(3+3), reader.connected(1), "the greeting is acknowledged")
		poet := connect(t, sim, "poet", "")
		for _, c := range []struct {
			qos                    byte
			trips, bytes, segments int
		}{
			{0, 0, 0, 0},
			{1, 1, publish + 2 + acknowledge + publish, 3}, // and the last one's, and TCP's acknowledgement
			{2, 2, publish + 2 + 3*acknowledge, 4},
		} {
			took := scenario.Took(func() { wait(t, poet.client.Publish("poem", c.qos, false, "If")) })
			assert.Equal(t, time.Duration(c.trips)*scenario.RoundTrip+scenario.Bytes(c.bytes)+scenario.Headers(c.segments), took, c.qos)
		}
		for _, line := range lines(10) {
			took := scenario.Took(func() { poet.say(t, line) })
			assert.Equal(t, scenario.RoundTrip+scenario.Bytes(publish+len(line)+acknowledge)+scenario.Headers(2), took)
		}
		time.Sleep(time.Second)
		assert.Equal(t, append([]string{"If", "If", "If"}, lines(10)...), reader.all())
	})
}

// A reader that is cut off for long detects it by an unanswered ping, and
// reconnects when it can. The broker has kept the missed messages.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		missed(t, sim, o, time.Second)
	})
}

// The broker sorts the kept messages by the second, and within a second they
// are in the order of a map. So two runs differ when messages come faster than
// that.
func TestPartitionInOneSecond(t *testing.T) {
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		missed(t, sim, o, 0)
	})
}

// missed makes a reader miss messages, which come one after another with a
// pause after each.
func missed(t *testing.T, sim *simtest.Sim, o *scenario.Outcome, pause time.Duration) {
	serve(sim)
	reader, poet := connect(t, sim, "client", "poem"), connect(t, sim, "poet", "")
	speak := func() {
		for _, line := range lines(10) {
			poet.say(t, line)
			time.Sleep(pause)
		}
	}
	speak()
	time.Sleep(time.Second)
	assert.Equal(t, lines(10), reader.all())

	cut := sim.Elapsed()
	healed := cut + 5*time.Minute
	scenario.Cut(sim, healed-cut)
	speak()
	time.Sleep(10 * time.Minute)
	heard := reader.all()[10:]
	if pause > 0 {
		assert.Equal(t, lines(10), heard)
	} else {
		assert.ElementsMatch(t, lines(10), heard)
	}
	assert.LessOrEqual(t, reader.lost(1), cut+keepAlive+checkEvery+pingTimeout)
	assert.Greater(t, reader.connected(2), healed)
	o.Note("lost after %v, back after %v", reader.lost(1)-cut, reader.connected(2)-healed)
}

// A broker that crashes forgets everything. Clients that publish detect it by a reset
// when it is back. Clients that only listen detect it when TCP's keep-alive probes the
// silent peer, long before their own ping. Messages in between are lost.
func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		reader, poet := connect(t, sim, "client", "poem"), connect(t, sim, "poet", "")
		start := sim.Elapsed()
		scenario.Bounce(sim, 2*time.Second)
		poet.say(t, "lost")
		scenario.Retransmitted(t, 4, scenario.RoundTrip+scenario.Bytes(publish+len("lost"))+scenario.Headers(2), poet.lost(1)-start)
		assert.Equal(t, poet.lost(1)+2*scenario.RoundTrip+scenario.Bytes(18+acknowledge)+scenario.Headers(3+3), poet.connected(2))
		poet.say(t, "lost too")
		time.Sleep(time.Minute)
		poet.say(t, "heard")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"heard"}, reader.all())
		const probeAfter = 15 * time.Second // Go's default
		heard := reader.connected(1) + pause + scenario.RoundTrip + scenario.Bytes(subscribe+subscribed) + scenario.Headers(2)
		assert.Equal(t, heard+probeAfter+scenario.RoundTrip+scenario.Headers(2), reader.lost(1))
	})
}
