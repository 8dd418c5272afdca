//go:build !linux

package slownet

// A segmentKind is Linux's way of sending or receiving several datagrams by one call.
type segmentKind int

const (
	sentSegments segmentKind = iota
	receivedSegments
)

// cut does nothing: there is no such control message.
func (segmentKind) cut(oob []byte, _ int) (size int, rest []byte) { return 0, oob }
