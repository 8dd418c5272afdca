package simtest_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A chance is a program that behaves differently in its second run, as some programs do
// at random.
type chance struct {
	config simtest.Config
	// do runs on a host that is connected to another host, which reads. again reports
	// whether this is the second run.
	do func(t *testing.T, sim *simtest.Sim, conn net.Conn, again bool)
	// says lists texts that the report must contain, and saysNot those that it
	// must not.
	says, saysNot []string
	// without reports whether these layers of the overlay remove the chance; nil is for a
	// chance that remains with all layers.
	without func(l simtest.Layers) bool
}

// pick returns first, or second in the second run.
func pick[T any](again bool, first, second T) T {
	if again {
		return second
	}
	return first
}

// send writes text, in one call.
func send(conn net.Conn, text string) { _, _ = conn.Write([]byte(text)) }

const (
	onlyContent = "The runs differ only in content: the times, lengths and order of all events are the same."
	bySend      = `They were written by a goroutine of host "client", in simtest_test.send (check_report_test.go:`
)

var chances = map[string]chance{
	"random number": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, "id=")
			time.Sleep(time.Second)
			send(conn, pick(again, "\x01ab", "\x01zb"))
		},
		says: []string{
			"  last in common: 0s data client>server client/tcp#1 offset 0, 3 bytes",
			"The bytes differ from byte 4 on, after \"\\x01\":\n" +
				"  first run:      61 62 |ab|\n" +
				"  second run:     7a 62 |zb|\n",
			bySend, onlyContent, "If the difference is a random number: the seed does not decide",
		},
		saysNot: []string{"map", "select"},
	},
	"many bytes": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, "GET /"+pick(again, "0123456789abcdefgh", "x123456789abcdefgh"))
		},
		says: []string{
			"The bytes differ from byte 5 on, after \"GET /\":\n" +
				"  first run:      30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66... |0123456789abcdef|\n" +
				"  second run:     78 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66... |x123456789abcdef|\n",
		},
	},
	"datagram": {
		do: func(_ *testing.T, sim *simtest.Sim, _ net.Conn, again bool) {
			conn, err := sim.Host("client").Dial("udp", "server:1")
			if err == nil {
				send(conn, pick(again, "ping a", "ping b"))
			}
		},
		says: []string{"The bytes differ from byte 5 on, after \"ping \":\n  first run:      61 |a|\n", bySend, onlyContent},
	},
	"order of a map": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, pick(again, "A: 1\r\nB: 2\r\n", "B: 2\r\nA: 1\r\n"))
		},
		says:    []string{onlyContent, "The same bytes are in another order, within one write: the order of a map"},
		saysNot: []string{"random number"},
	},
	"process's id": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, "pid="+pick(again, "1234;", "1534;"))
		},
		says: []string{onlyContent, "The difference is a number: a counter that lasts from one simulation to the next, the process ID"},
	},
	"number that is longer": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, "id "+pick(again, "99", "100")+"\n")
		},
		says:    []string{"The difference is a number"},
		saysNot: []string{onlyContent},
	},
	"writes that race": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			for _, text := range pick(again, []string{"ping", "ack"}, []string{"ack", "ping"}) {
				send(conn, text)
			}
		},
		says:    []string{onlyContent, `goroutines of host "client" act at one instant on one connection`},
		saysNot: []string{"map"},
	},
	"one more write that races": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, "ping")
			time.Sleep(pick(again, 0, time.Second))
			send(conn, "ack")
		},
		says:    []string{`goroutines of host "client" act at one instant on one connection`},
		saysNot: []string{onlyContent},
	},
	"connections of a pool": {
		do: func(_ *testing.T, sim *simtest.Sim, conn net.Conn, again bool) {
			other, err := sim.Host("client").Dial("tcp", "server:1")
			if err != nil {
				return
			}
			texts := pick(again, []string{"ping", "pong"}, []string{"pong", "ping"})
			send(conn, texts[0])
			send(other, texts[1])
		},
		says:    []string{`goroutines of host "client" take connections at one instant, such as idle ones of a pool`},
		saysNot: []string{"random number"},
	},
	"pieces that race": {
		config: simtest.Config{TCP: unlimited, Link: netem.Link{Loss: netem.Loss{Random: 1e-9}}}, // with loss, bytes are sent in packets
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			for _, text := range pick(again, []string{"a", "b"}, []string{"b", "a"}) {
				send(conn, text)
			}
		},
		says: []string{onlyContent, "first run:      61 |a|", "second run:     62 |b|", bySend, `goroutines of host "client" act at one instant on one connection`},
	},
	"random wait": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			time.Sleep(pick(again, 100*ms, 120*ms))
			send(conn, "retry")
		},
		says:    []string{`It is the same event, 20ms later: host "client" has waited longer.`, `The bytes were written by a goroutine of host "client"`},
		saysNot: []string{onlyContent, "map"},
	},
	"hosts that share something": {
		do: func(t *testing.T, sim *simtest.Sim, _ net.Conn, again bool) {
			a, err := sim.Host("a").Dial("udp", "server:1")
			require.NoError(t, err)
			b, err := sim.Host("b").Dial("udp", "server:1")
			require.NoError(t, err)
			send(pick(again, a, b), "mine")
			sim.Settle()
			send(pick(again, b, a), "mine")
		},
		says: []string{`hosts "a" and "b" share something besides the network`},
	},
	"decision": {
		do: func(t *testing.T, sim *simtest.Sim, conn net.Conn, again bool) {
			if again {
				send(conn, "hello")
				return
			}
			require.NoError(t, conn.Close())
		},
		says: []string{`What host "client" does next is random: a select with several ready cases`},
	},
	"end": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			if again {
				send(conn, "one more")
			}
			time.Sleep(time.Second)
		},
		says: []string{"first run:      ended", "One run has more events than the other"},
	},
	"random number of no host": {
		without: func(l simtest.Layers) bool { return l.Net }, // a timer's function is its host's
		do: func(t *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			time.AfterFunc(time.Second, func() { send(conn, pick(again, "\x00", "\x01")) })
			time.Sleep(time.Minute)
		},
		says: []string{"They were written by a goroutine without a host, in simtest_test.send (", "Start them with Host.Run"},
	},
	"random numbers that are not seeded": {
		without: func(l simtest.Layers) bool { return l.Order },
		config:  simtest.Config{KeepRand: true},
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, pick(again, "\x00", "\x01"))
		},
		says: []string{"with Config.KeepRand, the process's random numbers are not seeded"},
	},
	"TLS": {
		do: func(_ *testing.T, _ *simtest.Sim, conn net.Conn, again bool) {
			send(conn, "\x16\x03\x01\x00\x02"+pick(again, "\x00\x01", "\x00\x02"))
		},
		says: []string{"The bytes are TLS: "},
	},
}

