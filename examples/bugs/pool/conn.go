package pool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// A Conn is a connection of a pool, on which each line is answered by a line.
type Conn struct {
	net.Conn
	lines *bufio.Reader
	used  time.Time
	err   error // why it can no longer be used
}

// newConn returns a connection that was just used.
func newConn(c net.Conn) *Conn { return &Conn{Conn: c, lines: bufio.NewReader(c), used: time.Now()} }

// Do sends a line and returns the answer. It waits until the deadline of ctx.
func (c *Conn) Do(ctx context.Context, line string) (answer string, err error) {
	defer func() { c.err = err }()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	answer, err = c.lines.ReadString('\n')
	return strings.TrimSuffix(answer, "\n"), err
}

// Ping checks within half a second whether the server answers.
func (c *Conn) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	answer, err := c.Do(ctx, "ping")
	if err == nil && answer != "pong" {
		err = errors.New("pool: the server does not support ping")
	}
	return err
}

// Serve answers lines with the same line, and ping with pong.
func Serve(listener net.Listener) error {
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			for lines := bufio.NewScanner(c); lines.Scan(); {
				line := lines.Text()
				if line == "ping" {
					line = "pong"
				}
				if _, err := fmt.Fprintln(c, line); err != nil {
					return
				}
			}
		}()
	}
}
