package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/internal/wire"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A path carries packets between the device and the stack, over two lines.
type path struct {
	up, down *wire.Direction
	running  sync.WaitGroup
}

// newPath returns a path between a device's file and a function that receives the
// command's packets. The capture may be nil.
func newPath(profile netem.Profile, seed uint64, mtu, device int, receive func(packet []byte), c *capture) (*path, error) {
	p := &path{}
	config := wire.Config{Start: time.Now(), PacketSize: max(mtu, 2048)}
	up, down := config, config
	up.From, up.Deliver = device, receive
	up.Admit = func(_ time.Time, packet []byte) bool { return !staysOnLink(packet) }
	up.Identify = new(wire.Flows).Identify
	down.From, down.Deliver = -1, func(packet []byte) { _, _ = unix.Write(device, packet) } // packets that the kernel rejects are lost
	down.Identify = new(wire.Flows).Identify
	if c != nil {
		up.Sent = c.sent
		down.Deliver = func(packet []byte) {
			c.arrived(packet)
			_, _ = unix.Write(device, packet)
		}
	}
	var err error
	if p.up, err = wire.New(profile.Up, 2*seed+1, up); err != nil {
		return nil, err
	}
	if p.down, err = wire.New(profile.Down, 2*seed+2, down); err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the path.
func (p *path) run() {
	p.running.Go(p.up.Run)
	p.running.Go(p.down.Run)
}

// set changes the path for later packets.
func (p *path) set(profile netem.Profile) {
	p.up.SetLink(profile.Up)
	p.down.SetLink(profile.Down)
}

// close ends the path. Packets in flight are lost.
func (p *path) close() {
	p.up.Stop()
	p.down.Stop()
	p.running.Wait()
}

// staysOnLink reports whether a packet is for the kernel's neighbours, such as the
// reports of multicast groups. Routers do not forward these.
func staysOnLink(packet []byte) bool {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return packet[16] == 224 && packet[17] == 0 && packet[18] == 0
	case len(packet) >= 40 && packet[0]>>4 == 6:
		return packet[24] == 0xff && packet[25]&0xf <= 2 || packet[24] == 0xfe && packet[25]&0xc0 == 0x80
	}
	return true // not IP
}

// A network is the path with its remote ends.
type network struct {
	path    *path
	ends    *ends
	capture *capture // may be nil
	warn    func(format string, args ...any)
	stop    chan struct{}
	watched sync.WaitGroup
}

// newNetwork starts the network that the options describe, on the device's file.
// Warnings go to stderr.
func newNetwork(o *options, in *inside, device int, stderr io.Writer) (*network, error) {
	warn := func(format string, args ...any) {
		fmt.Fprintf(stderr, "slownet run: "+format+"\n", args...)
	}
	n := &network{stop: make(chan struct{}), warn: warn}
	var err error
	if o.pcap != "" {
		if n.capture, err = newCapture(o.pcap, o.command); err != nil {
			return nil, err
		}
	}
	if n.ends, err = newEnds(in.MTU, in.IPv6, warn); err != nil {
		return nil, fmt.Errorf("user-space TCP/IP: %w", err)
	}
	n.ends.names.delay(o.profile.Lookup)
	if n.path, err = newPath(o.profile, o.seed, in.MTU, device, n.ends.receive, n.capture); err != nil {
		return nil, err
	}
	n.ends.connect(n.path.down)
	n.path.run()
	if o.setFile != "" {
		n.watched.Go(func() {
			watch(o.setFile, n.stop, func(profile netem.Profile) {
				n.path.set(profile)
				n.ends.names.delay(profile.Lookup)
				if mtuOf(profile) != in.MTU {
					warn("%s: the MTU stays %d bytes while the command runs", o.setFile, in.MTU)
				}
			}, warn)
		})
	}
	return n, nil
}

// drain waits until the command's datagrams in flight have arrived, and then gives the ends
// time to pass data on. The data of connections is no longer in flight: the second process
// has waited until the kernel had delivered it. connections means that there was some.
func (n *network) drain(connections bool) {
	start, waited := time.Now(), connections
	for time.Since(start) < maxDrain && n.path.up.IsCarrying(isDatagram) {
		waited = true
		time.Sleep(time.Millisecond)
	}
	if waited {
		time.Sleep(20 * time.Millisecond)
	}
}

// isDatagram reports whether an IP packet is UDP or ICMP.
func isDatagram(packet []byte) bool {
	protocol := packet[9]
	if packet[0]>>4 == 6 {
		protocol = packet[6]
	}
	return protocol == protocolUDP || protocol == protocolICMP || protocol == protocolICMPv6
}

// close ends the path and the capture. The ends' sockets are closed by the end of the
// process, so that the outside gets no reset for data that it has not read yet.
func (n *network) close() {
	close(n.stop)
	n.watched.Wait()
	n.path.close()
	if n.capture != nil {
		if err := n.capture.close(); err != nil {
			n.warn("capture: %v", err)
		}
	}
}