// CheckDeterminism shows the bytes that differ and the calls that wrote them, says
// whether anything else differs, and suggests a remedy.
func TestCheckDeterminismReports(t *testing.T) {
	const child = "SIMTEST_CHANCE"
	if c, ok := chances[os.Getenv(child)]; ok {
		runs := 0
		simtest.CheckDeterminism(t, c.config, func(t *testing.T, sim *simtest.Sim) {
			runs++
			c.run(t, sim, runs == 2)
		})
		return
	}
	for name, c := range chances {
		t.Run(name, func(t *testing.T) {
			if c.without != nil && c.without(simtest.Overlay()) {
				t.Skip("the overlay leaves none of this to chance")
			}
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCheckDeterminismReports$", "-test.timeout=1m")
			command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", child+"="+name)
			output, err := command.CombinedOutput()
			require.Error(t, err)
			for _, text := range c.says {
				assert.Contains(t, unindent(string(output)), text)
			}
			for _, text := range c.saysNot {
				assert.NotContains(t, string(output), text)
			}
		})
	}
}

// unindent removes the prefix that package testing puts before each line of a
// report.
func unindent(output string) string {
	var lines string
	for _, line := range strings.SplitAfter(output, "\n") {
		for range 8 {
			if len(line) > 0 && line[0] == ' ' {
				line = line[1:]
			}
		}
		lines += line
	}
	return lines
}

// run is one run of the program.
func (c *chance) run(t *testing.T, sim *simtest.Sim, again bool) {
	listener, err := sim.Host("server").Listen("tcp", ":1")
	require.NoError(t, err)
	_, err = sim.Host("server").ListenPacket("udp", ":1")
	require.NoError(t, err)
	var done sync.WaitGroup
	done.Add(1)
	sim.Host("client").Run(func(context.Context) error {
		defer done.Done()
		conn, err := sim.Host("client").Dial("tcp", "server:1")
		if err == nil {
			c.do(t, sim, conn, again)
		}
		return err
	})
	conn, err := listener.Accept()
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	done.Wait()
	sim.Settle()
}
