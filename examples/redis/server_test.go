package redis

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A store is a small Redis: it knows PING, GET, SET and INCR, and no HELLO, as
// servers before Redis 6 do not.
type store struct {
	mu       sync.Mutex
	values   map[string]string
	commands []string // all that have arrived
}

// serve starts a store on port 6379 of the host "server".
func serve(t *testing.T, sim *simtest.Sim) *store {
	t.Helper()
	listener, err := sim.Host("server").Listen("tcp", ":6379")
	require.NoError(t, err)
	s := &store{values: make(map[string]string)}
	go func() { _ = redcon.Serve(listener, s.handle, nil, nil) }()
	t.Cleanup(func() { _ = listener.Close() })
	return s
}

// handle answers one command.
func (s *store) handle(conn redcon.Conn, command redcon.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, word := range command.Args {
		words = append(words, string(word))
	}
	s.commands = append(s.commands, strings.Join(words, " "))
	switch name := strings.ToUpper(words[0]); {
	case name == "PING":
		conn.WriteString("PONG")
	case name == "SET" && len(words) == 3:
		s.values[words[1]] = words[2]
		conn.WriteString("OK")
	case name == "GET" && len(words) == 2:
		if value, ok := s.values[words[1]]; ok {
			conn.WriteBulkString(value)
		} else {
			conn.WriteNull()
		}
	default:
		conn.WriteError("ERR unknown command '" + words[0] + "'")
	}
}

// seen returns the commands that have arrived, without those with which a
// client introduces itself.
func (s *store) seen() (commands []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, command := range s.commands {
		if !strings.HasPrefix(strings.ToUpper(command), "HELLO") {
			commands = append(commands, command)
		}
	}
	return commands
}
