package kernel

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/internal/wire"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Scenario returns the figures of a scenario over a path with a seed, and the
// lateness of packets.
func Scenario(s *kerneltimes.Scenario, seed uint64) ([]kerneltimes.Figure, wire.Lateness, error) {
	path, err := NewPath(s.Path, seed)
	if err != nil {
		return nil, wire.Lateness{}, err
	}
	defer path.Close()
	n := &network{Path: path, tcp: s.TCP}
	if n.tcp.Congestion == 0 {
		n.tcp.Congestion = netem.CUBIC
	}
	defer n.close()
	figures, err := s.Run(n)
	for i := range figures {
		figures[i].Scenario, figures[i].Runs = s.Name, 1
	}
	return figures, path.Late(), err
}

// A network is a path with its connections.
type network struct {
	*Path
	tcp netem.TCP

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func (n *network) Listen() (net.Listener, error) {
	listener, err := n.Path.Listen(port, n.tcp)
	return &keeper{listener, n}, err
}

func (n *network) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := n.Path.Dial(ctx, port, n.tcp)
	if err == nil {
		n.keep(conn)
	}
	return conn, err
}

// A keeper is a listener that keeps its connections.
type keeper struct {
	net.Listener
	network *network
}

func (l *keeper) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.network.keep(conn)
	}
	return conn, err
}

func (n *network) keep(conn net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, conn)
}

// close ends all connections, so that the scenario's goroutines end.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Cut(true, true)
	for _, conn := range n.conns {
		_ = conn.SetDeadline(time.Now())
		abort(conn)
	}
}
