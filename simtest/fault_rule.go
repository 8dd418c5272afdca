package simtest

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A ruleAction is what a rule does to packets for an address.
type ruleAction uint8

const (
	pass ruleAction = iota
	refuse
	blackhole
)

// Only limits [Sim.Refuse], [Sim.Blackhole] or [Sim.Allow] to some of the packets sent
// to an address. The zero Only matches all of them.
type Only struct {
	// From is the name of the sending host. Empty is any.
	From string

	// Family is 4 for packets to the host's IPv4 address, 6 for packets to its IPv6
	// address, loopback addresses included. Zero is both.
	Family int

	// NewOnly matches only requests for new connections, neither packets of existing
	// connections nor datagrams.
	NewOnly bool
}

// Refuse makes a host refuse packets: new connections get ECONNREFUSED, even if there
// is a listener, and datagrams are answered as if the port was closed. Existing
// connections are not affected.
//
// The address is a host's name, or "host:port"; an Only can limit it to one family's
// address. With several limits, a packet that matches any of them is refused. Of
// several calls for the same address, the last one that matches a packet decides, so an
// Allow with limits makes an exception. If there are rules for a host and for its port,
// the stricter action applies. Refuse panics on an invalid address, on an unknown host,
// and on a family that is not 4, 6 or 0. So do Blackhole and Allow.
func (s *Sim) Refuse(address string, limits ...Only) { s.addRule("Refuse", address, refuse, limits) }

// Blackhole silently drops everything sent to an address, a host's name or "host:port":
// connection requests, datagrams, and packets of existing connections. Nothing is
// answered, so senders only notice by a timeout. Packets that the host sends are not
// affected. For limits and several calls, see Refuse.
func (s *Sim) Blackhole(address string, limits ...Only) {
	s.addRule("Blackhole", address, blackhole, limits)
}

// Allow undoes Refuse and Blackhole for the same address; with limits, only for the
// packets that match them.
func (s *Sim) Allow(address string, limits ...Only) { s.addRule("Allow", address, pass, limits) }

// A rule applies an action to some of the packets for an address.
type rule struct {
	action  ruleAction
	from    *Host // the sender; nil is any
	family  int   // 4, 6 or 0 for both
	newOnly bool  // only connection requests
}

// A packet holds the properties of a packet that rules match.
type packet struct {
	from    *Host
	family  int
	port    uint16
	request bool // for a new connection
}

func (s *Sim) addRule(call, address string, v ruleAction, limits []Only) {
	name, port, err := parseTarget(address)
	if err != nil {
		panic(fmt.Sprintf("simtest: %s: %v", call, err))
	}
	s.mustBeHosts(call, name)
	fault, key := strings.ToLower(call), ""
	for _, only := range limits {
		only.mustBeValid(s, call)
		key += "; " + only.String()
	}
	s.control(fmt.Sprintf("%s %q%s", fault, address, key), func() {
		h := s.hosts[name]
		s.disturbLocked([]*Host{h}, func() {
			if len(limits) == 0 {
				h.addRuleLocked(port, rule{action: v})
			}
			for _, only := range limits {
				h.addRuleLocked(port, rule{v, s.hosts[only.From], only.Family, only.NewOnly})
			}
		})
		s.openedLocked()
		s.faultLocked(fault+key, "", address)
	})
}

func (o *Only) mustBeValid(s *Sim, call string) {
	if o.From != "" {
		s.mustBeHosts(call, o.From)
	}
	if o.Family != 0 && o.Family != 4 && o.Family != 6 {
		panic(fmt.Sprintf("simtest: %s: Only.Family is %d: it must be 4 for IPv4, 6 for IPv6, or 0 for both", call, o.Family))
	}
}

// String describes the limits, such as "from poet, by IPv6, new connections".
func (o Only) String() string {
	var words []string
	if o.From != "" {
		words = append(words, "from "+o.From)
	}
	if o.Family != 0 {
		words = append(words, fmt.Sprint("by IPv", o.Family))
	}
	if o.NewOnly {
		words = append(words, "new connections")
	}
	if len(words) == 0 {
		return "everything"
	}
	return strings.Join(words, ", ")
}

// parseTarget splits "host" or "host:port"; the port is 0 if there is none.
func parseTarget(address string) (host string, port uint16, err error) {
	if checkHostName(address) == nil {
		return address, 0, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err == nil {
		err = checkHostName(host)
	}
	number, portErr := strconv.ParseUint(service, 10, 16)
	if err != nil || portErr != nil || number == 0 {
		return "", 0, fmt.Errorf(`%q is not an address: use a host's name and a port, such as "poet:10000", or the name alone, and Only{Family: 6} for its IPv6 address`, address)
	}
	return host, uint16(number), nil
}

// addRuleLocked adds a rule for one of the host's ports, or for all of them if port is
// 0. It removes rules that no longer have an effect.
func (h *Host) addRuleLocked(port uint16, r rule) {
	rules := slices.DeleteFunc(h.rules[port], r.covers)
	rules = append(rules, r)
	for len(rules) > 0 && rules[0].action == pass {
		rules = rules[1:]
	}
	switch {
	case len(rules) == 0:
		delete(h.rules, port)
		return
	case h.rules == nil:
		h.rules = make(map[uint16][]rule)
	}
	h.rules[port] = rules
}

// covers reports whether the rule matches every packet that another rule matches.
func (r rule) covers(other rule) bool {
	return (r.from == nil || r.from == other.from) && (r.family == 0 || r.family == other.family) && (!r.newOnly || other.newOnly)
}

// matches reports whether the rule applies to a packet.
func (r rule) matches(p packet) bool {
	return (r.from == nil || r.from == p.from) && (r.family == 0 || r.family == p.family) && (!r.newOnly || p.request)
}

// ruleActionsLocked returns the actions for a packet by the rules for the host, and by
// those for its port.
func (h *Host) ruleActionsLocked(p packet) (host, port ruleAction) {
	if len(h.rules) == 0 {
		return pass, pass
	}
	return actionFor(h.rules[0], p), actionFor(h.rules[p.port], p)
}

func actionFor(rules []rule, p packet) ruleAction {
	for _, r := range slices.Backward(rules) {
		if r.matches(p) {
			return r.action
		}
	}
	return pass
}

// blackholesLocked reports whether a packet that is sent now is silently dropped.
func (h *Host) blackholesLocked(p packet) bool {
	host, port := h.ruleActionsLocked(p)
	return host == blackhole || port == blackhole
}

// refusesLocked reports whether a packet that has arrived is refused. Blackhole rules
// do not count: they apply when a packet is sent.
func (h *Host) refusesLocked(p packet) bool {
	host, port := h.ruleActionsLocked(p)
	return host == refuse || port == refuse
}

// rulesLocked describes the rules.
func (h *Host) rulesLocked() (lines []string) {
	for _, port := range slices.Sorted(maps.Keys(h.rules)) {
		for _, r := range h.rules[port] {
			line := h.name
			if port != 0 {
				line += ":" + strconv.Itoa(int(port))
			}
			line += map[ruleAction]string{pass: " is allowed", refuse: " is refused", blackhole: " is a black hole"}[r.action]
			only := Only{Family: r.family, NewOnly: r.newOnly}
			if r.from != nil {
				only.From = r.from.name
			}
			if only != (Only{}) {
				line += " (" + only.String() + ")"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func compareNames(a, b *Host) int { return cmp.Compare(a.name, b.name) }

// familyOf returns 4 or 6.
func familyOf(addr netip.Addr) int {
	if addr.Is4() {
		return 4
	}
	return 6
}
