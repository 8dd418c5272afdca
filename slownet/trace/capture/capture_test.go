package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tracetest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/capture"
)

const ms = time.Millisecond

// capturing returns the capture of events.
func capturing(t *testing.T, events []trace.Event, o capture.Options) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, capture.WritePCAPNG(&file, tracetest.Events(nil, events...), o))
	return file.Bytes()
}

// A shown frame is a frame that was read from a capture.
type shown struct {
	text     string
	comments []string
	length   int
	captured int
}

// read returns the frames of a capture, and fails if one is malformed or has a wrong
// checksum.
func read(t *testing.T, file []byte) (frames []shown, r *pcapgo.NgReader) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	for {
		data, info, options, err := r.ReadPacketDataWithOptions()
		if err == io.EOF {
			return frames, r
		}
		require.NoError(t, err)
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		if info.CaptureLength == info.Length {
			require.Nil(t, p.ErrorLayer())
			require.NoError(t, p.TransportLayer().(interface {
				SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
			}).SetNetworkLayerForChecksum(p.NetworkLayer()))
			err, wrong := p.VerifyChecksums()
			require.NoError(t, err)
			require.Empty(t, wrong)
		}
		in, err := r.Interface(info.InterfaceIndex)
		require.NoError(t, err)
		frames = append(frames, shown{
			fmt.Sprintf("%v %s: %s", info.Timestamp.UTC().Format("05.000000000"), in.Name, headers(p)),
			options.Comments, info.Length, info.CaptureLength,
		})
	}
}

// headers returns the headers as text.
func headers(p gopacket.Packet) string {
	text := fmt.Sprint(p.NetworkLayer().NetworkFlow())
	payload := ""
	if a := p.ApplicationLayer(); a != nil {
		payload = fmt.Sprintf(" %q", a.LayerContents())
		if len(payload) > 20 {
			payload = " " + fmt.Sprint(len(a.LayerContents())) + " bytes"
		}
	}
	switch h := p.TransportLayer().(type) {
	case *layers.UDP:
		return fmt.Sprintf("%s udp %d>%d%s", text, h.SrcPort, h.DstPort, payload)
	case *layers.TCP:
		for _, flag := range []struct {
			set  bool
			name string
		}{{h.SYN, "S"}, {h.FIN, "F"}, {h.RST, "R"}, {h.PSH, "P"}, {h.ACK, "."}} {
			if flag.set {
				text += " " + flag.name
			}
		}
		return text + payload
	}
	return text + " no transport"
}

func texts(frames []shown) (texts []string) {
	for _, f := range frames {
		texts = append(texts, f.text)
	}
	return texts
}

var conn = trace.Conn{Host: "reader", Network: "tcp", Number: 1}

// pieces are the events of a connection without packets.
var pieces = []trace.Event{
	{At: 40 * ms, Kind: trace.Connect, From: "reader", To: "poet", Conn: conn},
	{At: 70 * ms, Kind: trace.Data, From: "reader", To: "poet", Conn: conn, Length: 3, Payload: "get", Took: 20 * ms},
	{At: 100 * ms, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Length: 5, Payload: "roses", Took: 20 * ms},
	{At: 130 * ms, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Offset: 5, Length: 100000, Payload: " are", Took: 20 * ms},
	{At: 130 * ms, Kind: trace.Close, From: "poet", To: "reader", Conn: conn, Offset: 100005},
	{At: 150 * ms, Kind: trace.Close, From: "reader", To: "poet", Conn: conn, Offset: 3},
}

func TestConnectionWithoutPackets(t *testing.T) {
	frames, _ := read(t, capturing(t, pieces, capture.Options{}))
	assert.Equal(t, []string{
		"00.000000000 reader: 10.0.0.1->10.0.0.2 S",
		"00.020000000 poet: 10.0.0.2->10.0.0.1 S .",
		"00.040000000 reader: 10.0.0.1->10.0.0.2 .",
		`00.050000000 reader: 10.0.0.1->10.0.0.2 P . "get"`,
		"00.070000000 poet: 10.0.0.2->10.0.0.1 .",
		`00.080000000 poet: 10.0.0.2->10.0.0.1 P . "roses"`,
		"00.100000000 reader: 10.0.0.1->10.0.0.2 .",
		`00.110000000 poet: 10.0.0.2->10.0.0.1 P . " are"`,
		"00.110000000 poet: 10.0.0.2->10.0.0.1 P .",
		"00.110000000 poet: 10.0.0.2->10.0.0.1 F .",
		"00.130000000 reader: 10.0.0.1->10.0.0.2 .",
		"00.130000000 reader: 10.0.0.1->10.0.0.2 F .",
		"00.150000000 poet: 10.0.0.2->10.0.0.1 .",
	}, texts(frames))
	assert.Equal(t, 14+20+32+5, frames[5].length)
	assert.Equal(t, frames[5].length, frames[5].captured)
	assert.Equal(t, 14+20+32+4, frames[7].captured)
	assert.Equal(t, 2*(14+20+32)+100000, frames[7].length+frames[8].length)
}

