package simtest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

const ms = time.Millisecond

// A pair is a connection between the client's host and the server's.
type pair struct {
	t              *testing.T
	client, server net.Conn
}

// half is what connections can do beyond net.Conn.
type half interface {
	CloseWrite() error
	CloseRead() error
	SetLinger(seconds int) error
}

func (p *pair) write(c net.Conn, s string) {
	p.t.Helper()
	_, err := io.WriteString(c, s)
	require.NoError(p.t, err)
}

// arrive waits until what was sent before has arrived, on either network.
func (p *pair) arrive() { time.Sleep(20 * ms) }

// A report is what a scenario saw: results of calls, in words that are the same
// for sockets and simulated connections.
type report []string

// note adds the result of a call.
func (r *report) note(what string, n int, err error) {
	*r = append(*r, fmt.Sprintf("%s: %d, %s", what, n, describe(err)))
}

// describe reduces an error to what it is.
func describe(err error) string {
	var opError *net.OpError
	var errno syscall.Errno
	op := ""
	if errors.As(err, &opError) {
		op = opError.Op + ": "
	}
	switch {
	case err == nil:
		return "ok"
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &errno):
		var call *os.SyscallError
		if errors.As(err, &call) {
			return op + call.Syscall + ": " + errno.Error()
		}
		return op + errno.Error()
	case errors.Is(err, net.ErrClosed):
		return op + "closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		timeout := err.(net.Error).Timeout()
		return fmt.Sprint(op, "deadline, timeout ", timeout)
	}
	return fmt.Sprintf("%T %v", err, err)
}

func (r *report) read(what string, c net.Conn) {
	buffer := make([]byte, 100)
	n, err := c.Read(buffer)
	r.note("read "+what+" "+string(buffer[:n]), n, err)
}

func (r *report) write(what string, c net.Conn, s string) {
	n, err := io.WriteString(c, s)
	r.note("write "+what, n, err)
}

