package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

// An emulator is a terminal with the features that the commands use. It keeps
// lines that have scrolled away. It wraps its lines again when its width
// changes.
type emulator struct {
	columns, rows int
	lines         [][]rune
	wraps         []bool // by line: whether it continues on the next line
	row, column   int    // of the cursor; rows count from the first line ever
	top           int    // the first visible line
	rest          string // an incomplete escape sequence
}

func newEmulator(columns, rows int) *emulator {
	return &emulator{columns: columns, rows: rows, lines: [][]rune{nil}, wraps: []bool{false}}
}

var sequence = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

// write shows output.
func (e *emulator) write(output string) error {
	for output = e.rest + output; output != ""; {
		e.rest = ""
		if output[0] == '\x1b' {
			found := sequence.FindStringSubmatch(output)
			if found == nil {
				if len(output) > 8 {
					return fmt.Errorf("unknown sequence: %q", output)
				}
				e.rest = output
				return nil
			}
			output = output[len(found[0]):]
			number, _ := strconv.Atoi(found[1])
			switch found[2] {
			case "A":
				e.row = max(e.row-max(number, 1), e.top)
			case "K":
				e.lines[e.row] = e.lines[e.row][:min(e.column, len(e.lines[e.row]))]
				e.wraps[e.row] = false
			case "J":
				e.lines, e.wraps = e.lines[:e.row+1], e.wraps[:e.row+1]
				e.lines[e.row] = e.lines[e.row][:min(e.column, len(e.lines[e.row]))]
				e.wraps[e.row] = false
			case "m":
			default:
				return fmt.Errorf("unknown sequence: %q", found[0])
			}
			continue
		}
		var r rune
		for i, first := range output {
			if i == 0 {
				r = first
				continue
			}
			output = output[i:]
			goto shown
		}
		output = ""
	shown:
		switch r {
		case '\r':
			e.column = 0
		case '\n':
			e.down()
		default:
			if e.column == e.columns {
				e.wraps[e.row] = true
				e.down()
				e.column = 0
			}
			for len(e.lines[e.row]) <= e.column {
				e.lines[e.row] = append(e.lines[e.row], ' ')
			}
			e.lines[e.row][e.column] = r
			e.column++
		}
	}
	return nil
}

// down moves the cursor to the next line.
func (e *emulator) down() {
	if e.row++; e.row == len(e.lines) {
		e.lines, e.wraps = append(e.lines, nil), append(e.wraps, false)
	}
	e.top = max(e.top, e.row-e.rows+1)
}

// resize changes the width, and wraps the lines again.
func (e *emulator) resize(columns int) {
	lines, wraps, row := [][]rune{}, []bool{}, 0
	for i, line := range e.lines {
		if i == e.row {
			row = len(lines)
		}
		for len(line) > columns {
			lines, wraps = append(lines, line[:columns:columns]), append(wraps, true)
			line = line[columns:]
		}
		lines, wraps = append(lines, line), append(wraps, e.wraps[i])
	}
	e.columns, e.lines, e.wraps, e.row = columns, lines, wraps, row
	e.top = max(len(lines)-e.rows, 0)
}

// text returns all lines, with a mark at the cursor.
func (e *emulator) text() string {
	var text strings.Builder
	for i, line := range e.lines {
		if i == e.row {
			fmt.Fprintf(&text, "[cursor %d]", e.column)
		}
		text.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return text.String()
}

// terminal NAME COLUMNSxROWS [DO@REGEXP] ARGS... runs get-poetry on a terminal of
// that size, with the script's NO_COLOR and TERM. When its output matches the
// expression, DO is done: type Ctrl-C (^C), KILL it, or give the terminal another
// number of columns. The output is written to NAME.raw, the final contents of the
// terminal to NAME.screen, and the exit status to NAME.status, as interrupt does.
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: terminal NAME COLUMNSxROWS [DO@REGEXP] ARGS...")
	}
	var columns, rows int
	_, err := fmt.Sscanf(args[1], "%dx%d", &columns, &rows)
	ts.Check(err)
	name, args := args[0], args[2:]
	do, when, found := strings.Cut(args[0], "@")
	if found {
		args = args[1:]
	}
	want := regexp.MustCompile(when)
	cmd := exec.Command(filepath.Join(bin, "get-poetry"), args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "NO_COLOR="+ts.Getenv("NO_COLOR"), "TERM="+ts.Getenv("TERM"))
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	ts.Check(err)
	ts.Defer(func() { _ = tty.Close() })
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	screen, raw := newEmulator(columns, rows), strings.Builder{}
	var once sync.Once
	buffer := make([]byte, 1<<16)
	for {
		n, err := tty.Read(buffer)
		raw.Write(buffer[:n])
		ts.Check(screen.write(string(buffer[:n])))
		if found && want.MatchString(raw.String()) {
			once.Do(func() {
				switch do {
				case "^C":
					_, err := tty.WriteString("\x03")
					ts.Check(err)
				case "KILL":
					ts.Check(cmd.Process.Kill())
				default:
					columns, err := strconv.Atoi(do)
					ts.Check(err)
					ts.Check(pty.Setsize(tty, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}))
					screen.resize(columns)
				}
			})
		}
		if err != nil { // EIO: no process has the terminal open
			break
		}
	}
	_ = cmd.Wait()
	status := fmt.Sprintln(cmd.ProcessState.ExitCode())
	if how := cmd.ProcessState.Sys().(syscall.WaitStatus); how.Signaled() {
		status = fmt.Sprintln("signal", 128+int(how.Signal()))
	}
	ts.Check(os.WriteFile(ts.MkAbs(name+".raw"), []byte(raw.String()), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(name+".screen"), []byte(screen.text()), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(name+".status"), []byte(status), 0o666))
}
