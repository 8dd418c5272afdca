package simtest

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// arrivalOrders runs a simulation in which six sockets send a datagram each at every
// full second, over 10 ms; besides may add more. It returns the order of arrival for
// each second.
func arrivalOrders(t *testing.T, config Config, besides func(t *testing.T, sim *Sim)) (orders map[time.Duration]string) {
	t.Helper()
	const latency = 10 * time.Millisecond
	orders = make(map[time.Duration]string)
	config.Link = netem.Link{Latency: latency}
	config.Trace = func(e trace.Event) {
		if e.Kind == trace.Data && e.To == "b" {
			orders[e.At-latency] += fmt.Sprint(e.Conn.Number)
		}
	}
	carriedOut(t, config, func(t *testing.T, sim *Sim) {
		_, err := sim.Host("b").ListenPacket("udp", ":1")
		require.NoError(t, err)
		for range 6 {
			sendEverySecond(t, sim.Host("a"), "b:1")
		}
		if besides != nil {
			besides(t, sim)
		}
		time.Sleep(8500 * time.Millisecond)
	})
	return orders
}

func sendEverySecond(t *testing.T, host *Host, to string) {
	socket, err := host.Dial("udp", to)
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	go func(socket net.Conn) {
		for range 8 {
			time.Sleep(time.Second)
			if _, err := socket.Write([]byte("x")); err != nil {
				return
			}
		}
	}(socket)
}

const naturalArrival = "123456"

// Each instant has its own order, which does not depend on events at other instants, or
// on a fault at the same instant.
func TestTiesAreOfTheirInstant(t *testing.T) {
	assert.Equal(t, slices.Repeat([]string{naturalArrival}, 8), inOrder(arrivalOrders(t, Config{}, nil)))
	alone := arrivalOrders(t, Config{Seed: 1}, nil)
	assert.Len(t, distinct(inOrder(alone)), 8, "each instant has another order: %v", alone)
	others := arrivalOrders(t, Config{Seed: 1}, func(t *testing.T, sim *Sim) {
		_, err := sim.Host("d").ListenPacket("udp", ":1")
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		for range 5 {
			socket, err := sim.Host("c").Dial("udp", "d:1")
			require.NoError(t, err)
			go func() { _, _ = socket.Write([]byte("x")) }()
		}
	})
	assert.Equal(t, alone, others)
	schedule := "fault 2.01s skew a by 1s for 1ms\nfault 3s skew a by 1s for 1ms"
	faults := arrivalOrders(t, Config{Seed: 1, Chaos: Chaos{Schedule: schedule}}, nil)
	assert.Equal(t, alone, faults)
}

func inOrder(orders map[time.Duration]string) (list []string) {
	for second := time.Second; second <= 8*time.Second; second += time.Second {
		list = append(list, orders[second])
	}
	return list
}

func distinct(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// The order at one instant can be overridden, by the natural order or by an order drawn
// from another number. The orders at all other instants are unchanged. Drawn orders are
// recorded.
func TestTiesThatAreOverridden(t *testing.T) {
	const sent, arrived = 3 * time.Second, 3010 * time.Millisecond
	run := func(o overrides) (orders map[time.Duration]string, drawn []time.Duration) {
		config := Config{Seed: 1, decided: &decisions{}}
		(&replay{seed: 1, overrides: o}).apply(&config)
		orders = arrivalOrders(t, config, nil)
		assert.False(t, config.decided.more)
		return orders, config.decided.instants()
	}
	whole, drawn := run(overrides{})
	assert.Contains(t, drawn, sent)
	assert.Contains(t, drawn, arrived)
	assert.Len(t, drawn, 16, "when they are sent, and when they arrive: %v", drawn)

	orders, left := run(overrides{ties: []tieOverride{{at: sent, natural: true}, {at: arrived, natural: true}}})
	assert.Equal(t, naturalArrival, orders[sent])
	assert.NotContains(t, left, sent)
	assert.NotContains(t, left, arrived)
	assert.Len(t, left, 14)
	delete(orders, sent)
	others, _ := run(overrides{})
	delete(others, sent)
	assert.Equal(t, others, orders)

	orders, _ = run(overrides{ties: []tieOverride{{at: arrived, round: 2}}})
	assert.NotEqual(t, whole[sent], orders[sent])
	delete(orders, sent)
	assert.Equal(t, others, orders)

	var natural overrides // at their arrival, so that they arrive in the order of sending
	for _, second := range drawn {
		if second%time.Second != 0 {
			natural.ties = append(natural.ties, tieOverride{at: second, natural: true})
		}
	}
	orders, left = run(natural)
	assert.Len(t, left, 8)
	assert.Len(t, distinct(inOrder(orders)), 8)

	orders, left = run(overrides{natural: true})
	assert.Equal(t, slices.Repeat([]string{naturalArrival}, 8), inOrder(orders))
	assert.Empty(t, left)

	// The seed's order at one instant, while all others are natural.
	var seeds ties
	seeds.init(&Config{Seed: 1})
	orders, left = run(overrides{natural: true, ties: []tieOverride{{at: sent, round: seeds.seedsRound(sent)}, {at: arrived, round: seeds.seedsRound(arrived)}}})
	assert.Equal(t, []time.Duration{sent, arrived}, left)
	assert.Equal(t, whole[sent], orders[sent])
}

// An order can be drawn without a seed, too.
func TestTiesThatAreOverriddenWithoutASeed(t *testing.T) {
	const sent = 3 * time.Second
	orders := arrivalOrders(t, Config{overrides: &overrides{ties: []tieOverride{{at: sent, round: 1}}}}, nil)
	assert.NotEqual(t, naturalArrival, orders[sent])
	delete(orders, sent)
	assert.Equal(t, []string{naturalArrival}, distinct(slices.Collect(maps.Values(orders))))
}

// The number of recorded decisions is limited, and it is recorded that there were more.
func TestDecisionsAreBounded(t *testing.T) {
	var d decisions
	for i := range maxDecisions {
		d.tie(time.Duration(i))
		d.tie(time.Duration(i))
	}
	assert.False(t, d.more)
	assert.Len(t, d.instants(), maxDecisions)
	d.tie(-1)
	assert.True(t, d.more)
	assert.Len(t, d.instants(), maxDecisions)
}
