package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A testPath is a path whose device is a pair of sockets.
type testPath struct {
	*path
	file   int // the path's end
	device int // the kernel's end: tests write what the kernel sends, and read what it receives
	mu     sync.Mutex
	sent   []string // payloads that have arrived at the stack
}

func newTestPath(t *testing.T, profile netem.Profile, c *capture) *testPath {
	t.Helper()
	files, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	p := &testPath{file: files[0], device: files[1]}
	p.path, err = newPath(profile, 1, 1500, files[0], func(packet []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sent = append(p.sent, string(packet[20:]))
	}, c)
	require.NoError(t, err)
	p.run()
	t.Cleanup(func() {
		p.close()
		_, _ = unix.Close(files[0]), unix.Close(files[1])
	})
	return p
}

// send sends a packet with a payload in each direction, and waits until both are on their
// lines.
func (p *testPath) send(t *testing.T, payload string) {
	t.Helper()
	command, server := commandAddress.Addr(), hostAddress
	_, err := unix.Write(p.device, ipPacket(command, server, protocolUDP, []byte(payload)))
	require.NoError(t, err)
	packet := ipPacket(server, command, protocolUDP, []byte(payload))
	p.down.Send(append(p.down.Buffer()[:0], packet...))
	require.Eventually(t, func() bool {
		unread, err := unix.IoctlGetInt(p.file, unix.TIOCINQ)
		return err == nil && unread == 0
	}, 10*time.Second, time.Millisecond)
}

// arrived returns the payloads that have arrived in each direction so far.
func (p *testPath) arrived(t *testing.T, received *[]string) (up, down []string) {
	t.Helper()
	packet := make([]byte, 1500)
	for {
		n, err := unix.Read(p.device, packet)
		if err == unix.EAGAIN {
			break
		}
		require.NoError(t, err)
		*received = append(*received, string(packet[20:n]))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.sent...), *received
}

// Each direction has its own link of the profile, from the start and after a change.
func TestDirections(t *testing.T) {
	t.Parallel()
	lost := netem.Link{Loss: netem.Loss{Random: 1}}
	p := newTestPath(t, netem.Profile{Up: lost}, nil)
	var received []string
	becomes := func(wantUp, wantDown []string) {
		t.Helper()
		assert.Eventually(t, func() bool {
			up, down := p.arrived(t, &received)
			return fmt.Sprint(up, down) == fmt.Sprint(wantUp, wantDown)
		}, 10*time.Second, time.Millisecond, "%v %v", wantUp, wantDown)
	}
	p.send(t, "one")
	becomes(nil, []string{"one"})
	p.set(netem.Profile{Down: lost})
	p.send(t, "two")
	becomes([]string{"two"}, []string{"one"})
	p.set(netem.Profile{})
	_, err := unix.Write(p.device, ipPacket(commandAddress.Addr(), netip.MustParseAddr("224.0.0.22"), protocolUDP, []byte("for neighbours")))
	require.NoError(t, err)
	p.send(t, "three")
	becomes([]string{"two", "three"}, []string{"one", "three"})
}

// Packets for the kernel's neighbours stay on the device's own link.
func TestPacketsForNeighbours(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]bool{
		"198.51.100.2":    false,
		"224.0.0.22":      true, // reports of multicast groups
		"239.1.2.3":       false,
		"2001:db8:6f::1":  false,
		"ff02::2":         true, // all routers
		"fe80::1":         true,
		"ff0e::1":         false,
		"ff01::1":         true,
		"2001:db8:fe80::": false,
	} {
		from := commandAddress.Addr()
		address := netip.MustParseAddr(to)
		if address.Is6() {
			from = commandAddress6.Addr()
		}
		assert.Equal(t, want, staysOnLink(ipPacket(from, address, protocolUDP, make([]byte, 8))), to)
	}
	assert.True(t, staysOnLink([]byte("not IP")))
}

// Each packet in a capture has the time at which it was sent or arrived, however late it is
// written.
func TestCaptureHasTheTimes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "times.pcapng")
	c, err := newCapture(file, []string{"true"})
	require.NoError(t, err)
	packet := ipPacket(commandAddress.Addr(), hostAddress, protocolUDP, []byte("x"))
	at := time.Date(2020, 2, 3, 4, 5, 6, 789_012_345, time.UTC)
	c.sent(at, packet, netem.NotDropped)
	c.sent(at.Add(time.Nanosecond), packet, netem.DroppedByQueue)
	before := time.Now()
	c.arrived(packet)
	after := time.Now()
	require.NoError(t, c.close())

	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	reader, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	var times []time.Time
	var comments []string
	for {
		data, info, options, err := reader.ReadPacketDataWithOptions()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		assert.Equal(t, packet, data)
		times, comments = append(times, info.Timestamp.UTC()), append(comments, options.Comments...)
	}
	require.Len(t, times, 3)
	assert.Equal(t, []time.Time{at, at.Add(time.Nanosecond)}, times[:2])
	assert.LessOrEqual(t, before.UnixNano(), times[2].UnixNano())
	assert.GreaterOrEqual(t, after.UnixNano(), times[2].UnixNano())
	assert.Equal(t, []string{"dropped on the path: queue full"}, comments)
}

func init() { insidePrograms["mtu"] = printMTU }

// printMTU prints the MTU of the device.
func printMTU(_ []string, out io.Writer) error {
	device, err := net.InterfaceByName(deviceName)
	if err == nil {
		fmt.Fprint(out, device.MTU)
	}
	return err
}

// The command's device has the path's MTU.
func TestDeviceHasTheMTU(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "1300", insideRun(t, self, []string{"--up", "mtu=1300"}, "mtu").stdout)
	assert.Equal(t, "1500", insideRun(t, self, nil, "mtu").stdout)
}