// scenarios run on loopback and in the simulator, and must see the same.
var scenarios = []struct {
	name string
	run  func(p *pair, r *report)
	want []string
}{
	{"bytes arrive in order", func(p *pair, r *report) {
		p.write(p.client, "one ")
		p.write(p.client, "two")
		p.arrive()
		r.read("both", p.server)
	}, []string{"read both one two: 7, ok"}},
	{"both directions", func(p *pair, r *report) {
		p.write(p.client, "there")
		r.read("at the server", p.server)
		p.write(p.server, "and back")
		r.read("at the client", p.client)
	}, []string{"read at the server there: 5, ok", "read at the client and back: 8, ok"}},
	{"data comes before the close", func(p *pair, r *report) {
		p.write(p.client, "last words")
		r.note("close", 0, p.client.Close())
		r.read("data", p.server)
		r.read("end", p.server)
		r.read("end again", p.server)
	}, []string{"close: 0, ok", "read data last words: 10, ok", "read end : 0, EOF", "read end again : 0, EOF"}},
	{"half-close, and the other direction goes on", func(p *pair, r *report) {
		p.write(p.client, "question")
		r.note("CloseWrite", 0, p.client.(half).CloseWrite())
		r.write("after CloseWrite", p.client, "more")
		r.read("question", p.server)
		r.read("end", p.server)
		p.write(p.server, "answer")
		r.read("answer", p.client)
	}, []string{"CloseWrite: 0, ok", "write after CloseWrite: 0, write: write: broken pipe", "read question question: 8, ok", "read end : 0, EOF", "read answer answer: 6, ok"}},
	{"half-close by the server", func(p *pair, r *report) {
		r.note("CloseWrite", 0, p.server.(half).CloseWrite())
		r.read("end", p.client)
		p.write(p.client, "still here")
		r.read("data", p.server)
	}, []string{"CloseWrite: 0, ok", "read end : 0, EOF", "read data still here: 10, ok"}},
	{"half-close of both ends", func(p *pair, r *report) {
		r.note("client", 0, p.client.(half).CloseWrite())
		r.note("server", 0, p.server.(half).CloseWrite())
		r.read("at the client", p.client)
		r.read("at the server", p.server)
	}, []string{"client: 0, ok", "server: 0, ok", "read at the client : 0, EOF", "read at the server : 0, EOF"}},
	{"CloseWrite twice", func(p *pair, r *report) {
		r.note("first", 0, p.client.(half).CloseWrite())
		r.note("second", 0, p.client.(half).CloseWrite())
	}, []string{"first: 0, ok", "second: 0, ok"}},
	{"CloseRead ends reading", func(p *pair, r *report) {
		r.note("CloseRead", 0, p.client.(half).CloseRead())
		r.read("after", p.client)
		r.write("still", p.client, "possible")
	}, []string{"CloseRead: 0, ok", "read after : 0, EOF", "write still: 8, ok"}},
	{"CloseRead wakes a reader", func(p *pair, r *report) {
		go func() { p.arrive(); _ = p.client.(half).CloseRead() }()
		r.read("blocked", p.client)
	}, []string{"read blocked : 0, EOF"}},
	{"methods of a closed connection", func(p *pair, r *report) {
		r.note("close", 0, p.client.Close())
		r.note("close again", 0, p.client.Close())
		r.read("", p.client)
		r.write("", p.client, "x")
		r.note("deadline", 0, p.client.SetDeadline(time.Now()))
		r.note("CloseWrite", 0, p.client.(half).CloseWrite())
		r.note("CloseRead", 0, p.client.(half).CloseRead())
		r.note("linger", 0, p.client.(half).SetLinger(0))
	}, []string{"close: 0, ok", "close again: 0, close: closed", "read  : 0, read: closed", "write : 0, write: closed",
		"deadline: 0, set: closed", "CloseWrite: 0, close: closed", "CloseRead: 0, close: closed", "linger: 0, set: closed"}},
	{"close wakes a reader", func(p *pair, r *report) {
		go func() { p.arrive(); _ = p.client.Close() }()
		r.read("blocked", p.client)
	}, []string{"read blocked : 0, read: closed"}},
	{"close wakes a writer", func(p *pair, r *report) {
		go func() { p.arrive(); _ = p.client.Close() }()
		_, err := p.client.Write(make([]byte, 64<<20))
		r.note("blocked", 0, err)
	}, []string{"blocked: 0, write: closed"}},
	{"close with something unread resets the peer", func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.arrive()
		r.note("close", 0, p.server.Close())
		p.arrive()
		r.read("first", p.client)
		r.read("second", p.client)
		r.write("then", p.client, "x")
	}, []string{"close: 0, ok", "read first : 0, read: read: connection reset by peer", "read second : 0, EOF", "write then: 0, write: write: broken pipe"}},
	{"a reset is told to the writer, once", func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.arrive()
		_ = p.server.Close()
		p.arrive()
		r.write("first", p.client, "x")
		r.write("second", p.client, "x")
		r.read("then", p.client)
	}, []string{"write first: 0, write: write: connection reset by peer", "write second: 0, write: write: broken pipe", "read then : 0, EOF"}},
	{"data that arrived before a reset can be read", func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.write(p.server, "answer")
		p.arrive()
		_ = p.server.Close()
		p.arrive()
		r.read("data", p.client)
		r.read("then", p.client)
	}, []string{"read data answer: 6, ok", "read then : 0, read: read: connection reset by peer"}},
	{"linger of zero makes close a reset", func(p *pair, r *report) {
		r.note("linger", 0, p.server.(half).SetLinger(0))
		r.note("close", 0, p.server.Close())
		r.read("", p.client)
	}, []string{"linger: 0, ok", "close: 0, ok", "read  : 0, read: read: connection reset by peer"}},
	{"a reset wakes a reader", func(p *pair, r *report) {
		go func() { p.arrive(); _ = p.server.(half).SetLinger(0); _ = p.server.Close() }()
		r.read("blocked", p.client)
	}, []string{"read blocked : 0, read: read: connection reset by peer"}},
	{"a reset wakes a writer", func(p *pair, r *report) {
		go func() { p.arrive(); _ = p.server.(half).SetLinger(0); _ = p.server.Close() }()
		_, err := p.client.Write(make([]byte, 64<<20))
		r.note("blocked", 0, err)
	}, []string{"blocked: 0, write: write: connection reset by peer"}},
	{"write after the peer has closed", func(p *pair, r *report) {
		_ = p.server.Close()
		p.arrive()
		r.write("first", p.client, "x")
		p.arrive()
		r.write("second", p.client, "x")
		r.read("then", p.client)
	}, []string{"write first: 1, ok", "write second: 0, write: write: broken pipe", "read then : 0, EOF"}},
	{"half-close of a reset connection", func(p *pair, r *report) {
		_ = p.server.(half).SetLinger(0)
		_ = p.server.Close()
		p.arrive()
		r.note("CloseWrite", 0, p.client.(half).CloseWrite())
		r.note("CloseRead", 0, p.client.(half).CloseRead())
		r.note("close", 0, p.client.Close())
	}, []string{"CloseWrite: 0, close: shutdown: transport endpoint is not connected", "CloseRead: 0, close: shutdown: transport endpoint is not connected", "close: 0, ok"}},
	{"both close at once", func(p *pair, r *report) {
		r.note("client", 0, p.client.Close())
		r.note("server", 0, p.server.Close())
	}, []string{"client: 0, ok", "server: 0, ok"}},
	{"deadline in the past", func(p *pair, r *report) {
		p.write(p.server, "unread")
		p.arrive()
		_ = p.client.SetDeadline(time.Now().Add(-time.Hour))
		r.read("", p.client)
		r.write("", p.client, "x")
		_ = p.client.SetDeadline(time.Time{})
		r.read("taken away", p.client)
	}, []string{"read  : 0, read: deadline, timeout true", "write : 0, write: deadline, timeout true", "read taken away unread: 6, ok"}},
	{"deadline in the future", func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(20 * ms))
		r.read("", p.client)
		r.read("again", p.client)
		r.write("the other direction", p.client, "x")
	}, []string{"read  : 0, read: deadline, timeout true", "read again : 0, read: deadline, timeout true", "write the other direction: 1, ok"}},
	{"deadline set while blocked", func(p *pair, r *report) {
		go func() { p.arrive(); _ = p.client.SetReadDeadline(time.Now()) }()
		r.read("", p.client)
	}, []string{"read  : 0, read: deadline, timeout true"}},
	{"deadline put off while blocked", func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(400 * ms))
		go func() {
			p.arrive()
			_ = p.client.SetReadDeadline(time.Now().Add(time.Hour))
			time.Sleep(500 * ms)
			_, _ = io.WriteString(p.server, "late")
		}()
		r.read("", p.client)
	}, []string{"read  late: 4, ok"}},
	{"a full window blocks the writer until its deadline", func(p *pair, r *report) {
		data := make([]byte, 64<<20)
		_ = p.client.SetWriteDeadline(time.Now().Add(100 * ms))
		n, err := p.client.Write(data)
		r.note("some of it", min(n, 1), err)
	}, []string{"some of it: 1, write: deadline, timeout true"}},
	{"a reader makes room for a blocked writer", func(p *pair, r *report) {
		var wait sync.WaitGroup
		wait.Go(func() {
			n, err := io.Copy(io.Discard, p.server)
			r.note("read", int(n), err)
		})
		n, err := p.client.Write(make([]byte, 16<<20))
		_ = p.client.Close()
		wait.Wait()
		r.note("written", n, err)
	}, []string{"read: 16777216, ok", "written: 16777216, ok"}},
	{"empty reads and writes", func(p *pair, r *report) {
		r.write("empty", p.client, "")
		n, err := p.client.Read(nil)
		r.note("read empty", n, err)
	}, []string{"write empty: 0, ok", "read empty: 0, ok"}},
	{"addresses agree", func(p *pair, r *report) {
		*r = append(*r,
			fmt.Sprint(p.client.LocalAddr().String() == p.server.RemoteAddr().String()),
			fmt.Sprint(p.client.RemoteAddr().String() == p.server.LocalAddr().String()),
			fmt.Sprintf("%T %s", p.client.LocalAddr(), p.client.LocalAddr().Network()))
	}, []string{"true", "true", "*net.TCPAddr tcp"}},
}

func TestScenarios(t *testing.T) {
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			testnet.Each(t, func(t *testing.T, n *testnet.Net) {
				listener, address := n.Listen(t)
				p := &pair{t: t, client: n.MustDial(t, address)}
				var err error
				p.server, err = listener.Accept()
				require.NoError(t, err)
				t.Cleanup(func() { _ = p.server.Close() })
				var got report
				scenario.run(p, &got)
				assert.Equal(t, scenario.want, []string(got))
			})
		})
	}
}
