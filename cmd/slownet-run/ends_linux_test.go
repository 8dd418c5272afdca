package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func init() {
	insidePrograms["half-close"] = halfClose
	insidePrograms["reset-by-peer"] = resetByPeer
	insidePrograms["reset"] = reset
	insidePrograms["udp"] = udpEcho
	insidePrograms["refused"] = refused
	insidePrograms["lookup"] = lookup
	insidePrograms["leave-tcp"] = leaveTCP
	insidePrograms["leave-udp"] = leaveUDP
}

// onHost listens on this machine's loopback, and serves one connection.
func onHost(t *testing.T, serve func(conn *net.TCPConn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err == nil {
			serve(conn.(*net.TCPConn))
			_ = conn.Close()
		}
	}()
	return fmt.Sprintf("%s:%d", hostName, listener.Addr().(*net.TCPAddr).Port)
}

// insideRun runs one of insidePrograms in slownet run's namespace, and returns its
// result.
func insideRun(t *testing.T, as user, flags []string, args ...string) result {
	t.Helper()
	r := runProgram(t, as, slices.Concat(flags, []string{"--", testProgram, "inside"}, args)...)
	require.Zero(t, r.status, "%s%s", r.stdout, r.stderr)
	return r
}

func dialInside(address string) (*net.TCPConn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), conn.SetDeadline(time.Now().Add(limit / 2))
}

func halfClose(args []string, out io.Writer) error {
	conn, err := dialInside(args[0])
	if err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "all I have to say"); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(out, conn)
	return err
}

// The other direction of a half-closed connection still works.
func TestHalfCloseIsPassedOn(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		address := onHost(t, func(conn *net.TCPConn) {
			said, _ := io.ReadAll(conn)
			_, _ = conn.Write(bytes.ToUpper(said))
		})
		assert.Equal(t, "ALL I HAVE TO SAY", insideRun(t, as, []string{"--latency", "5ms"}, "half-close", address).stdout)
	})
}

func resetByPeer(args []string, out io.Writer) error {
	conn, err := dialInside(args[0])
	if err != nil {
		return err
	}
	if _, err = conn.Write([]byte("x")); err == nil {
		_, err = io.Copy(io.Discard, conn)
	}
	if errors.Is(err, unix.ECONNRESET) {
		_, err = io.WriteString(out, "reset")
	}
	return err
}

func reset(args []string, _ io.Writer) error {
	conn, err := dialInside(args[0])
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return err
	}
	if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // to let it leave
	return nil
}

// A reset is passed on to the other end, in both directions.
func TestResetsArePassedOn(t *testing.T) {
	t.Parallel()
	address := onHost(t, func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.SetLinger(0)
	})
	assert.Equal(t, "reset", insideRun(t, self, nil, "reset-by-peer", address).stdout)

	got := make(chan error, 1)
	address = onHost(t, func(conn *net.TCPConn) {
		_, _ = conn.Write([]byte("x"))
		_ = conn.SetDeadline(time.Now().Add(limit))
		_, err := conn.Read(make([]byte, 1))
		got <- err
	})
	insideRun(t, self, nil, "reset", address)
	assert.ErrorIs(t, <-got, unix.ECONNRESET)
}

func udpEcho(args []string, out io.Writer) error {
	conn, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	buffer := make([]byte, 1<<16)
	for _, size := range []int{1, 1000, 1472, 8000} { // the last one is fragmented
		if _, err := conn.Write(make([]byte, size)); err != nil {
			return err
		}
		n, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		fmt.Fprint(out, n, " ")
	}
	return nil
}

// Datagrams reach the host's loopback and come back, including large ones.
func TestDatagrams(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	address := fmt.Sprintf("%s:%d", hostName, conn.LocalAddr().(*net.UDPAddr).Port)
	asEach(t, func(t *testing.T, as user) {
		assert.Equal(t, "1 1000 1472 8000 ", insideRun(t, as, nil, "udp", address).stdout)
	})
}

// refused prints whether each address refuses a connection and a datagram.
func refused(args []string, out io.Writer) error {
	for _, address := range args {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := net.Dial(network, address)
			if err == nil {
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, err = conn.Write([]byte("x"))
			}
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			fmt.Fprint(out, network, " ", errors.Is(err, unix.ECONNREFUSED), " ")
		}
	}
	return nil
}

// A closed port refuses, on the host and on the gateway.
func TestClosedPortsRefuse(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		r := insideRun(t, as, nil, "refused", hostName+":1", gatewayName+":1")
		assert.Equal(t, "tcp true udp true tcp true udp true ", r.stdout)
		assert.Less(t, r.took, 5*time.Second)
	})
}

