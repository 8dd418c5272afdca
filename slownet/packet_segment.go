package slownet

import "iter"

// One system call can send or receive several datagrams: with Linux's UDP_SEGMENT
// and UDP_GRO (see udp(7)), the bytes of all datagrams are concatenated, and a
// control message gives the size of each but the last. The network sees single
// datagrams, so a link carries single datagrams.

// segments returns the datagrams that one system call sends or receives: a single datagram,
// unless a control message of the given kind gives a size of segments.
func (d datagram) segments(kind segmentKind) iter.Seq[datagram] {
	return func(yield func(datagram) bool) {
		size := 0
		if len(d.oob) > 0 {
			size, d.oob = kind.cut(d.oob, len(d.data))
		}
		for size > 0 && size < len(d.data) {
			segment := d
			segment.data, d.data = d.data[:size], d.data[size:]
			if !yield(segment) {
				return
			}
		}
		yield(d)
	}
}
