package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// A namespace is a network namespace. A TUN device is the only way out of it.
type namespace struct {
	fd  int // of the namespace, which ends when it is closed
	tun int // the device
}

// settings are those of Linux that a distribution may have changed.
var settings = map[string]string{
	"net.ipv6.conf.tun0.disable_ipv6": "1", // no packet but those that are measured
	"net.ipv4.tcp_no_metrics_save":    "1", // no connection learns from the one before
	"net.ipv4.tcp_rmem":               "4096 131072 6291456",
	"net.ipv4.tcp_wmem":               "4096 16384 4194304",
}

// newNamespace returns a namespace whose device has the address.
func newNamespace(address netip.Prefix) (*namespace, error) {
	n := &namespace{fd: -1, tun: -1}
	err := onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a network namespace: %w", err)
		}
		if n.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("the network namespace: %w", err)
		}
		if n.tun, err = openTUN("tun0"); err != nil {
			return fmt.Errorf("a TUN device: %w", err)
		}
		for name, value := range settings {
			err := os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := configure("tun0", address); err != nil {
			return fmt.Errorf("the TUN device: %w", err)
		}
		return nil
	})
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// do calls f on a thread in the namespace: sockets that it makes are there.
func (n *namespace) do(f func() error) error {
	return onThread(func() error {
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

// onThread calls f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// openTUN makes a TUN device in the thread's namespace. It ends with the file.
func openTUN(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// configure gives a device its address and switches it on.
func configure(name string, address netip.Prefix) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	mask := netip.AddrFrom4([4]byte{255, 255, 255, 0})
	for _, set := range []struct {
		command uint
		value   func(r *unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(address.Addr().AsSlice()) }},
		{unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask.AsSlice()) }},
		{unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(20_000); return nil }}, // it drops none itself
		{unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		request, err := unix.NewIfreq(name)
		if err == nil {
			err = set.value(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(socket, set.command, request)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