// The view of a host shows packets that it sends when they leave, and packets that it
// receives when they arrive.
func TestViewOfOneHost(t *testing.T) {
	frames, r := read(t, capturing(t, pieces, capture.Options{Host: "reader"}))
	assert.Equal(t, 1, r.NInterfaces())
	assert.Equal(t, []string{
		"00.000000000 reader: 10.0.0.1->10.0.0.2 S",
		"00.040000000 reader: 10.0.0.2->10.0.0.1 S .",
		"00.040000000 reader: 10.0.0.1->10.0.0.2 .",
		`00.050000000 reader: 10.0.0.1->10.0.0.2 P . "get"`,
		"00.090000000 reader: 10.0.0.2->10.0.0.1 .",
		`00.100000000 reader: 10.0.0.2->10.0.0.1 P . "roses"`,
	}, texts(frames)[:6])

	var file bytes.Buffer
	err := capture.WritePCAPNG(&file, tracetest.Events(nil, pieces...), capture.Options{Host: "nobody"})
	assert.EqualError(t, err, `capture: no packet comes from or goes to the host "nobody"; the hosts are poet, reader`)
	assert.Zero(t, file.Len())
}

// The capture of a trace with packets shows their headers.
func TestRecordedPackets(t *testing.T) {
	client, server := netip.MustParseAddrPort("10.0.0.7:49152"), netip.MustParseAddrPort("10.0.0.8:80")
	number := uint64(0)
	packet := func(at time.Duration, kind trace.Kind, from, to string, p trace.PacketInfo, payload string) trace.Event {
		if kind == trace.Packet {
			number++
		}
		p.Number, p.From, p.To = number, client, server
		if from == "poet" {
			p.From, p.To = server, client
		}
		return trace.Event{At: at, Kind: kind, From: from, To: to, Conn: conn, Length: len(payload), Payload: payload, Packet: &p}
	}
	lost := packet(60*ms, trace.Packet, "reader", "poet", trace.PacketInfo{Flags: trace.ACK | trace.PSH, Seq: 1, Ack: 1, Window: 100000}, "get")
	events := []trace.Event{
		packet(0, trace.Packet, "reader", "poet", trace.PacketInfo{Flags: trace.SYN, Window: 65535}, ""),
		packet(20*ms, trace.Arrive, "reader", "poet", trace.PacketInfo{Flags: trace.SYN, Window: 65535}, ""),
		packet(20*ms, trace.Packet, "poet", "reader", trace.PacketInfo{Flags: trace.SYN | trace.ACK, Ack: 1, Window: 65535}, ""),
		packet(40*ms, trace.Arrive, "poet", "reader", trace.PacketInfo{Flags: trace.SYN | trace.ACK, Ack: 1, Window: 65535}, ""),
		lost,
		{At: 65 * ms, Kind: trace.Drop, From: "reader", To: "poet", Conn: conn, Length: 3, Note: "queue full", Packet: lost.Packet},
		packet(70*ms, trace.Packet, "reader", "poet", trace.PacketInfo{Flags: trace.ACK | trace.PSH, Seq: 1, Ack: 1, Window: 100000, Resent: true}, "get"),
		packet(50*ms, trace.Packet, "poet", "reader", trace.PacketInfo{
			Flags: trace.ACK, Seq: 1, Ack: 1, Window: 0, SACK: [][2]int64{{5, 7}, {1 << 33, 1<<33 + 9}},
		}, ""),
	}
	file := capturing(t, events, capture.Options{})
	frames, _ := read(t, file)
	assert.Equal(t, []string{
		"00.000000000 reader: 10.0.0.7->10.0.0.8 S",
		"00.020000000 poet: 10.0.0.8->10.0.0.7 S .",
		"00.050000000 poet: 10.0.0.8->10.0.0.7 .",
		`00.060000000 reader: 10.0.0.7->10.0.0.8 P . "get"`,
		`00.070000000 reader: 10.0.0.7->10.0.0.8 P . "get"`,
	}, texts(frames))
	assert.Equal(t, []string{"queue full"}, frames[3].comments)
	assert.Equal(t, []string{"sent again"}, frames[4].comments)
	assert.Empty(t, frames[2].comments)

	segments := segments(t, file)
	syn, answer, sack, data := segments[0], segments[1], segments[2], segments[3]
	assert.Equal(t, syn.Seq+1, data.Seq)
	assert.Equal(t, syn.Seq+1, answer.Ack)
	assert.NotEqual(t, syn.Seq, answer.Seq)
	assert.EqualValues(t, 65535, syn.Window)
	assert.EqualValues(t, 50000, data.Window)
	assert.Equal(t, []byte{1}, option(t, syn, layers.TCPOptionKindWindowScale))
	assert.Equal(t, []byte{0x05, 0xb4}, option(t, syn, layers.TCPOptionKindMSS))
	assert.Empty(t, option(t, syn, layers.TCPOptionKindSACKPermitted))
	assert.Equal(t, []byte{0, 0, 0, 21, 0, 0, 0, 1}, option(t, answer, layers.TCPOptionKindTimestamps))
	assert.Equal(t, []byte{0, 0, 0, 61, 0, 0, 0, 21}, option(t, data, layers.TCPOptionKindTimestamps))
	blocks := option(t, sack, layers.TCPOptionKindSACK)
	require.Len(t, blocks, 16)
	assert.Equal(t, syn.Seq+5, uint32(blocks[0])<<24|uint32(blocks[1])<<16|uint32(blocks[2])<<8|uint32(blocks[3]))
	assert.EqualValues(t, 0, sack.Window)
}

