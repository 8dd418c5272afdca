package trace

import "fmt"

// A Kind is the kind of an [Event].
type Kind uint8

// The kinds of events. The numbers are part of digests and never change.
const (
	Connect   Kind = 1 // a dial has succeeded
	Accept    Kind = 2 // a connection waits for its listener's Accept
	Data      Kind = 3 // bytes or a datagram have arrived
	Close     Kind = 4 // the end of a stream has arrived
	Reset     Kind = 5 // a connection was reset or given up, or a dial has failed
	Drop      Kind = 6 // bytes or a datagram were lost, or have arrived where nothing accepts them
	Fault     Kind = 7 // the network was changed, for example by a partition
	HostEvent Kind = 8 // a host was changed, for example by a crash

	// Only for wrapped connections:

	Send  Kind = 9  // bytes were accepted and wait for the link
	Delay Kind = 10 // bytes arrive later, by Took, than latency and rate alone explain

	// Only for simulations whose packets are recorded. Digests leave these events out.

	Packet Kind = 11 // a packet leaves its sender; see Event.Packet
	Arrive Kind = 12 // a packet has arrived; see Event.Packet
)

var kindNames = [...]string{
	Connect: "connect", Accept: "accept", Data: "data", Close: "close", Reset: "reset", Drop: "drop",
	Fault: "fault", HostEvent: "host", Send: "send", Delay: "delay",
	Packet: "packet", Arrive: "arrive",
}

// Kinds returns all kinds, in the order of their numbers.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(kindNames))
	for k := Connect; int(k) < len(kindNames); k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// String returns the kind's name in a file, such as "connect".
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// parseKind returns the kind with the given name.
func parseKind(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name && k > 0 {
			return Kind(k), true
		}
	}
	return 0, false
}
