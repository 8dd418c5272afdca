package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A file is a capture that is being written.
type file struct {
	*pcapgo.NgWriter
	header trace.Header
}

// write writes the packets that the capture shows.
func write(w io.Writer, packets []packet, h hosts, o Options) error {
	names := h.names
	if o.Host != "" {
		names = []string{o.Host}
	}
	f, err := begin(w, names, h, o)
	if err != nil {
		return err
	}
	framer := newFramer(packets, &h)
	for i := range packets {
		p := &packets[i]
		seenBy, shown := p.seenBy(o.Host)
		index, _ := slices.BinarySearch(names, seenBy)
		err := framer.frames(p, shown, func(fr frame) error { return f.add(p, index, fr) })
		if err != nil {
			return fmt.Errorf("packet %d of %v: %w", p.info.Number, p.conn, err)
		}
	}
	return f.Flush()
}

// begin writes the blocks before the packets.
func begin(w io.Writer, names []string, h hosts, o Options) (*file, error) {
	f := &file{header: o.Header}
	var err error
	f.NgWriter, err = pcapgo.NewNgWriterInterface(w, interfaceOf(names[0]), pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{Application: "slownet", Comment: about(o.Header)},
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names[1:] {
		if _, err = f.AddInterface(interfaceOf(name)); err != nil {
			return nil, err
		}
	}
	if len(o.KeyLog) > 0 {
		if err = f.WriteDecryptionSecretsBlock(pcapgo.DSB_SECRETS_TYPE_TLS, o.KeyLog); err != nil {
			return nil, err
		}
	}
	if err = f.Flush(); err != nil {
		return nil, err
	}
	_, err = w.Write(nameBlock(h.addresses)) // the library does not write these
	return f, err
}

// add adds a frame.
func (f *file) add(p *packet, index int, fr frame) error {
	at := f.header.Time(p.at)
	if at.Unix() < 0 || at.Year() > 2261 {
		return fmt.Errorf("its time is %v: times must lie between 1970 and 2262", at)
	}
	var o pcapgo.NgPacketOptions
	if p.comment != "" {
		o.Comments = []string{short(p.comment)}
	}
	return f.WritePacketWithOptions(gopacket.CaptureInfo{
		Timestamp: at, CaptureLength: len(fr.data), Length: fr.length, InterfaceIndex: index,
	}, fr.data, o)
}

// interfaceOf returns the description of a host's interface.
func interfaceOf(name string) pcapgo.NgInterface {
	return pcapgo.NgInterface{Name: short(name), LinkType: layers.LinkTypeEthernet}
}

// about returns the comment for the whole file.
func about(h trace.Header) string {
	var words []string
	for _, word := range []struct{ name, value string }{
		{"", h.Source}, {"", h.Test}, {"seed ", strconv.FormatUint(h.Seed, 10)}, {"", h.Go},
	} {
		if word.value != "" && word.value != "0" {
			words = append(words, word.name+word.value)
		}
	}
	return short(strings.Join(words, ", "))
}

// short returns as much of the text as fits into an option of a block, in UTF-8.
func short(text string) string {
	const room = 1000
	return strings.ToValidUTF8(text[:min(room, len(text))], "")
}

// nameBlock returns a name resolution block, which maps addresses to names.
func nameBlock(names map[netip.Addr]string) []byte {
	const blockType, v4, v6 = 4, 1, 2
	order := binary.LittleEndian
	var records []byte
	for _, addr := range slices.SortedFunc(maps.Keys(names), netip.Addr.Compare) {
		name := short(names[addr])
		if name == "" || name == addr.String() || strings.ContainsRune(name, 0) {
			continue
		}
		kind := uint16(v4)
		if addr.Is6() {
			kind = v6
		}
		value := append(append(addr.AsSlice(), name...), 0)
		records = order.AppendUint16(records, kind)
		records = order.AppendUint16(records, uint16(len(value)))
		records = append(records, value...)
		for len(records)%4 != 0 {
			records = append(records, 0)
		}
	}
	length := uint32(4 + 4 + len(records) + 4 + 4)
	block := order.AppendUint32(nil, blockType)
	block = order.AppendUint32(block, length)
	block = append(block, records...)
	block = order.AppendUint32(block, 0) // the last record
	return order.AppendUint32(block, length)
}
