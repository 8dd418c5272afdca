package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pingIdle is the time for which a ping is kept after its last echo request.
const pingIdle = 30 * time.Second

// pings forwards the command's pings to the outside, each over a socket of the host.
type pings struct {
	reply func(packet []byte)
	warn  func(format string, args ...any)

	mu     sync.Mutex // guards the fields below
	open   map[pingKey]*ping
	warned bool
}

type pingKey struct {
	to netip.Addr
	id uint16
}

// A ping is the sequence of echoes that a process of the command sends to an address.
type ping struct {
	file    *os.File
	key     pingKey
	from    netip.Addr
	raw     bool   // the socket delivers the IP header, and every ICMP message
	id      uint16 // of its echoes, on the host's network
	replyTo func(packet []byte)
}

func newPings(reply func(packet []byte), warn func(format string, args ...any)) *pings {
	return &pings{reply: reply, warn: warn, open: map[pingKey]*ping{}}
}

// take takes a packet if it is an echo request to the outside, and reports whether it is.
func (p *pings) take(packet []byte) bool {
	e, ok := echoRequestIn(packet)
	if !ok || e.to == gatewayAddress || e.to == hostAddress || e.to == gatewayAddress6 {
		return false // the stack answers
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pingKey{e.to, e.id}
	one := p.open[key]
	if one == nil {
		var err error
		if one, err = newPing(e, p.reply); err != nil {
			p.refuseLocked(e, packet, err)
			return true
		}
		p.open[key] = one
		go func() {
			one.carry()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.open, key)
			_ = one.file.Close()
		}()
	}
	one.send(e)
	return true
}

// refuseLocked tells the command each time, and the user once, that pings are not possible.
func (p *pings) refuseLocked(e echo, packet []byte, err error) {
	refusal := e.refusal(packet)
	p.reply(refusal)
	if p.warned {
		return
	}
	p.warned = true
	hint := ""
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		group := os.Getegid()
		hint = fmt.Sprintf(": group %d may not ping, as net.ipv4.ping_group_range is %q; allow it with: sysctl -w net.ipv4.ping_group_range=\"%d %d\"",
			group, system("/").setting("net.ipv4.ping_group_range"), group, group)
	}
	p.warn("pings to the outside do not work (only to %s): %v%s", gatewayName, err, hint)
}

// newPing opens a socket for echoes: a ping socket or, if that is not permitted, a raw one,
// which needs root.
func newPing(e echo, reply func(packet []byte)) (*ping, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{}}
	if e.to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
		to = &unix.SockaddrInet6{Addr: e.to.As16()}
	} else {
		to = &unix.SockaddrInet4{Addr: e.to.As4()}
	}
	one := &ping{key: pingKey{e.to, e.id}, from: e.from, replyTo: reply}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|flags, protocol)
	if err != nil {
		raw, rawErr := unix.Socket(family, unix.SOCK_RAW|flags, protocol)
		if rawErr != nil {
			return nil, err
		}
		fd, one.raw, one.id = raw, true, uint16(rand.Uint32())
	}
	if err := unix.Connect(fd, to); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	one.file = os.NewFile(uintptr(fd), "ping")
	return one, nil
}

// send sends an echo request.
func (p *ping) send(e echo) {
	_ = p.file.SetReadDeadline(time.Now().Add(pingIdle))
	kind := byte(echoRequest)
	if e.to.Is6() {
		kind = echoRequest6
	}
	message := append([]byte{kind, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(p.id)<<16|uint32(e.seq))...)
	message = append(message, e.data...)
	if !e.to.Is6() { // for IPv6, the kernel computes the checksum
		binary.BigEndian.PutUint16(message[2:], checksum(sumOf(message)))
	}
	_, _ = p.file.Write(message) // an error counts as a loss
}

// carry passes on replies until pingIdle has passed since the last request.
func (p *ping) carry() {
	buffer := make([]byte, 1<<16)
	for {
		n, err := p.file.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			continue // caused by an ICMP message: the echo counts as lost
		}
		message := buffer[:n]
		kind := byte(echoReply)
		if p.key.to.Is6() {
			kind = echoReply6
		} else if p.raw && n >= 20 {
			message = message[min(n, int(message[0]&15)*4):]
		}
		if len(message) < 8 || message[0] != kind || p.raw && binary.BigEndian.Uint16(message[4:]) != p.id {
			continue
		}
		p.replyTo(echo{from: p.from, to: p.key.to, id: p.key.id, seq: binary.BigEndian.Uint16(message[6:]), data: message[8:]}.reply())
	}
}
