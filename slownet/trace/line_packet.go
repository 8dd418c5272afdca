package trace

import (
	"fmt"
	"net/netip"
	"strconv"
)

// packetLine is a PacketInfo as stored in a file.
type packetLine struct {
	Number     string      `json:"number"`
	From       string      `json:"from,omitempty"`
	To         string      `json:"to,omitempty"`
	Flags      Flags       `json:"flags,omitempty"`
	Seq        string      `json:"seq,omitempty"`
	Ack        string      `json:"ack,omitempty"`
	Window     int         `json:"window,omitempty"`
	Size       int         `json:"size,omitempty"`
	SACK       [][2]string `json:"sack,omitempty"`
	Resent     bool        `json:"resent,omitempty"`
	Congestion int         `json:"congestion,omitempty"`
}

func newPacketLine(p *PacketInfo) *packetLine {
	line := &packetLine{
		Number: strconv.FormatUint(p.Number, 10), Flags: p.Flags, Seq: position(p.Seq), Ack: position(p.Ack),
		Window: p.Window, Size: p.Size, Resent: p.Resent, Congestion: p.Congestion,
	}
	if p.From.IsValid() {
		line.From = p.From.String()
	}
	if p.To.IsValid() {
		line.To = p.To.String()
	}
	for _, block := range p.SACK {
		line.SACK = append(line.SACK, [2]string{strconv.FormatInt(block[0], 10), strconv.FormatInt(block[1], 10)})
	}
	return line
}

// position returns a position in a stream as text, or "" for 0.
func position(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// info returns the line's PacketInfo.
func (line *packetLine) info() (*PacketInfo, error) {
	p := &PacketInfo{Flags: line.Flags, Window: line.Window, Size: line.Size, Resent: line.Resent, Congestion: line.Congestion}
	var err error
	if p.Number, err = strconv.ParseUint(line.Number, 10, 64); err != nil {
		return nil, fmt.Errorf("the packet's \"number\" is %q: it must be a whole number in a string", line.Number)
	}
	for _, addr := range []struct {
		name, text string
		to         *netip.AddrPort
	}{{"from", line.From, &p.From}, {"to", line.To, &p.To}} {
		if addr.text == "" {
			continue
		}
		if *addr.to, err = netip.ParseAddrPort(addr.text); err != nil {
			return nil, fmt.Errorf("the packet's %q is %q: it must be an address and a port, as in \"10.0.0.1:80\"", addr.name, addr.text)
		}
	}
	numbers := []struct {
		name, text string
		to         *int64
	}{{"seq", line.Seq, &p.Seq}, {"ack", line.Ack, &p.Ack}}
	if len(line.SACK) > 0 {
		p.SACK = make([][2]int64, len(line.SACK))
	}
	for i := range line.SACK {
		for end := range 2 {
			numbers = append(numbers, struct {
				name, text string
				to         *int64
			}{"sack", line.SACK[i][end], &p.SACK[i][end]})
		}
	}
	for _, number := range numbers {
		if number.text == "" && number.name != "sack" {
			continue
		}
		if *number.to, err = strconv.ParseInt(number.text, 10, 64); err != nil {
			return nil, fmt.Errorf("the packet's %q is %q: it must be a whole number in a string, below 2^63", number.name, number.text)
		}
	}
	if p.Window < 0 || p.Size < 0 || p.Congestion < 0 {
		return nil, fmt.Errorf("the packet's \"window\", \"size\" and \"congestion\" are %d, %d and %d: they must be numbers of bytes", p.Window, p.Size, p.Congestion)
	}
	return p, nil
}
