package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A capture is a pcapng file of the packets that the command's device sends and
// receives. Another goroutine writes it, so that no packet waits for the disk.
type capture struct {
	file   *os.File
	frames chan frame
	done   chan struct{}
	failed error // the error of the file; set before done is closed
}

// A frame is a packet in the capture.
type frame struct {
	at      time.Time
	packet  []byte
	sent    bool // sent by the command
	comment string
}

// maxFrames is the number of frames that may wait for the disk. Beyond it, the path
// waits.
const maxFrames = 1 << 14

// newCapture starts the capture of a command.
func newCapture(name string, command []string) (*capture, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	writer, err := pcapgo.NewNgWriterInterface(file, pcapgo.NgInterface{
		Name:                deviceName,
		Description:         "the command's device: packets as it sends them, and as they arrive at it",
		OS:                  "linux",
		LinkType:            layers.LinkTypeRaw,
		TimestampResolution: 9,
	}, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "slownet run", Comment: strings.Join(command, " ")}})
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &capture{file: file, frames: make(chan frame, maxFrames), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for f := range c.frames {
			if c.failed != nil {
				continue
			}
			info := gopacket.CaptureInfo{Timestamp: f.at, CaptureLength: len(f.packet), Length: len(f.packet)}
			options := pcapgo.NgPacketOptions{Flags: &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}}
			if f.sent {
				options.Flags.Direction = pcapgo.NgEpbFlagDirectionOutbound
			}
			if f.comment != "" {
				options.Comments = []string{f.comment}
			}
			c.failed = writer.WritePacketWithOptions(info, f.packet, options)
			if c.failed == nil && len(c.frames) == 0 { // so that the file is complete while nothing is sent
				c.failed = writer.Flush()
			}
		}
		if c.failed == nil {
			c.failed = writer.Flush()
		}
	}()
	return c, nil
}

// sent adds a packet that the command has sent, with its fate.
func (c *capture) sent(at time.Time, packet []byte, drop netem.Drop) {
	f := frame{at: at, packet: bytes.Clone(packet), sent: true}
	if drop != netem.NotDropped && drop != netem.Queued {
		f.comment = "dropped on the path: " + drop.String()
	}
	c.frames <- f
}

// arrived adds a packet that has arrived at the command.
func (c *capture) arrived(packet []byte) {
	c.frames <- frame{at: time.Now(), packet: bytes.Clone(packet)}
}

// close ends the capture, and returns its error. Nothing may be added after that.
func (c *capture) close() error {
	close(c.frames)
	<-c.done
	if err := c.file.Close(); c.failed == nil {
		c.failed = err
	}
	return c.failed
}
