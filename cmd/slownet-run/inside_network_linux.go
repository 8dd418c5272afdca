package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/tun"
)

// deviceName is the name of the TUN device in the namespace.
const deviceName = "slow0"

// configureNetwork configures the TUN device and the loopback interface.
func configureNetwork(i *inside) error {
	if err := tun.Configure("lo", tun.Config{}); err != nil {
		return err
	}
	device := "net.ipv6.conf." + deviceName
	settings := []struct{ name, value string }{
		{device + ".accept_ra", "0"},
		{device + ".router_solicitations", "0"},
		{"net.ipv4.ping_group_range", i.PingGroups},
	}
	config := tun.Config{
		Addresses: []netip.Prefix{commandAddress},
		Gateways:  []netip.Addr{gatewayAddress},
		MTU:       i.MTU,
		Queue:     20_000, // the device itself drops no packets
	}
	if i.IPv6 {
		config.Addresses = append(config.Addresses, commandAddress6)
		config.Gateways = append(config.Gateways, gatewayAddress6)
	} else {
		settings = append(settings, struct{ name, value string }{device + ".disable_ipv6", "1"})
	}
	for _, s := range settings {
		err := os.WriteFile("/proc/sys/"+strings.ReplaceAll(s.name, ".", "/"), []byte(s.value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !readOnly(err) {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return tun.Configure(deviceName, config)
}
