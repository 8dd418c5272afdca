package simtest

import (
	"fmt"
	"net"
	"strconv"
)

// A verdict is what becomes of packets for a target.
type verdict uint8

const (
	pass verdict = iota
	refuse
	blackhole
)

// A target is one port of a host, or all of them.
type target struct {
	host string
	port uint16 // 0 is all
}

// Refuse has a host refuse what is for it: new connections get ECONNREFUSED,
// even if there is a listener, and datagrams are answered as if nobody had the
// port. Connections that exist go on. The address is "host" or "host:port". It
// panics on one that is neither, as do Blackhole and Allow.
func (s *Sim) Refuse(address string) { s.judge("Refuse", "refuse", address, refuse) }

// Blackhole has all vanish that is sent to an address, "host" or "host:port":
// requests for connections, datagrams, and what is sent on connections that
// exist. Nothing is answered, so whoever sends finds out by waiting.
func (s *Sim) Blackhole(address string) { s.judge("Blackhole", "blackhole", address, blackhole) }

// Allow takes back what Refuse or Blackhole was told of the same address.
func (s *Sim) Allow(address string) { s.judge("Allow", "allow", address, pass) }

func (s *Sim) judge(call, fault, address string, v verdict) {
	t, err := parseTarget(address)
	if err != nil {
		panic(err.Error())
	}
	s.mustBeHosts(call, t.host)
	s.control(fmt.Sprintf("%s %q", fault, address), func() {
		if v == pass {
			delete(s.refused, t)
			s.openedLocked()
		} else {
			s.refused[t] = v
		}
		s.faultLocked(fault, "", address)
	})
}

func parseTarget(address string) (target, error) {
	if checkHostName(address) == nil {
		return target{host: address}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err == nil {
		err = checkHostName(host)
	}
	port, portErr := strconv.ParseUint(service, 10, 16)
	if err != nil || portErr != nil || port == 0 {
		return target{}, fmt.Errorf(`simtest: %q is no address: use a host's name and a port, such as "poet:10000", or the name alone`, address)
	}
	return target{host, uint16(port)}, nil
}

// verdictLocked returns what becomes of a packet for the host's port.
func (s *Sim) verdictLocked(h *Host, port uint16) verdict {
	if len(s.refused) == 0 {
		return pass
	}
	return max(s.refused[target{host: h.name}], s.refused[target{h.name, port}])
}

// refusesLocked reports whether a packet that has arrived is refused. What has
// become a black hole meanwhile does not matter to it any more.
func (s *Sim) refusesLocked(h *Host, port uint16) bool {
	return s.refused[target{host: h.name}] == refuse || s.refused[target{h.name, port}] == refuse
}
