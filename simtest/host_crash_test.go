package simtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// echo is a program that sends back the bytes that it receives.
func echo(host *simtest.Host) func(context.Context) error {
	return func(ctx context.Context) error {
		listener, err := host.Listen("tcp", ":1")
		if err != nil {
			return err
		}
		for {
			conn, err := listener.Accept()
			if err != nil {
				return nil
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}
}

// A host that crashes sends nothing. Once it is up again, it answers segments of
// unknown connections with a reset.
func TestCrashAndRestart(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		a, b := sim.Host("a"), sim.Host("b")
		b.Run(echo(b))
		conn, err := a.Dial("tcp", "b:1")
		require.NoError(t, err)
		idle, err := a.Dial("tcp", "b:1")
		require.NoError(t, err)
		write1(t, conn, '1')
		read1(t, conn, '1')

		b.Crash()
		start := sim.Elapsed()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "not a word")
		require.NoError(t, conn.SetReadDeadline(time.Time{}))
		_, err = b.Listen("tcp", ":2")
		assert.ErrorIs(t, err, syscall.ENETDOWN)
		_, err = b.Dial("tcp", "a:1")
		assert.ErrorIs(t, err, syscall.ENETDOWN)

		write1(t, conn, '2') // lost, and again after 200, 600, 1,400 and 3,000 ms
		sim.At(start+3*time.Second, b.Restart)
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, start+time.Second+3000*ms+200*ms, sim.Elapsed())

		again, err := a.Dial("tcp", "b:1")
		require.NoError(t, err, "its program runs again")
		write1(t, again, '3')
		read1(t, again, '3')
		require.NoError(t, idle.SetReadDeadline(time.Now().Add(time.Hour)))
		_, err = idle.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "an end that only reads does not notice")
	})
}

// A host that stays down: writers get an error after a while, and dials after 131 s.
func TestCrashForGood(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		a, b := sim.Host("a"), sim.Host("b")
		b.Run(echo(b))
		conn, err := a.Dial("tcp", "b:1")
		require.NoError(t, err)
		write1(t, conn, '1')
		read1(t, conn, '1')
		write1(t, conn, '2')
		b.Crash() // while that is in flight
		start := sim.Elapsed()
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, start+givesUp, sim.Elapsed())
		start = sim.Elapsed()
		_, err = a.Dial("tcp", "b:1")
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, start+131*time.Second, sim.Elapsed())
	})
}

// To the goroutines of a host that crashes, all connections are closed and the
// program's context has ended.
func TestCrashAsItsProgramSeesIt(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		var seen []string
		lives := 0
		b.Run(func(ctx context.Context) error {
			lives++
			listener, err := b.Listen("tcp", ":1")
			require.NoError(t, err)
			conn, err := listener.Accept()
			if err != nil {
				seen = append(seen, "accept: "+errors.Unwrap(err).Error())
				return err
			}
			_, err = conn.Read(make([]byte, 1))
			seen = append(seen, "read: "+errors.Unwrap(err).Error())
			<-ctx.Done()
			seen = append(seen, context.Cause(ctx).Error())
			return ctx.Err()
		})
		_, err := a.Dial("tcp", "b:1")
		require.NoError(t, err)
		time.Sleep(time.Second)
		b.Restart() // crashes first
		sim.Settle()
		assert.Equal(t, 2, lives)
		b.Crash()
		sim.Settle()
		assert.Equal(t, []string{
			"read: " + net.ErrClosed.Error(), simtest.ErrCrashed.Error(),
			"accept: " + net.ErrClosed.Error(),
		}, seen)
	})
}

// Packets to and from a paused host wait.
func TestPause(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, server := connected(t, sim)
		start := sim.Elapsed()
		write1(t, client, '1')
		sim.Host("b").Pause()
		write1(t, server, 'x')
		sim.At(start+time.Minute, func() { sim.Host("b").Resume() })
		read1(t, server, '1')
		assert.Equal(t, start+time.Minute, sim.Elapsed())
		read1(t, client, 'x')
		assert.Equal(t, start+time.Minute+100*ms, sim.Elapsed())

		sim.Host("b").Pause()
		start = sim.Elapsed()
		sim.At(start+time.Minute, func() { sim.Host("b").Resume() })
		conn, err := sim.Host("a").Dial("tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, start+time.Minute+100*ms, sim.Elapsed())
		require.NoError(t, conn.Close())
	})
}

// A reset of all connections between two hosts, or of one connection, is seen by both
// ends, even idle ones.
func TestReset(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		listener, err := b.Listen("tcp", ":1")
		require.NoError(t, err)
		pair := func(from *simtest.Host) (client, server net.Conn) {
			client, err := from.Dial("tcp", "b:1")
			require.NoError(t, err)
			server, err = listener.Accept()
			require.NoError(t, err)
			return client, server
		}
		isReset := func(ends ...net.Conn) {
			t.Helper()
			for _, end := range ends {
				_, err := end.Read(make([]byte, 1))
				assert.ErrorIs(t, err, syscall.ECONNRESET)
				_, err = end.Write([]byte("x"))
				assert.ErrorIs(t, err, syscall.EPIPE)
			}
		}
		client1, server1 := pair(a)
		client2, server2 := pair(a)
		client3, server3 := pair(b)
		sim.ResetConn(server1)
		isReset(client1, server1)
		write1(t, client2, '2')
		read1(t, server2, '2')
		sim.Reset("b", "a")
		isReset(client2, server2)
		write1(t, client3, '3')
		read1(t, server3, '3')
	})
}

// Connections are refused, or their packets are silently dropped.
func TestRefuseAndBlackhole(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		a, b := sim.Host("a"), sim.Host("b")
		for _, port := range []string{":1", ":2"} {
			_, err := b.Listen("tcp", port)
			require.NoError(t, err)
		}
		dial := func(address string, want error, took time.Duration) {
			t.Helper()
			start := sim.Elapsed()
			_, err := a.Dial("tcp", address)
			assert.ErrorIs(t, err, want)
			assert.Equal(t, took, sim.Elapsed()-start)
		}
		sim.Refuse("b:1")
		dial("b:1", syscall.ECONNREFUSED, 200*ms)
		dial("b:2", nil, 200*ms)
		sim.Blackhole("b:1")
		dial("b:1", syscall.ETIMEDOUT, 131*time.Second)
		sim.Allow("b:1")
		dial("b:1", nil, 200*ms)
		sim.Refuse("b")
		dial("b:2", syscall.ECONNREFUSED, 200*ms)
		sim.Blackhole("b")
		dial("b:2", syscall.ETIMEDOUT, 131*time.Second)
		sim.Allow("b")
		dial("b:2", nil, 200*ms)
		for _, bad := range []string{"", "b:", "b:http", "b:0", "b:99999", "10.0.0.1:1", ":1"} {
			assert.Panics(t, func() { sim.Refuse(bad) }, bad)
		}
	})
}
