package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// insideVariable is the environment variable that is set if a test runs again, in
// namespaces of its own.
const insideVariable = "SLOWNET_TUN_INSIDE"

// inNamespaces runs the test again, in a user and a network namespace of its own. It
// returns true inside these, and false outside, where the test has nothing left to do.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	c := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), insideVariable+"=1")
	id := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: id(os.Geteuid()), GidMappings: id(os.Getegid())}
	out, err := c.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Skipf("namespaces are not allowed here: %v", err)
	}
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	return false
}

// open creates a device for a test.
func open(t *testing.T, name string) (fd int) {
	t.Helper()
	fd, err := Open(name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skipf("devices are not allowed here: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// queueOf returns the length of a device's queue, in packets.
func queueOf(t *testing.T, name string) uint32 {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(socket)
	r, err := unix.NewIfreq(name)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlIfreq(socket, unix.SIOCGIFTXQLEN, r))
	return r.Uint32()
}

// A device has the addresses, the sizes and the gateways of its configuration.
func TestConfigure(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	open(t, "slow1")
	addresses := []netip.Prefix{netip.MustParsePrefix("198.51.100.100/24"), netip.MustParsePrefix("2001:db8:6f::100/64")}
	require.NoError(t, Configure("slow1", Config{
		Addresses: addresses, MTU: 1400, Queue: 77,
		Gateways: []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:6f::1")},
	}))
	device, err := net.InterfaceByName("slow1")
	require.NoError(t, err)
	assert.Equal(t, 1400, device.MTU)
	assert.NotZero(t, device.Flags&net.FlagUp)
	assert.EqualValues(t, 77, queueOf(t, "slow1"))
	has, err := device.Addrs()
	require.NoError(t, err)
	for _, want := range addresses {
		assert.Contains(t, fmt.Sprint(has), want.String())
	}
	for _, far := range []string{"192.0.2.7:9", "[2001:db8:7::7]:9"} { // behind the gateways
		conn, err := net.Dial("udp", far)
		require.NoError(t, err)
		assert.Contains(t, fmt.Sprint(addresses), conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().String()+"/")
		require.NoError(t, conn.Close())
	}

	open(t, "slow2")
	require.NoError(t, Configure("slow2", Config{}))
	device, err = net.InterfaceByName("slow2")
	require.NoError(t, err)
	assert.Equal(t, 1500, device.MTU, "the default")
	assert.EqualValues(t, 500, queueOf(t, "slow2"), "the default")
	assert.ErrorContains(t, Configure("slow2", Config{MTU: 1 << 20}), "bring up slow2: ")
	assert.ErrorContains(t, Configure("none", Config{}), "the device none: ")
}

// A read returns a packet that the kernel has sent, and the kernel receives a written packet.
func TestPackets(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	fd := open(t, "slow1")
	require.NoError(t, Configure("slow1", Config{Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.100/24")}}))
	conn, err := net.Dial("udp4", "198.51.100.7:9")
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("sent"))
	require.NoError(t, err)
	packet := make([]byte, 1500)
	for end := time.Now().Add(10 * time.Second); ; { // the kernel may send others, for IPv6
		require.True(t, time.Now().Before(end))
		n, err := unix.Read(fd, packet)
		if err == unix.EAGAIN {
			time.Sleep(time.Millisecond)
			continue
		}
		require.NoError(t, err)
		if packet[0]>>4 == 4 && packet[9] == unix.IPPROTO_UDP {
			packet = packet[:n]
			break
		}
	}
	assert.Equal(t, "sent", string(packet[28:]))
	assert.Equal(t, []byte{198, 51, 100, 7}, packet[16:20])

	// The packet is sent back. Swapping source and destination changes no checksum.
	copy(packet[12:20], append(append([]byte(nil), packet[16:20]...), packet[12:16]...))
	source, destination := binary.BigEndian.Uint16(packet[20:]), binary.BigEndian.Uint16(packet[22:])
	binary.BigEndian.PutUint16(packet[20:], destination)
	binary.BigEndian.PutUint16(packet[22:], source)
	_, err = unix.Write(fd, packet)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := conn.Read(packet)
	require.NoError(t, err)
	assert.Equal(t, "sent", string(packet[:n]))
}

// No thread is left in a namespace that the function of OnThread has entered.
func TestOnThread(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	failed := errors.New("failed")
	assert.Equal(t, failed, OnThread(func() error {
		require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))
		other, err := os.Readlink("/proc/thread-self/ns/net")
		require.NoError(t, err)
		assert.NotEqual(t, own, other)
		return failed
	}))
	assert.Eventually(t, func() bool {
		all, err := filepath.Glob("/proc/self/task/*/ns/net")
		require.NoError(t, err)
		for _, thread := range all {
			if is, err := os.Readlink(thread); err == nil && is != own {
				return false
			}
		}
		return true
	}, 10*time.Second, time.Millisecond)
}
