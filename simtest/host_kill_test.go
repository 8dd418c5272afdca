package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// echoes is a program that echoes each connection, and reports how its context
// ends.
func echoes(h *simtest.Host, ended func(cause error)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		listener, err := h.Listen("tcp", ":7")
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(conn, conn) }()
			}
		}()
		<-ctx.Done()
		ended(context.Cause(ctx))
		return nil
	}
}

// Dials to a process that was killed are refused until its host is restarted,
// as fast as by a live machine.
func TestKilledHostRefusesUntilItIsRestarted(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetDefaultLink(netem.Link{Latency: 50 * ms})
		client, server := sim.Host("client"), sim.Host("server")
		var causes []error
		server.Run(echoes(server, func(cause error) { causes = append(causes, cause) }))
		dial := func() (net.Conn, error) {
			start := sim.Elapsed()
			conn, err := client.Dial("tcp", "server:7")
			assert.Equal(t, 100*ms, sim.Elapsed()-start)
			return conn, err
		}
		conn, err := dial()
		require.NoError(t, err)
		_, err = io.WriteString(conn, "x")
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.NoError(t, err)

		server.Kill()
		killed := sim.Elapsed()
		_, err = conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, 50*ms, sim.Elapsed()-killed)
		for range 2 {
			_, err = dial()
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
			server.Kill() // it was killed
		}
		assert.Equal(t, []error{simtest.ErrKilled}, causes)

		server.Restart()
		again, err := dial()
		require.NoError(t, err)
		_, err = io.WriteString(again, "x")
		require.NoError(t, err)
		_, err = again.Read(make([]byte, 1))
		assert.NoError(t, err)
		assert.Len(t, causes, 1, "Restart does not crash what was killed")
	})
}

// To the goroutines of a killed process that still run, all its connections and sockets
// are closed, and the network is down.
func TestGoroutinesThatOutliveTheirKill(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		host := sim.Host("b")
		client, server := connected(t, sim)
		listener, err := host.Listen("tcp", ":2")
		require.NoError(t, err)
		socket, err := host.ListenPacket("udp", ":2")
		require.NoError(t, err)
		sim.SetName("slow", simtest.Name{Host: "a", Delay: time.Hour})
		_, err = sim.Host("full").Listen("tcp", ":1")
		require.NoError(t, err)
		sim.Blackhole("full")
		told := make(chan string, 10)
		written := 0
		for call, do := range map[string]func() error{
			"read":        func() error { _, err := server.Read(make([]byte, 1)); return err },
			"write":       func() (err error) { written, err = server.Write(make([]byte, 3<<20)); return err },
			"accept":      func() error { _, err := listener.Accept(); return err },
			"read packet": func() error { _, _, err := socket.ReadFrom(make([]byte, 1)); return err },
			"dial":        func() error { _, err := host.Dial("tcp", "full:1"); return err },
			"lookup":      func() error { _, err := host.Dial("tcp", "slow:1"); return err },
		} {
			go func() { told <- fmt.Sprint(call, ": ", describe(do())) }()
		}
		time.Sleep(time.Second)
		host.Kill()
		assert.Equal(t, time.Second, sim.Elapsed())
		sim.Settle()
		var all []string
		for range len(told) {
			all = append(all, <-told)
		}
		assert.ElementsMatch(t, []string{
			"read: read: closed", "write: write: closed", "accept: accept: closed", "read packet: read: closed",
			"dial: dial: connect: network is down", "lookup: dial: connect: network is down",
		}, all)

		assert.ErrorIs(t, server.Close(), net.ErrClosed)
		_, err = host.Dial("tcp", "a:1")
		assert.ErrorIs(t, err, syscall.ENETDOWN)
		_, err = host.Listen("tcp", ":3")
		assert.ErrorIs(t, err, syscall.ENETDOWN)
		_, err = host.Dial("udp", sim.Host("a").Addr().String()+":1")
		assert.ErrorIs(t, err, syscall.ENETDOWN)
		n, err := io.Copy(io.Discard, client)
		assert.NoError(t, err, "what was written arrives, and then the end")
		assert.NotZero(t, n)
		assert.EqualValues(t, written, n)
	})
}

