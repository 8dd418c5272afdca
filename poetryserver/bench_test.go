package poetryserver_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// BenchmarkServing measures the memory and the goroutines that a concurrent server uses for
// each of many clients that have received a part of the poem, over loopback. The memory
// includes the client's end. bench/readers measures the server in a process of its own.
func BenchmarkServing(b *testing.B) {
	for _, conns := range []int{100, 1000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			for b.Loop() {
				serving(b, conns)
			}
		})
	}
}

func serving(b *testing.B, conns int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &poetryserver.Server{
		Poem:       make([]byte, 3000),
		Pace:       netem.Pace{Bytes: 10, Wait: time.Hour},
		Concurrent: true,
	}
	memory, goroutines := testnet.InUse()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	clients := make([]net.Conn, conns)
	for i := range clients {
		clients[i], err = net.Dial("tcp", listener.Addr().String())
		require.NoError(b, err)
		_, err = io.ReadFull(clients[i], make([]byte, 10))
		require.NoError(b, err)
	}
	moreMemory, moreGoroutines := testnet.InUse()
	b.ReportMetric(float64(moreMemory-memory)/float64(conns), "B/conn")
	b.ReportMetric(float64(moreGoroutines-goroutines)/float64(conns), "goroutines/conn")
	require.NoError(b, server.Close())
	require.ErrorIs(b, <-served, poetryserver.ErrServerClosed)
	for _, client := range clients {
		_ = client.Close()
	}
}
