//go:build unix

package slownet

import "syscall"

// The flags of a truncated datagram: there was no room for all of its data, or for
// its control messages.
const (
	truncatedData    = syscall.MSG_TRUNC
	truncatedControl = syscall.MSG_CTRUNC
)

// fitting returns the control messages that fit, and whether those are all. The
// padding of the last one needs no room.
func fitting(oob []byte, room int) (fit []byte, all bool) {
	if len(oob) <= room {
		return oob, true
	}
	messages, err := syscall.ParseSocketControlMessage(oob)
	end := 0
	for _, m := range messages {
		if end+syscall.CmsgLen(len(m.Data)) > room {
			return oob[:end], false
		}
		end = min(end+syscall.CmsgSpace(len(m.Data)), room)
	}
	return oob[:end], err == nil
}