// Bytes that a killed process has written leave at the rate of its link, followed by
// the end of the stream. If the machine crashes as well, neither is sent.
func TestKernelGoesOnSendingForAKilledProcess(t *testing.T) {
	for name, test := range map[string]struct {
		end     func(b *simtest.Host, server net.Conn)
		crashes bool
		back    bool
		want    int64
		err     string
		at      time.Duration
	}{
		"killed":              {end: func(b *simtest.Host, _ net.Conn) { b.Kill() }, want: 10_000, err: "ok", at: 11 * time.Second},
		"killed, and crashes": {end: func(b *simtest.Host, _ net.Conn) { b.Kill() }, crashes: true, want: 3000, err: "read: ErrDeadlineExceeded, a timeout", at: time.Hour},
		"closed, and crashes": {end: func(_ *simtest.Host, server net.Conn) { _ = server.Close() }, crashes: true, want: 3000, err: "read: ErrDeadlineExceeded, a timeout", at: time.Hour},
		"closed, and is back": {end: func(_ *simtest.Host, server net.Conn) { _ = server.Close() }, crashes: true, back: true, want: 3000, err: "read: ErrDeadlineExceeded, a timeout", at: time.Hour},
		"crashes":             {end: func(*simtest.Host, net.Conn) {}, crashes: true, want: 3000, err: "read: ErrDeadlineExceeded, a timeout", at: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
				client, server := connected(t, sim)
				sim.SetLink("b", "a", netem.Link{Rate: 8 * netem.Kbps, Latency: time.Second})
				_, err := server.Write(make([]byte, 10_000))
				require.NoError(t, err)
				time.Sleep(time.Second)
				test.end(sim.Host("b"), server)
				time.Sleep(time.Second)
				if test.crashes {
					sim.Host("b").Crash()
				}
				if test.back {
					sim.Host("b").Restart()
				}
				require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Hour-2*time.Second)))
				n, err := io.Copy(io.Discard, client)
				assert.Equal(t, test.want, n)
				assert.Equal(t, test.err, describe(err))
				assert.Equal(t, test.at, sim.Elapsed())
			})
		})
	}
}

// If the process of a paused machine is killed, its peers learn of it when the machine
// is resumed.
func TestKillOfAPausedHost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		host := sim.Host("b")
		client, _ := connected(t, sim)
		var cause error
		host.Run(func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		})
		host.Pause()
		host.Kill()
		sim.Settle()
		assert.Equal(t, simtest.ErrKilled, cause)
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := client.Read(make([]byte, 1))
		assert.ErrorContains(t, err, "i/o timeout")
		require.NoError(t, client.SetReadDeadline(time.Time{}))
		host.Resume()
		_, err = client.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, time.Minute, sim.Elapsed())
	})
}

// A program that is given to a host whose process was killed starts at the
// host's restart, as on a host that has crashed; after that the host can crash
// again.
func TestRunOnAKilledHost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		host := sim.Host("a")
		host.Kill()
		runs := 0
		host.Run(func(ctx context.Context) error {
			runs++
			<-ctx.Done()
			return nil
		})
		sim.Settle()
		assert.Zero(t, runs)
		host.Crash()
		host.Kill() // no process is running
		host.Restart()
		sim.Settle()
		assert.Equal(t, 1, runs)
		host.Restart()
		sim.Settle()
		assert.Equal(t, 2, runs)
		host.Kill()
		host.Restart()
		sim.Settle()
		assert.Equal(t, 3, runs)
	})
}

// Kills of one instant, with everything that they close, happen in a fixed
// order.
func TestOrderOfKills(t *testing.T) {
	for seed := range uint64(3) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, KeepPools: true}, func(t *testing.T, sim *simtest.Sim) {
			var names []string
			for i := range 6 {
				host := sim.Host(fmt.Sprint("h", i))
				names = append(names, host.Name())
				host.Run(echoes(host, func(error) {}))
			}
			for _, from := range names {
				for _, to := range names {
					sim.Host(from).Run(func(context.Context) error {
						conn, err := sim.Host(from).Dial("tcp", to+":7")
						for err == nil {
							_, err = conn.Write([]byte(from))
							time.Sleep(100 * ms)
						}
						return nil
					})
				}
			}
			for _, name := range names[:4] {
				for round := range time.Duration(3) {
					time.AfterFunc((1+round)*time.Second, sim.Host(name).Kill)
					time.AfterFunc((1+round)*time.Second+500*ms, sim.Host(name).Restart)
				}
			}
			time.Sleep(5 * time.Second)
		})
	}
}
