package mysql

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"

	"github.com/slowpoetry/slowpoetry/programs/internal/table"
)

// A session serves one client. It speaks MySQL's text protocol, supports the
// statements of the tests, and accepts every user.
type session struct {
	table.Session
	conn     net.Conn
	in       *bufio.Reader
	out      bytes.Buffer
	sequence byte // number of the next packet
}

const (
	capabilities = 1 | 1<<9 | 1<<13 | 1<<15 | 1<<19 | 1<<20 // long password, protocol 4.1, transactions, 4.1 authentication, authentication plugins, connection attributes
	autocommit   = 2
)

// run greets the client and answers its commands until either side closes.
func (s *session) run() {
	defer func() { _ = s.conn.Close() }()
	greeting := append([]byte{10}, "8.0.0\x00\x01\x00\x00\x0012345678\x00"...)
	greeting = binary.LittleEndian.AppendUint16(greeting, capabilities&0xffff)
	greeting = append(greeting, 45, autocommit, 0)
	greeting = binary.LittleEndian.AppendUint16(greeting, capabilities>>16)
	greeting = append(greeting, 21)
	greeting = append(greeting, make([]byte, 10)...)
	greeting = append(greeting, "123456789012\x00mysql_native_password\x00"...)
	s.packet(greeting)
	if s.flush() != nil {
		return
	}
	if _, err := s.read(); err != nil { // the client's login, which is not checked
		return
	}
	s.ok()
	for s.flush() == nil {
		command, err := s.read()
		if err != nil || command[0] == 1 { // quit
			return
		}
		s.do(command[0], string(command[1:]))
	}
}

// do executes a command: 3 is a statement, 14 a ping.
func (s *session) do(command byte, statement string) {
	word, rest, _ := strings.Cut(statement, " ")
	switch {
	case command == 14:
		s.ok()
	case command != 3:
		s.fail("command not known")
	case word == "START":
		s.Begin()
		s.ok()
	case word == "INSERT":
		s.Insert(strings.Split(rest, "'")[1])
		s.ok()
	case word == "COMMIT":
		s.Commit()
		s.ok()
	case word == "ROLLBACK":
		s.Rollback()
		s.ok()
	case word == "SELECT":
		s.rows(s.Select())
	default:
		s.fail("statement not known: " + statement)
	}
}

func (s *session) ok()              { s.packet([]byte{0, 1, 0, autocommit, 0, 0, 0}) }
func (s *session) fail(text string) { s.packet(append([]byte{0xff, 0x28, 4}, "#HY000"+text...)) }

// rows answers with one column of short strings.
func (s *session) rows(lines []string) {
	end := []byte{0xfe, 0, 0, autocommit, 0}
	s.packet([]byte{1})
	column := append([]byte("\x03def\x00\x05poems\x05poems\x04line\x04line\x0c"), 45, 0, 0, 1, 0, 0, 0xfd, 0, 0, 0, 0, 0)
	s.packet(column)
	s.packet(end)
	for _, line := range lines {
		s.packet(append([]byte{byte(len(line))}, line...))
	}
	s.packet(end)
}

func (s *session) packet(payload []byte) {
	n := len(payload)
	s.out.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), s.sequence})
	s.out.Write(payload)
	s.sequence++
}

func (s *session) flush() error {
	_, err := s.out.WriteTo(s.conn)
	return err
}

func (s *session) read() ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(s.in, header[:]); err != nil {
		return nil, err
	}
	s.sequence = header[3] + 1
	payload := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	_, err := io.ReadFull(s.in, payload)
	return payload, err
}
