// Package table is the storage of the databases in these tests: lines, in one
// table.
package table

import (
	"slices"
	"sync"
)

// A Table is a table of lines. It outlives the server, as on a disk. The zero
// Table is empty.
type Table struct {
	mu    sync.Mutex
	lines []string
}

// Lines returns the lines.
func (t *Table) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}

// A Session is one client's session with a table.
type Session struct {
	Table         *Table
	InTransaction bool

	pending []string // lines of the transaction
}

// Begin starts a transaction.
func (s *Session) Begin() { s.InTransaction = true }

// Insert adds a line. In a transaction, others do not see it until Commit.
func (s *Session) Insert(line string) {
	s.pending = append(s.pending, line)
	if !s.InTransaction {
		s.Commit()
	}
}

// Commit ends a transaction and makes its lines visible to all.
func (s *Session) Commit() {
	s.Table.mu.Lock()
	defer s.Table.mu.Unlock()
	s.Table.lines = append(s.Table.lines, s.pending...)
	s.InTransaction, s.pending = false, nil
}

// Rollback ends a transaction and discards its lines.
func (s *Session) Rollback() { s.InTransaction, s.pending = false, nil }

// Select returns the table's lines, followed by the transaction's.
func (s *Session) Select() []string { return append(s.Table.Lines(), s.pending...) }
