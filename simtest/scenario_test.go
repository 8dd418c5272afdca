package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// A scenario is a short program that runs on loopback and in the simulator with the
// same results. The expected results were recorded with sockets on Linux.
type scenario struct {
	name string
	run  func(w *world, r *report)
	want []string
}

// The table of all scenarios. Its parts are in the files named after them.
var scenarios = slices.Concat(
	dialScenarios,
	traceScenarios,
	listenScenarios,
	acceptScenarios,
	streamScenarios,
	closeScenarios,
	deadlineScenarios,
	packetScenarios,
	packetErrorScenarios,
	nameScenarios,
)

func TestScenarios(t *testing.T) {
	names := make(map[string]bool)
	for _, scenario := range scenarios {
		assert.False(t, names[scenario.name], "twice: %s", scenario.name)
		names[scenario.name] = true
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(w *world) {
				got := &report{world: w}
				scenario.run(w, got)
				w.wait.Wait()
				assert.Equal(w, scenario.want, got.lines)
			})
		})
	}
	assert.GreaterOrEqual(t, len(scenarios), 40)
}

// A pair is a connection between the client's host and the server's.
type pair struct {
	*world
	client, server stream
}

// onPair turns a function of a connection into a scenario.
func onPair(run func(p *pair, r *report)) func(w *world, r *report) {
	return func(w *world, r *report) {
		w.Helper()
		l := w.listen()
		p := &pair{world: w, client: w.dial("tcp", l.Addr().String())}
		p.server = w.accept(l)
		run(p, r)
	}
}

func (w *world) write(c io.Writer, s string) {
	w.Helper()
	_, err := io.WriteString(c, s)
	require.NoError(w, err)
}

// A report contains the results of a scenario's calls, in words that are the same for
// sockets and simulated connections.
type report struct {
	world *world
	lines []string
}

func (r *report) add(format string, a ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, a...))
}

// result adds the result of a call.
func (r *report) result(call, what, format string, a ...any) {
	if what != "" {
		call += " "
	}
	r.add("%s%s: %s", call, what, fmt.Sprintf(format, a...))
}

// note adds whether a call succeeded.
func (r *report) note(what string, err error) { r.result(what, "", "%s", describe(err)) }

// read adds the result of a read.
func (r *report) read(what string, c io.Reader) {
	buffer := make([]byte, 100)
	n, err := c.Read(buffer)
	r.result("read", what, "%q, %s", buffer[:n], describe(err))
}

// write adds the result of a write.
func (r *report) write(what string, c io.Writer, s string) {
	n, err := io.WriteString(c, s)
	r.result("write", what, "%d, %s", n, describe(err))
}

// dial adds the result of a dial by the client.
func (r *report) dial(what, network, address string) {
	r.dialContext(r.world.Context(), what, network, address)
}

func (r *report) dialContext(ctx context.Context, what, network, address string) {
	conn, err := r.world.client.DialContext(ctx, network, address)
	if err == nil {
		_ = conn.Close()
	}
	r.result("dial", what, "%s", describe(err))
}

// listen adds the result of an attempt to listen. The listener is closed when the
// scenario ends.
func (r *report) listen(what string, n *node, network, address string) {
	l, err := n.Listen(network, address)
	if err == nil {
		r.world.Cleanup(func() { _ = l.Close() })
	}
	r.result("listen", what, "%s", describe(err))
}

// accept adds the result of a call of Accept.
func (r *report) accept(what string, l net.Listener) {
	conn, err := l.Accept()
	if err == nil {
		_ = conn.Close()
	}
	r.result("accept", what, "%s", describe(err))
}

// readFrom adds the result of ReadFrom, and whether the source is the expected one.
func (r *report) readFrom(what string, c net.PacketConn, from net.Addr) {
	buffer := make([]byte, 100)
	n, addr, err := c.ReadFrom(buffer)
	switch {
	case err != nil:
		r.result("read", what, "%q, %s, address %v", buffer[:n], describe(err), addr)
	case assert.ObjectsAreEqual(from.String(), addr.String()):
		r.result("read", what, "%q, as sent by a %T", buffer[:n], addr)
	default:
		r.result("read", what, "%q, from somebody else, %v", buffer[:n], addr)
	}
}

// writeTo adds the result of WriteTo.
func (r *report) writeTo(what string, c net.PacketConn, s string, to net.Addr) {
	n, err := c.WriteTo([]byte(s), to)
	r.result("write", what, "%d, %s", n, describe(err))
}

// describe reduces an error to its kind.
func describe(err error) string {
	text := describeCause(err)
	var opError *net.OpError
	if errors.As(err, &opError) {
		text = opError.Op + ": " + describeCause(opError.Err)
	}
	var netError net.Error
	if errors.As(err, &netError) && netError.Timeout() {
		text += ", a timeout"
	}
	return text
}

func describeCause(err error) string {
	var call *os.SyscallError
	var errno syscall.Errno
	var dnsError *net.DNSError
	var addrError *net.AddrError
	switch {
	case err == nil:
		return "ok"
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &call) && errors.As(err, &errno):
		return call.Syscall + ": " + errno.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dnsError):
		return fmt.Sprintf("DNSError %q %s, not found %t", dnsError.Name, dnsError.Err, dnsError.IsNotFound)
	case errors.As(err, &addrError):
		return "AddrError " + addrError.Err
	case errors.As(err, new(net.UnknownNetworkError)):
		return "UnknownNetworkError " + err.Error()
	case errors.Is(err, net.ErrWriteToConnected):
		return "ErrWriteToConnected"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case errors.Is(err, context.Canceled):
		return err.Error() + " (Canceled)"
	case errors.Is(err, context.DeadlineExceeded):
		return err.Error() + " (DeadlineExceeded)"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "ErrDeadlineExceeded"
	}
	return err.Error()
}

// shape adds the operation and the addresses of an error.
func (r *report) shape(what string, err error, client, server net.Addr) {
	name := func(addr net.Addr) string {
		switch {
		case addr == nil:
			return "nothing"
		case client != nil && addr.String() == client.String():
			return "the client"
		case addr.String() == server.String():
			return "the server"
		}
		return addr.String()
	}
	var opError *net.OpError
	if !errors.As(err, &opError) {
		r.add("%s: %T", what, err)
		return
	}
	r.add("%s: %s %s, source %s, address %s", what, opError.Op, opError.Net, name(opError.Source), name(opError.Addr))
}
