package clients_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

// BenchmarkWaiting measures the cost per poem of waiting for many poems at once
// over loopback: the memory in use by both ends, and goroutines. bench/readers
// measures each end in a separate process.
func BenchmarkWaiting(b *testing.B) {
	for _, conns := range []int{100, 1000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			for b.Loop() {
				waiting(b, conns)
			}
		})
	}
}

// waiting gets poems of one line each, and measures the memory and the
// goroutines in use when all lines have arrived and no poem has ended.
func waiting(b *testing.B, conns int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	accepted := make(chan net.Conn, conns)
	go func() {
		defer close(accepted)
		for range conns {
			conn, err := listener.Accept()
			if err != nil {
				b.Error(err)
				return
			}
			accepted <- conn
			_, _ = conn.Write([]byte("a line\n"))
		}
	}()
	addresses := make([]string, conns)
	for i := range addresses {
		addresses[i] = listener.Addr().String()
	}
	memory, goroutines := testnet.InUse()
	lines := 0
	client := clients.Client{Observer: func(e clients.TaskEvent) {
		if e.Kind != clients.Piece {
			return
		}
		if lines++; lines == conns {
			moreMemory, moreGoroutines := testnet.InUse()
			b.ReportMetric(float64(moreMemory-memory)/float64(conns), "B/conn")
			b.ReportMetric(float64(moreGoroutines-goroutines)/float64(conns), "goroutines/conn")
			go func() {
				for conn := range accepted {
					_ = conn.Close()
				}
			}()
		}
	}}
	for _, result := range client.GetAllAsync(b.Context(), addresses) {
		require.NoError(b, result.Err)
	}
	require.NoError(b, listener.Close())
}
