//go:build !unix

package slownet

// The flags of a truncated datagram, with the values of Windows. The buffer was too small
// for its data, or for its control messages.
const (
	truncatedData    = 0x100 // MSG_TRUNC
	truncatedControl = 0x200 // MSG_CTRUNC
)

// fitting returns the control messages if there is room for them, and whether
// there is.
func fitting(oob []byte, room int) (fit []byte, all bool) {
	if len(oob) <= room {
		return oob, true
	}
	return nil, false
}
