// Package postgres is a small server that speaks PostgreSQL's protocol, supports
// the statements of the tests, and accepts every user.
package postgres

import (
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/slowpoetry/slowpoetry/programs/internal/table"
)

// Serve serves one client, with a table, until either side closes.
func Serve(conn net.Conn, kept *table.Table) {
	s := &session{Backend: pgproto3.NewBackend(conn, conn), Session: table.Session{Table: kept}, conn: conn}
	s.run()
}

// A session serves one client.
type session struct {
	*pgproto3.Backend
	table.Session
	conn net.Conn

	statements map[string]string // prepared statements, by name
	statement  string            // the bound statement
	argument   string            // its argument
}

// run greets the client and answers its messages until either side closes.
func (s *session) run() {
	defer func() { _ = s.conn.Close() }()
	if _, err := s.ReceiveStartupMessage(); err != nil {
		return
	}
	s.statements = make(map[string]string)
	s.Send(&pgproto3.AuthenticationOk{})
	s.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	s.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	s.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("1234")})
	s.ready()
	for {
		message, err := s.Receive()
		if err != nil || s.answer(message) != nil {
			return
		}
	}
}

// answer answers one message.
func (s *session) answer(message pgproto3.FrontendMessage) error {
	switch m := message.(type) {
	case *pgproto3.Query:
		s.statement = m.String
		if strings.HasPrefix(s.statement, "select") {
			s.describeRows()
		}
		s.execute()
		return s.ready()
	case *pgproto3.Parse:
		s.statements[m.Name] = m.Query
		s.Send(&pgproto3.ParseComplete{})
	case *pgproto3.Describe:
		s.describe(s.statements[m.Name])
	case *pgproto3.Bind:
		s.statement = s.statements[m.PreparedStatement]
		if len(m.Parameters) == 1 {
			s.argument = string(m.Parameters[0])
		}
		s.Send(&pgproto3.BindComplete{})
	case *pgproto3.Execute:
		s.execute()
	case *pgproto3.Sync:
		return s.ready()
	case *pgproto3.Terminate:
		return net.ErrClosed
	}
	return nil
}

const text = 25 // the object identifier of the type

// describe describes a statement's parameters and results.
func (s *session) describe(statement string) {
	var parameters []uint32
	if strings.Contains(statement, "$1") {
		parameters = []uint32{text}
	}
	s.Send(&pgproto3.ParameterDescription{ParameterOIDs: parameters})
	if strings.HasPrefix(statement, "select") {
		s.describeRows()
	} else {
		s.Send(&pgproto3.NoData{})
	}
}

func (s *session) describeRows() {
	s.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("line"), DataTypeOID: text, DataTypeSize: -1, TypeModifier: -1}}})
}

// execute executes the bound statement.
func (s *session) execute() {
	tag := strings.ToUpper(strings.Fields(s.statement + " ;")[0])
	switch tag {
	case "BEGIN":
		s.Begin()
	case "INSERT":
		s.Insert(s.argument)
		tag = "INSERT 0 1"
	case "COMMIT":
		s.Commit()
	case "ROLLBACK":
		s.Rollback()
	case "SELECT":
		lines := s.Select()
		for _, line := range lines {
			s.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(line)}})
		}
		tag = fmt.Sprint("SELECT ", len(lines))
	case "--", ";":
		s.Send(&pgproto3.EmptyQueryResponse{}) // a ping
		return
	default:
		s.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "statement not known: " + s.statement})
		return
	}
	s.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// ready announces that the next statement may come, and sends the whole answer.
func (s *session) ready() error {
	status := byte('I')
	if s.InTransaction {
		status = 'T'
	}
	s.Send(&pgproto3.ReadyForQuery{TxStatus: status})
	return s.Flush()
}
