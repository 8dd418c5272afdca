package tun

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Device is the file for opening a TUN device.
const Device = "/dev/net/tun"

// Open creates a TUN device in the thread's network namespace, and returns a
// non-blocking file: a read returns one IP packet that the kernel sends, a write is one
// packet that the kernel receives. Closing the file removes the device.
func Open(name string) (fd int, err error) {
	fd, err = unix.Open(Device, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", Device, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("create the TUN device %s: %w", name, err)
	}
	return fd, nil
}

// Config is the configuration of a device.
type Config struct {
	Addresses []netip.Prefix // each with its network
	MTU       int            // zero leaves the default
	Queue     int            // number of packets that wait to be read; zero leaves the default
	Gateways  []netip.Addr   // of one default route each
}

// Configure configures a device of the thread's network namespace, and brings it up.
func Configure(name string, c Config) error {
	index, err := indexOf(name)
	if err != nil {
		return err
	}
	link := attributes{}
	if c.MTU > 0 {
		link.uint32(unix.IFLA_MTU, uint32(c.MTU))
	}
	if c.Queue > 0 {
		link.uint32(unix.IFLA_TXQLEN, uint32(c.Queue))
	}
	if err := request(unix.RTM_NEWLINK, 0, unix.IfInfomsg{Index: int32(index), Flags: unix.IFF_UP, Change: unix.IFF_UP}, link); err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	for _, prefix := range c.Addresses {
		address := attributes{}
		address.bytes(unix.IFA_LOCAL, prefix.Addr().AsSlice())
		address.bytes(unix.IFA_ADDRESS, prefix.Addr().AsSlice())
		message := unix.IfAddrmsg{Family: family(prefix.Addr()), Prefixlen: uint8(prefix.Bits()), Flags: unix.IFA_F_NODAD, Index: index}
		if err := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, message, address); err != nil {
			return fmt.Errorf("add address %v to %s: %w", prefix, name, err)
		}
	}
	for _, gateway := range c.Gateways {
		route := attributes{}
		route.bytes(unix.RTA_GATEWAY, gateway.AsSlice())
		route.uint32(unix.RTA_OIF, index)
		message := unix.RtMsg{Family: family(gateway), Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST}
		if err := request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, message, route); err != nil {
			return fmt.Errorf("add a route over %s via %v: %w", name, gateway, err)
		}
	}
	return nil
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// indexOf returns the index of a device of the thread's network namespace.
func indexOf(name string) (uint32, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(socket)
	r, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(socket, unix.SIOCGIFINDEX, r)
	}
	if err != nil {
		return 0, fmt.Errorf("the device %s: %w", name, err)
	}
	return r.Uint32(), nil
}
