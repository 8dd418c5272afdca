package simtest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A worker's output goes to a file.

// openOutput creates the file for the process's output, and returns the handle for the
// process, which appends even after the file is truncated.
func (p *searchProcess) openOutput() (printer *os.File, err error) {
	if p.output, err = os.CreateTemp("", "simtest-*.txt"); err != nil {
		return nil, err
	}
	printer, err = os.OpenFile(p.output.Name(), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil && runtime.GOOS != "windows" {
		_ = os.Remove(p.output.Name()) // so that nothing is left in any case
	}
	return printer, err
}

// closeOutput removes the file.
func (p *searchProcess) closeOutput() {
	if p.output == nil {
		return
	}
	_ = p.output.Close()
	if runtime.GOOS == "windows" {
		_ = os.Remove(p.output.Name())
	}
}

// size returns the number of bytes that the process has printed since the file was
// last truncated.
func (p *searchProcess) size() int64 {
	info, err := p.output.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// text returns the output since the seed began, or its beginning and its end if it is
// long.
func (p *searchProcess) text() string {
	n := p.size() - p.printed
	part := func(from, n int64) string {
		bytes := make([]byte, n)
		read, _ := p.output.ReadAt(bytes, from)
		return string(bytes[:read])
	}
	if n <= maxSearchOutput {
		return part(p.printed, max(0, n))
	}
	const half = maxSearchOutput / 2
	head, tail := part(p.printed, half), part(p.printed+n-half, half)
	if i := strings.LastIndexByte(head, '\n') + 1; len(head)-i < half/2 {
		head = head[:i]
	} // of a long line, the beginning is kept
	leftOut := n - int64(len(head)) - half
	if !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	return fmt.Sprintf("%s... %d bytes are left out here ...\n%s", head, leftOut, tail)
}

// forget discards the output until now.
func (p *searchProcess) forget() {
	p.printed = p.size()
	if p.printed > maxOutputFile && p.output.Truncate(0) == nil {
		p.printed = p.size()
	}
}
