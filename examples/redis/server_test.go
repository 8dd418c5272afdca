package redis

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A store is a small Redis server: it supports PING, GET, SET and INCR, but not
// HELLO, like servers before Redis 6.
type store struct {
	sim *simtest.Sim

	mu       sync.Mutex
	values   map[string]string
	arrivals map[string][]time.Duration // of commands, by their name
}

// serve starts a store on port 6379 of the host "server".
func serve(t *testing.T, sim *simtest.Sim) *store {
	t.Helper()
	listener, err := sim.Host("server").Listen("tcp", ":6379")
	require.NoError(t, err)
	s := &store{sim: sim, values: make(map[string]string), arrivals: make(map[string][]time.Duration)}
	go func() { _ = redcon.Serve(listener, s.handle, nil, nil) }()
	t.Cleanup(func() { _ = listener.Close() })
	return s
}

// handle answers one command.
func (s *store) handle(conn redcon.Conn, command redcon.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, args := strings.ToUpper(string(command.Args[0])), command.Args[1:]
	s.arrivals[name] = append(s.arrivals[name], s.sim.Elapsed())
	switch {
	case name == "PING" && len(args) == 0:
		conn.WriteString("PONG")
	case name == "SET" && len(args) == 2:
		s.values[string(args[0])] = string(args[1])
		conn.WriteString("OK")
	case name == "GET" && len(args) == 1:
		if value, ok := s.values[string(args[0])]; ok {
			conn.WriteBulkString(value)
		} else {
			conn.WriteNull()
		}
	case name == "INCR" && len(args) == 1:
		count, _ := strconv.Atoi(s.values[string(args[0])])
		s.values[string(args[0])] = strconv.Itoa(count + 1)
		conn.WriteInt(count + 1)
	default:
		conn.WriteError("ERR unknown command '" + name + "'")
	}
}

// when returns the arrival times of commands with the given name.
func (s *store) when(name string) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.arrivals[name])
}
