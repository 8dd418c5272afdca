package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/internal/tun"
)

// A namespace is a network namespace whose only connection to the outside is a
// TUN device.
type namespace struct {
	fd  int // of the namespace, which exists until fd is closed
	tun int // file descriptor of the device
}

// settings are sysctls. The sizes of buffers are the defaults of Linux up to 6.15, which
// package netem has too; the maximum of tcp_rmem has been 32 MiB since 6.16.
var settings = map[string]string{
	"net.ipv6.conf.tun0.disable_ipv6": "1", // no packets except the measured ones
	"net.ipv4.tcp_no_metrics_save":    "1", // no connection uses the metrics of an earlier one
	"net.ipv4.tcp_rmem":               "4096 131072 6291456",
	"net.ipv4.tcp_wmem":               "4096 16384 4194304",
}

// newNamespace returns a namespace whose device has the given address and MTU.
// An MTU of 0 means the default of a TUN device, 1,500.
func newNamespace(address netip.Prefix, mtu int) (*namespace, error) {
	n := &namespace{fd: -1, tun: -1}
	err := tun.OnThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create a network namespace: %w", err)
		}
		if n.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open the network namespace: %w", err)
		}
		if n.tun, err = tun.Open("tun0"); err != nil {
			return err
		}
		for name, value := range settings {
			err := os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return tun.Configure("tun0", tun.Config{Addresses: []netip.Prefix{address}, MTU: mtu, Queue: 20_000}) // the device itself drops no packets
	})
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// do calls f on a thread in the namespace. Sockets that f creates belong to the
// namespace.
func (n *namespace) do(f func() error) error {
	return tun.OnThread(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

func (n *namespace) close() {
	for _, fd := range []int{n.tun, n.fd} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
