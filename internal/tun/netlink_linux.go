package tun

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// attributes are the encoded attributes of a netlink message.
type attributes []byte

func (a *attributes) bytes(kind uint16, value []byte) {
	*a = binary.NativeEndian.AppendUint16(*a, uint16(unix.SizeofRtAttr+len(value)))
	*a = binary.NativeEndian.AppendUint16(*a, kind)
	*a = append(*a, value...)
	for len(*a)%unix.RTA_ALIGNTO != 0 {
		*a = append(*a, 0)
	}
}

func (a *attributes) uint32(kind uint16, value uint32) {
	a.bytes(kind, binary.NativeEndian.AppendUint32(nil, value))
}

// request sends the kernel a message about devices, addresses or routes of the thread's
// network namespace, and returns its error.
func request(kind, flags uint16, header any, attributes attributes) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("a netlink socket: %w", err)
	}
	defer unix.Close(socket)
	size := unix.SizeofNlMsghdr + binary.Size(header) + len(attributes)
	message, err := binary.Append(nil, binary.NativeEndian, unix.NlMsghdr{
		Len: uint32(size), Type: kind, Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | flags, Seq: 1,
	})
	if err == nil {
		message, err = binary.Append(message, binary.NativeEndian, header)
	}
	if err != nil {
		return err
	}
	if err := unix.Sendto(socket, append(message, attributes...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("netlink answered with %d bytes that are not an acknowledgment", n)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
