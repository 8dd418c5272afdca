// Package databases starts real database servers for a test. They run as an
// unprivileged user, in a directory of their own, on loopback.
package databases

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Server is a database server that runs until the end of its test.
type Server struct {
	t         *testing.T
	directory string
	owner     *syscall.Credential // nil means the user that runs the test
	command   *exec.Cmd
	output    *bytes.Buffer

	// Address is the address on which the server listens.
	Address string
}

// newServer creates a directory for a server, which belongs to the user nobody if root
// runs the test, and chooses a port.
func newServer(t *testing.T) *Server {
	t.Helper()
	directory, err := os.MkdirTemp("", "slowpoetry") // other users cannot enter the test's own directory
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(directory)) })
	s := &Server{t: t, directory: directory, output: new(bytes.Buffer)}
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		require.NoError(t, err)
		uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
		require.NoError(t, err)
		gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
		require.NoError(t, err)
		s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		require.NoError(t, os.Chown(directory, int(uid), int(gid)))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Address = listener.Addr().String()
	require.NoError(t, listener.Close())
	return s
}

func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.Address)
	return port
}

// program returns a command that runs as the server's owner.
func (s *Server) program(name string, arguments ...string) *exec.Cmd {
	c := exec.Command(name, arguments...)
	c.Dir, c.Env = s.directory, []string{"HOME=" + s.directory, "LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true}
	return c
}

// start starts the server, and waits until it is ready. At the end of the test the server
// is sent a signal, and must stop with all of its processes.
func (s *Server) start(isReady func() bool, stop syscall.Signal, name string, arguments ...string) {
	s.t.Helper()
	s.command = s.program(name, arguments...)
	s.command.Stdout, s.command.Stderr = s.output, s.output
	require.NoError(s.t, s.command.Start())
	ended := make(chan error, 1)
	go func() { ended <- s.command.Wait() }()
	s.t.Cleanup(func() {
		group := -s.command.Process.Pid
		_ = s.command.Process.Signal(stop)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(group, syscall.SIGKILL)
			<-ended
			s.t.Errorf("%s does not stop: %s", name, s.output)
		}
		if err := syscall.Kill(group, syscall.SIGKILL); err != syscall.ESRCH {
			s.t.Errorf("%s leaves processes", name)
		}
	})
	for until := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if isReady() {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			require.FailNow(s.t, fmt.Sprintf("%s has ended: %v: %s", name, err, s.output))
		default:
		}
		require.True(s.t, time.Now().Before(until), "%s does not become ready: %s", name, s.output)
	}
}

// Postgres starts PostgreSQL, with a user postgres without a password.
func Postgres(t *testing.T) *Server {
	t.Helper()
	programs := postgresPrograms(t)
	s := newServer(t)
	data := filepath.Join(s.directory, "data")
	output, err := s.program(filepath.Join(programs, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8").CombinedOutput()
	require.NoError(t, err, "initdb: %s", output)
	isReady := func() bool {
		return s.program(filepath.Join(programs, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", s.port()).Run() == nil
	}
	s.start(isReady, syscall.SIGINT, filepath.Join(programs, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", s.port(), "-k", s.directory, "-F", "-c", "max_connections=20")
	return s
}

// postgresPrograms returns the directory of the newest PostgreSQL's programs.
func postgresPrograms(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	require.NoError(t, err)
	if len(found) == 0 {
		path, err := exec.LookPath("initdb")
		require.NoError(t, err, "PostgreSQL is missing: install it (apt-get install postgresql)")
		path, err = filepath.EvalSymlinks(path)
		require.NoError(t, err)
		found = []string{path}
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// Redis starts Redis without persistence.
func Redis(t *testing.T) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	require.NoError(t, err, "Redis is missing: install it (apt-get install redis-server)")
	s := newServer(t)
	isReady := func() bool {
		conn, err := net.Dial("tcp", s.Address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	s.start(isReady, syscall.SIGTERM, program, "--bind", "127.0.0.1", "--port", s.port(), "--save", "", "--appendonly", "no", "--dir", s.directory)
	return s
}