// segments returns the TCP headers of all frames.
func segments(t *testing.T, file []byte) (headers []*layers.TCP) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			return headers
		}
		require.NoError(t, err)
		headers = append(headers, gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default).TransportLayer().(*layers.TCP))
	}
}

func option(t *testing.T, h *layers.TCP, kind layers.TCPOptionKind) []byte {
	t.Helper()
	for _, o := range h.Options {
		if o.OptionType == kind {
			return o.OptionData
		}
	}
	require.Fail(t, "no such option", "%v in %v", kind, h.Options)
	return nil
}

// A segment as large as loopback's does not fit into an IPv4 packet.
func TestLargeSegment(t *testing.T) {
	info := trace.PacketInfo{
		From: netip.MustParseAddrPort("127.0.0.1:1"), To: netip.MustParseAddrPort("127.0.0.1:2"), Flags: trace.ACK | trace.PSH | trace.FIN, Seq: 1,
	}
	payload := strings.Repeat("p", 65484)
	event := trace.Event{Kind: trace.Packet, From: "here", To: "here", Conn: conn, Length: len(payload), Payload: payload, Packet: &info}
	arrival := event
	arrival.Kind = trace.Arrive
	for _, host := range []string{"", "here"} {
		file := capturing(t, []trace.Event{event, arrival}, capture.Options{Host: host})
		frames, _ := read(t, file)
		require.Len(t, frames, 2)
		assert.Contains(t, frames[0].text, "127.0.0.1 . 32742 bytes")
		assert.Contains(t, frames[1].text, "127.0.0.1 F P . 32742 bytes")
		segments := segments(t, file)
		assert.Equal(t, segments[0].Seq+32742, segments[1].Seq)
	}
}

func TestDatagramsWithoutPackets(t *testing.T) {
	asker, server := trace.Conn{Host: "asker", Network: "udp", Number: 2}, trace.Conn{Host: "server", Network: "udp", Number: 1}
	frames, _ := read(t, capturing(t, []trace.Event{
		{At: 10 * ms, Kind: trace.Data, From: "asker", To: "server", Conn: asker, Length: 2, Payload: "q1", Took: 10 * ms},
		{At: 20 * ms, Kind: trace.Data, From: "server", To: "asker", Conn: server, Length: 2, Payload: "a1", Took: 10 * ms},
		{At: 30 * ms, Kind: trace.Drop, From: "asker", To: "server", Conn: asker, Offset: 1, Length: 2, Payload: "q2", Note: "lost"},
	}, capture.Options{}))
	assert.Equal(t, []string{
		`00.000000000 asker: 10.0.0.1->10.0.0.2 udp 49153>49152 "q1"`,
		`00.010000000 server: 10.0.0.2->10.0.0.1 udp 49152>49153 "a1"`,
		`00.030000000 asker: 10.0.0.1->10.0.0.2 udp 49153>49152 "q2"`,
	}, texts(frames))
	assert.Equal(t, []string{"lost"}, frames[2].comments)
}