// lookup looks up names with the name server of resolv.conf, without a hosts file.
func lookup(args []string, out io.Writer) error {
	for _, network := range []string{"udp", "tcp"} {
		for _, name := range args {
			conn, err := net.Dial(network, nameServer("/etc/resolv.conf")+":53")
			if err != nil {
				return err
			}
			_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
			question := dnsmessage.Message{
				Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
				Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
			}
			packed, err := question.Pack()
			if err != nil {
				return err
			}
			if network == "tcp" {
				packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
			}
			if _, err := conn.Write(packed); err != nil {
				return err
			}
			answer := make([]byte, 512)
			n, err := conn.Read(answer)
			if err != nil {
				return err
			}
			answer = answer[:n]
			if network == "tcp" {
				answer = answer[2:]
			}
			var got dnsmessage.Message
			if err := got.Unpack(answer); err != nil {
				return err
			}
			fmt.Fprint(out, got.RCode, " ")
			for _, r := range got.Answers {
				if a, ok := r.Body.(*dnsmessage.AResource); ok {
					fmt.Fprint(out, net.IP(a.A[:]), " ")
				}
			}
		}
	}
	return nil
}

// The host resolves names, with its hosts file; slownet run itself resolves its own
// names.
func TestNamesAreTheHosts(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		r := insideRun(t, as, []string{"--latency", "20ms"}, "lookup", "localhost.", hostName+".", "no-such.slownet.")
		const want = "RCodeSuccess 127.0.0.1 RCodeSuccess 198.51.100.2 RCodeNameError "
		assert.Equal(t, want+want, r.stdout)
		assert.GreaterOrEqual(t, r.took, 3*40*time.Millisecond+3*80*time.Millisecond)
	})
}

// A profile's Lookup is added to the time of each lookup.
func TestLookupTakesLonger(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dns.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"lookup": "300ms"}`), 0o644))
	r := insideRun(t, self, []string{"--profile", file}, "lookup", hostName+".")
	assert.GreaterOrEqual(t, r.took, 600*time.Millisecond)
}

// seedThatLosesTheFirst returns a seed with which the first packet of the first flow is
// lost, and the next packets are not.
func seedThatLosesTheFirst(loss float64) uint64 {
	for seed := uint64(1); ; seed++ {
		line, lost := netem.NewLine(netem.Link{Loss: netem.Loss{Random: loss}}, 2*seed+1), [10]bool{}
		for i := range lost {
			lost[i] = line.Send(0, 100, netem.PacketID{Flow: 1, Number: uint64(i + 1)}, nil).Count == 0
		}
		if lost == [10]bool{true} {
			return seed
		}
	}
}

// A capture contains the packets that the command sent and received, in order, and marks
// lost packets.
func TestCapture(t *testing.T) {
	t.Parallel()
	needs(t, "curl", "curl")
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "found in the capture") })
	file := filepath.Join(t.TempDir(), "run.pcapng")
	r := runProgram(t, self, "--latency", "10ms", "--up", "loss=20%", "--seed", fmt.Sprint(seedThatLosesTheFirst(0.2)), "--pcap", file, "--", "curl", "-sS", fmt.Sprintf("http://%s:%d/", hostName, port))
	require.Equal(t, "found in the capture", r.stdout, r.stderr)
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	reader, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	require.Equal(t, layers.LinkTypeRaw, reader.LinkType())
	var last time.Time
	var sent, arrived, lost int
	var data []byte
	for {
		packet, info, options, err := reader.ReadPacketDataWithOptions()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		assert.False(t, info.Timestamp.Before(last), "in order of time")
		last = info.Timestamp
		decoded := gopacket.NewPacket(packet, layers.LayerTypeIPv4, gopacket.Default)
		require.Nil(t, decoded.ErrorLayer())
		if decoded.NetworkLayer().(*layers.IPv4).SrcIP.Equal(commandAddress.Addr().AsSlice()) {
			sent++
			assert.Equal(t, pcapgo.NgEpbFlagDirectionOutbound, options.Flags.Direction)
		} else {
			arrived++
			assert.Equal(t, pcapgo.NgEpbFlagDirectionInbound, options.Flags.Direction)
			data = append(data, decoded.TransportLayer().LayerPayload()...)
		}
		for _, comment := range options.Comments {
			assert.Equal(t, "dropped on the path: loss", comment)
			lost++
		}
	}
	assert.Contains(t, string(data), "found in the capture")
	assert.GreaterOrEqual(t, sent, 4)
	assert.GreaterOrEqual(t, arrived, 3)
	assert.Equal(t, 1, lost)
}

// Data that the command wrote before it ended is delivered, as it would be by a kernel.
func TestUnsentDataIsDeliveredAfterTheCommand(t *testing.T) {
	t.Parallel()
	const size = 50_000
	got := make(chan int, 1)
	address := onHost(t, func(conn *net.TCPConn) {
		data, _ := io.ReadAll(conn)
		got <- len(data)
	})
	insideRun(t, self, []string{"--profile", "webpagetest/3g"}, "leave-tcp", address, fmt.Sprint(size))
	assert.Equal(t, size, <-got)

	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	insideRun(t, self, []string{"--latency", "100ms"}, "leave-udp", fmt.Sprintf("%s:%d", hostName, conn.LocalAddr().(*net.UDPAddr).Port))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
	n, _, err := conn.ReadFrom(make([]byte, 100))
	require.NoError(t, err)
	assert.Equal(t, 7, n)
}

func leaveTCP(args []string, _ io.Writer) error {
	conn, err := dialInside(args[0])
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	_, err = conn.Write(make([]byte, size)) // it fits into the kernel's buffers
	return err
}

func leaveUDP(args []string, _ io.Writer) error {
	conn, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, "goodbye")
	return err
}
