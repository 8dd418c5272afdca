package main

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

func init() {
	insidePrograms["download"] = download
	insidePrograms["upload"] = upload
}

// download reads the given number of bytes, and prints the time.
func download(args []string, out io.Writer) error {
	return transfer(args, out, func(conn net.Conn, n int64) (int64, error) { return io.CopyN(io.Discard, conn, n) })
}

// upload writes the given number of bytes, and prints the time until they have arrived.
func upload(args []string, out io.Writer) error {
	return transfer(args, out, func(conn net.Conn, n int64) (int64, error) {
		n, err := io.CopyN(conn, zeros{}, n)
		if err != nil {
			return n, err
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return n, err
		}
		_, err = io.ReadAll(conn)
		return n, err
	})
}

func transfer(args []string, out io.Writer, copyTo func(conn net.Conn, n int64) (int64, error)) error {
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	start := time.Now()
	if _, err = copyTo(conn, n); err == nil {
		fmt.Fprintln(out, time.Since(start).Nanoseconds())
	}
	return err
}

// zeros is an endless source of zeros.
type zeros struct{}

// Read reads zeros.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// BenchmarkThroughput measures the throughput of a path without limits, one connection at
// a time.
func BenchmarkThroughput(b *testing.B) {
	for _, direction := range []string{"download", "upload"} {
		b.Run(direction, func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(b, err)
			defer listener.Close()
			go testnet.Serve(listener, func(conn net.Conn) {
				if direction == "upload" {
					_, _ = io.Copy(io.Discard, conn)
					return
				}
				_, _ = io.Copy(conn, zeros{})
			})
			const size = 200 << 20
			b.SetBytes(size)
			var took time.Duration
			for b.Loop() {
				out, err := exec.Command(program, "--", testProgram, "inside", direction,
					fmt.Sprintf("%s:%d", hostName, listener.Addr().(*net.TCPAddr).Port), strconv.Itoa(size)).Output()
				require.NoError(b, err)
				var nanoseconds int64
				_, err = fmt.Sscan(string(out), &nanoseconds)
				require.NoError(b, err)
				took += time.Duration(nanoseconds)
			}
			b.ReportMetric(float64(b.N)*size*8/1e9/took.Seconds(), "Gbit/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkStart measures the time until a command that does nothing has ended.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		require.NoError(b, exec.Command(program, "--", "true").Run())
	}
}