// The file contains the names of hosts, keys, and a description of the trace.
func TestNamesKeysAndComment(t *testing.T) {
	var file bytes.Buffer
	w, err := trace.NewWriter(&file, trace.Header{Start: time.Unix(946684800, 5), Source: "simtest", Test: "TestPoem", Seed: 42})
	require.NoError(t, err)
	require.NoError(t, w.KeyLog("CLIENT_RANDOM 01 02"))
	for _, e := range pieces {
		require.NoError(t, w.Write(&e))
	}
	require.NoError(t, w.Close())
	r, err := trace.NewReader(&file)
	require.NoError(t, err)
	var written bytes.Buffer
	require.NoError(t, capture.WriteTrace(&written, r, capture.Options{}))
	again := capturing(t, pieces, capture.Options{Header: r.Header(), KeyLog: r.KeyLog()})
	assert.Equal(t, again, written.Bytes())

	assert.Contains(t, string(again), "KSLT\x14\x00\x00\x00CLIENT_RANDOM 01 02\n")
	reader, err := pcapgo.NewNgReader(&written, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	assert.Equal(t, "simtest, TestPoem, seed 42", reader.SectionInfo().Comment)
	_, info, err := reader.ReadPacketData()
	require.NoError(t, err)
	assert.True(t, info.Timestamp.Equal(time.Unix(946684800, 5)))
	require.Equal(t, 2, reader.NNames())
	for i, want := range []string{"reader", "poet"} {
		name, err := reader.Name(i)
		require.NoError(t, err)
		assert.Equal(t, []string{want}, name.Names)
		assert.Equal(t, fmt.Sprintf("10.0.0.%d", i+1), name.Addr.(*pcapgo.NgIPAddress).Addr.String())
	}
}

// The capture of a damaged trace shows the packets before the damage.
func TestDamagedTrace(t *testing.T) {
	damage := errors.New("line 7 is not JSON")
	var file bytes.Buffer
	assert.Equal(t, damage, capture.WritePCAPNG(&file, tracetest.Events(damage, pieces...), capture.Options{}))
	assert.Equal(t, capturing(t, pieces, capture.Options{}), file.Bytes())
	file.Reset()
	assert.Equal(t, damage, capture.WritePCAPNG(&file, tracetest.Events(damage), capture.Options{}))
	assert.ErrorContains(t, capture.WritePCAPNG(&file, tracetest.Events(nil), capture.Options{}), "the trace has no packets")
	assert.Zero(t, file.Len())
}

// A wrapped connection has its own addresses, and no event of its handshake.
func TestWrappedConnection(t *testing.T) {
	c := trace.Conn{Host: "127.0.0.1:5000", Network: "tcp", Number: 3}
	frames, r := read(t, capturing(t, []trace.Event{
		{At: time.Second, Kind: trace.Send, From: "127.0.0.1:5000", To: "127.0.0.1:80", Conn: c, Length: 3},
		{At: time.Second + 20*ms, Kind: trace.Data, From: "127.0.0.1:5000", To: "127.0.0.1:80", Conn: c, Length: 3, Payload: "get", Took: 20 * ms},
		{At: time.Second + 40*ms, Kind: trace.Data, From: "127.0.0.1:80", To: "127.0.0.1:5000", Conn: c, Length: 5, Payload: "roses", Took: 20 * ms},
		{At: time.Second + 50*ms, Kind: trace.Reset, From: "127.0.0.1:80", To: "127.0.0.1:5000", Conn: c, Note: "connection reset by peer"},
	}, capture.Options{}))
	assert.Equal(t, []string{
		"00.960000000 127.0.0.1: 127.0.0.1->127.0.0.1 S",
		"00.980000000 127.0.0.1: 127.0.0.1->127.0.0.1 S .",
		"01.000000000 127.0.0.1: 127.0.0.1->127.0.0.1 .",
		`01.000000000 127.0.0.1: 127.0.0.1->127.0.0.1 P . "get"`,
		"01.020000000 127.0.0.1: 127.0.0.1->127.0.0.1 .",
		`01.020000000 127.0.0.1: 127.0.0.1->127.0.0.1 P . "roses"`,
		"01.030000000 127.0.0.1: 127.0.0.1->127.0.0.1 R .",
		"01.040000000 127.0.0.1: 127.0.0.1->127.0.0.1 .",
	}, texts(frames))
	assert.Zero(t, r.NNames())
}

// Captures of a refused dial, and of a dial without an answer.
func TestDialsThatFail(t *testing.T) {
	frames, _ := read(t, capturing(t, []trace.Event{
		{At: 40 * ms, Kind: trace.Reset, From: "poet", To: "reader", Conn: conn, Note: "connection refused", Took: 40 * ms},
		{
			At: time.Second, Kind: trace.Reset, From: "poet", To: "reader", Conn: trace.Conn{Host: "reader", Network: "tcp", Number: 2},
			Note: "connection timed out",
		},
	}, capture.Options{}))
	assert.Equal(t, []string{
		"00.000000000 reader: 10.0.0.1->10.0.0.2 S",
		"00.020000000 poet: 10.0.0.2->10.0.0.1 R .",
		"01.000000000 reader: 10.0.0.1->10.0.0.2 S",
	}, texts(frames))
}
