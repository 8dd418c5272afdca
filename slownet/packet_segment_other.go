//go:build !linux

package slownet

// A segmentKind is Linux's way to send or receive several datagrams at once.
type segmentKind int

const (
	sentSegments segmentKind = iota
	receivedSegments
)

// cut does nothing: there is no such control message.
func (segmentKind) cut(oob []byte, _ int) (size int, rest []byte) { return 0, oob }
