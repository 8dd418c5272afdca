package slownet

import (
	"encoding/binary"
	"syscall"
)

// A segmentKind is the type of the control message that holds the size of
// datagrams that were sent or received by one call.
type segmentKind int32

const (
	sentSegments     segmentKind = 103 // UDP_SEGMENT
	receivedSegments segmentKind = 104 // UDP_GRO
)

// cut returns the size of each datagram but the last, of n bytes in all, and the
// control messages without the one that held the size. If no message of this kind
// divides the n bytes, it returns 0 and all control messages.
func (kind segmentKind) cut(oob []byte, n int) (size int, rest []byte) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, oob
	}
	start := 0
	for _, m := range messages {
		end := min(start+syscall.CmsgSpace(len(m.Data)), len(oob))
		if m.Header.Level == syscall.IPPROTO_UDP && segmentKind(m.Header.Type) == kind {
			if size = segmentSize(m.Data); size == 0 || size >= n {
				return 0, oob
			}
			rest = append(rest, oob[:start]...)
			return size, append(rest, oob[end:]...)
		}
		start = end
	}
	return 0, oob
}

// segmentSize reads a size: 16 bits for UDP_SEGMENT, an int for UDP_GRO.
func segmentSize(data []byte) int {
	switch len(data) {
	case 2:
		return int(binary.NativeEndian.Uint16(data))
	case 4:
		return int(binary.NativeEndian.Uint32(data))
	}
	return 0
}
