package trace

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// eventLine is an Event as stored in a file. 64-bit numbers are strings, because programs
// in other languages read numbers as floating-point values.
type eventLine struct {
	At      string      `json:"at"`
	Kind    string      `json:"kind"`
	From    string      `json:"from,omitempty"`
	To      string      `json:"to,omitempty"`
	Conn    string      `json:"conn,omitempty"`
	Offset  string      `json:"offset,omitempty"`
	Length  int         `json:"length,omitempty"`
	Hash    string      `json:"hash,omitempty"`
	Note    string      `json:"note,omitempty"`
	Took    string      `json:"took,omitempty"`
	Payload []byte      `json:"payload,omitempty"`
	Packet  *packetLine `json:"packet,omitempty"`
}

// endLine is the last line.
type endLine struct {
	Events string `json:"events"`
	Digest string `json:"digest"`
	Failed string `json:"failed,omitempty"`
}

// maxLength is the maximum length of an event. Every language reads it exactly.
const maxLength = 1 << 31

// event returns the line's Event.
func (line *eventLine) event() (e Event, err error) {
	e = Event{From: line.From, To: line.To, Length: line.Length, Note: line.Note, Payload: string(line.Payload)}
	var known bool
	if e.Kind, known = parseKind(line.Kind); !known {
		return e, fmt.Errorf("%q is not a kind of event; the kinds are %v", line.Kind, Kinds())
	}
	var at, took int64
	for _, number := range []struct {
		name, text string
		to         *int64
	}{{"at", line.At, &at}, {"offset", line.Offset, &e.Offset}, {"took", line.Took, &took}} {
		if number.text == "" && number.name != "at" {
			continue
		}
		if *number.to, err = strconv.ParseInt(number.text, 10, 64); err != nil {
			return e, fmt.Errorf("%q is %q: it must be a whole number in a string, below 2^63", number.name, number.text)
		}
	}
	e.At, e.Took = time.Duration(at), time.Duration(took)
	if line.Hash != "" {
		hash, err := strconv.ParseUint(line.Hash, 16, 32)
		if err != nil || len(line.Hash) != 8 {
			return e, fmt.Errorf("\"hash\" is %q: it must be 8 hexadecimal digits in a string", line.Hash)
		}
		e.Hash = uint32(hash)
	}
	if e.Length < 0 || int64(e.Length) > maxLength {
		return e, fmt.Errorf("\"length\" is %d: it must be from 0 to 2^31", e.Length)
	}
	if len(e.Payload) > e.Length {
		return e, fmt.Errorf("\"payload\" has %d bytes, more than \"length\", %d", len(e.Payload), e.Length)
	}
	if e.Conn, err = ParseConn(line.Conn); err != nil {
		return e, fmt.Errorf("\"conn\": %w", err)
	}
	if line.Packet != nil {
		e.Packet, err = line.Packet.info()
	}
	return e, err
}

// appendEvent appends the line of an event, with its newline. It writes the same bytes as
// encoding/json would for an eventLine, and is several times as fast.
func appendEvent(to []byte, e *Event) ([]byte, error) {
	if e.Kind == 0 || int(e.Kind) >= len(kindNames) {
		return to, fmt.Errorf("trace: %v is not a kind of event", e.Kind)
	}
	if e.Length < 0 || int64(e.Length) > maxLength || len(e.Payload) > e.Length {
		return to, fmt.Errorf("trace: an event of %d bytes with a payload of %d: Length must be from 0 to 2^31, and at least the payload's", e.Length, len(e.Payload))
	}
	to = append(to, `{"at":"`...)
	to = strconv.AppendInt(to, int64(e.At), 10)
	to = append(to, `","kind":"`...)
	to = append(to, e.Kind.String()...)
	to = append(to, '"')
	to = appendString(to, "from", e.From)
	to = appendString(to, "to", e.To)
	to = appendString(to, "conn", e.Conn.String())
	to = appendNumber(to, "offset", e.Offset)
	if e.Length > 0 {
		to = append(to, `,"length":`...)
		to = strconv.AppendInt(to, int64(e.Length), 10)
	}
	if e.Hash != 0 {
		to = fmt.Appendf(to, `,"hash":"%08x"`, e.Hash)
	}
	to = appendString(to, "note", e.Note)
	to = appendNumber(to, "took", int64(e.Took))
	if len(e.Payload) > 0 {
		to = append(to, `,"payload":"`...)
		to = base64.StdEncoding.AppendEncode(to, []byte(e.Payload))
		to = append(to, '"')
	}
	if e.Packet != nil {
		to = append(to, `,"packet":`...)
		packet, err := json.Marshal(newPacketLine(e.Packet))
		if err != nil {
			return to, fmt.Errorf("trace: a packet's headers: %w", err)
		}
		to = append(to, packet...)
	}
	return append(to, "}\n"...), nil
}

// appendString appends a field, unless it is empty.
func appendString(to []byte, name, value string) []byte {
	if value == "" {
		return to
	}
	to = append(to, ',', '"')
	to = append(to, name...)
	to = append(to, '"', ':')
	for i := range len(value) {
		if c := value[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(value) // strings cause no errors
			return append(to, text...)
		}
	}
	to = append(to, '"')
	to = append(to, value...)
	return append(to, '"')
}

// appendNumber appends a field, unless it is 0.
func appendNumber(to []byte, name string, value int64) []byte {
	if value == 0 {
		return to
	}
	to = append(to, ',', '"')
	to = append(to, name...)
	to = append(to, '"', ':', '"')
	to = strconv.AppendInt(to, value, 10)
	return append(to, '"')
}

// anyLine is any line after the first one: an event, a line of a key log, or the last
// line.
type anyLine struct {
	eventLine
	KeyLog *string `json:"keylog"`
	Events *string `json:"events"`
	Digest string  `json:"digest"`
	Failed string  `json:"failed"`
}

// parseLine parses a line after the first one.
func parseLine(line []byte) (*anyLine, error) {
	parsed := new(anyLine)
	if err := json.Unmarshal(line, parsed); err != nil {
		return nil, wrongJSON(err)
	}
	return parsed, nil
}

// wrongJSON describes an error of encoding/json in terms of the line.
func wrongJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
		return fmt.Errorf("%q is a %s: see docs/trace.md for what it must be", field, wrong.Value)
	}
	return fmt.Errorf("not JSON: %w", err)
}
