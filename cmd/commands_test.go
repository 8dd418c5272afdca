// Package cmd_test runs the commands as a user would: it builds them, and the
// scripts in testdata contain the command lines.
package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bin is the directory with the built commands.
var bin string

// build builds the commands. The test opens all of their source files, so go
// test knows that its result depends on them.
func build(t *testing.T, root string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := filepath.Ext(path); {
		case err != nil || path == root:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case slices.Contains([]string{".go", ".mod", ".txt", ".html", ".css", ".js"}, name):
			_, err = os.ReadFile(path)
		}
		return err
	}))
	bin = t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/...", "./docs/tutorial/pollpoetry")
	build.Dir = root
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Ctrl-C cannot be sent to a process on this system")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	build(t, root)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("ROOT", root)
			return nil
		},
		Condition: func(condition string) (bool, error) {
			switch condition {
			case "linux-dev":
				_, err := os.Stat("/dev/full")
				return runtime.GOOS == "linux" && err == nil, nil
			case "ipv6":
				l, err := net.Listen("tcp", "[::1]:0")
				if err == nil {
					_ = l.Close()
				}
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", condition)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve":     serve,
			"signal":    signal,
			"interrupt": interrupt,
			"rude":      rude,
			"get":       get,
			"vanish":    vanish,
			"stay":      stay,
			"metric":    metric,
			"healthz":   healthz,
			"terminal":  terminal,
		},
	})
	t.Run("tutorial", func(t *testing.T) { tutorial(t, root) })
	t.Run("proxy", proxyCommand)
}

// A process is a server that a script has started.
type process struct {
	cmd      *exec.Cmd
	mu       sync.Mutex // guards out
	out      bytes.Buffer
	first    chan string   // gets the first line
	ended    chan struct{} // closed when it has ended
	stderr   bytes.Buffer  // complete after it has ended
	exitCode int           // set after it has ended
}

// processes are the servers of a script, by name.
var processes sync.Map

func processOf(ts *testscript.TestScript, name string) *process {
	p, ok := processes.Load(ts.Getenv("WORK") + name)
	if !ok {
		ts.Fatalf("no server was started as %s", name)
	}
	return p.(*process)
}

// serve NAME ARGS... starts slowpoetry, and sets $NAME to its address and
// $NAME_PORT to its port. A last argument of <FILE pipes the file into it.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve NAME ARGS... [<FILE]")
	}
	name, args := args[0], args[1:]
	p := &process{first: make(chan string, 1), ended: make(chan struct{})}
	var stdin io.Reader
	if last := len(args) - 1; last >= 0 && strings.HasPrefix(args[last], "<") {
		stdin, args = strings.NewReader(ts.ReadFile(args[last][1:])), args[:last]
	}
	p.cmd = exec.Command(filepath.Join(bin, "slowpoetry"), args...)
	p.cmd.Stdin = stdin
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	go p.watch(stdout)
	processes.Store(ts.Getenv("WORK")+name, p)
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	select {
	case line := <-p.first:
		address := addressIn(line)
		_, port, err := net.SplitHostPort(address)
		ts.Check(err)
		ts.Setenv(name, address)
		ts.Setenv(name+"_PORT", port)
	case <-p.ended:
		ts.Fatalf("the server did not serve: %s", &p.stderr)
	case <-time.After(30 * time.Second):
		ts.Fatalf("the server does not log that it serves")
	}
}

// addressIn returns the address at the end of a server's log line, whatever the
// log format.
func addressIn(line string) string {
	return strings.Trim(regexp.MustCompile(`[^\s"=]+:\d+"?}?\s*$`).FindString(line), "\"}\n")
}

// watch collects what the process prints until it ends.
func (p *process) watch(stdout io.Reader) {
	defer close(p.ended)
	buffer := make([]byte, 4096)
	for said := false; ; {
		n, err := stdout.Read(buffer)
		p.mu.Lock()
		p.out.Write(buffer[:n])
		line, _, complete := strings.Cut(p.out.String(), "\n")
		p.mu.Unlock()
		if complete && !said {
			said = true
			p.first <- line
		}
		if err != nil {
			break
		}
	}
	_ = p.cmd.Wait()
	p.exitCode = p.cmd.ProcessState.ExitCode()
}

// signals are the signals that a script can send.
var signals = map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}

// signal NAME SIGNAL ends a server with INT or TERM, checks that it ends
// successfully and within a second, and writes its output to NAME.out.
func signal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME SIGNAL")
	}
	p := processOf(ts, args[0])
	ts.Check(p.cmd.Process.Signal(signals[args[1]]))
	select {
	case <-p.ended:
	case <-time.After(2 * time.Second): // a second, and another for a loaded machine
		ts.Fatalf("the server does not end within a second")
	}
	if p.exitCode != 0 || p.stderr.Len() > 0 {
		ts.Fatalf("exit status %d, stderr: %s", p.exitCode, &p.stderr)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), p.out.Bytes(), 0o666))
}

// interrupt NAME SIGNAL REGEXP ARGS... runs get-poetry until its output
// matches, and sends it a signal. Then it writes stdout to NAME.out, stderr to
// NAME.err, and the exit status as a shell reports it to NAME.status, preceded
// by "signal" if the signal ended the process.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: interrupt NAME SIGNAL REGEXP ARGS...")
	}
	name, want := args[0], regexp.MustCompile("(?m)"+args[2])
	cmd := exec.Command(filepath.Join(bin, "get-poetry"), args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	stdout, stderr := watched{want: want, found: make(chan struct{})}, watched{want: want, found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ts.Check(cmd.Start())
	select {
	case <-stdout.found:
	case <-stderr.found:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		ts.Fatalf("the command does not print %v", want)
	}
	ts.Check(cmd.Process.Signal(signals[args[1]]))
	start := time.Now()
	_ = cmd.Wait()
	if took := time.Since(start); took > 2*time.Second { // a second, and another for a loaded machine
		ts.Fatalf("the command took %v to end", took)
	}
	status := fmt.Sprintln(cmd.ProcessState.ExitCode())
	if how := cmd.ProcessState.Sys().(syscall.WaitStatus); how.Signaled() {
		status = fmt.Sprintln("signal", 128+int(how.Signal()))
	}
	ts.Check(os.WriteFile(ts.MkAbs(name+".out"), stdout.text.Bytes(), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(name+".err"), stderr.text.Bytes(), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(name+".status"), []byte(status), 0o666))
}

// A watched is a text that is searched as it grows.
type watched struct {
	want  *regexp.Regexp
	found chan struct{} // closed when the text is found
	text  bytes.Buffer
	once  sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	w.text.Write(p)
	if w.want.Match(w.text.Bytes()) {
		w.once.Do(func() { close(w.found) })
	}
	return len(p), nil
}

// rude NAME HABIT starts a misbehaving server, and sets $NAME to its address and
// $NAME_PORT to its port: refuse, reset after four bytes, stall after two, flood,
// drip a byte each tenth of a second, or send nothing and close.
func rude(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rude NAME HABIT")
	}
	setAddress := func(address *net.TCPAddr) {
		ts.Setenv(args[0], address.String())
		ts.Setenv(args[0]+"_PORT", fmt.Sprint(address.Port))
	}
	if args[1] == "refuse" {
		address, release, err := testnet.Refused()
		ts.Check(err)
		ts.Defer(release)
		setAddress(address)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	setAddress(listener.Addr().(*net.TCPAddr))
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(func() {
		cancel()
		_ = listener.Close()
		<-done
	})
	go func() {
		defer close(done)
		testnet.Serve(listener, func(conn net.Conn) {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			var err error
			switch args[1] {
			case "reset":
				_, _ = io.WriteString(conn, "half")
				time.Sleep(50 * time.Millisecond)
				_ = conn.(*net.TCPConn).SetLinger(0)
			case "stall":
				_, _ = io.WriteString(conn, "hm")
				_, _ = conn.Read(make([]byte, 1)) // until the client closes
			case "drip":
				for ; err == nil; time.Sleep(100 * time.Millisecond) {
					_, err = conn.Write([]byte("."))
				}
			case "flood":
				for err == nil {
					_, err = conn.Write(make([]byte, 1000))
				}
			}
		})
	}()
}

// get NAME FILE gets a poem as nc does, and writes it to a file.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get NAME FILE")
	}
	conn, err := net.Dial("tcp", ts.Getenv(args[0]))
	ts.Check(err)
	defer conn.Close()
	poem, err := io.ReadAll(conn)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), poem, 0o666))
}

// vanish NAME connects to a server, reads a little and disconnects.
func vanish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: vanish NAME")
	}
	conn, err := net.Dial("tcp", ts.Getenv(args[0]))
	ts.Check(err)
	defer conn.Close()
	_, err = io.ReadFull(conn, make([]byte, 2))
	ts.Check(err)
}

// stay NAME gets a poem and stays connected until the script ends.
func stay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stay NAME")
	}
	conn, err := net.Dial("tcp", ts.Getenv(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	_, err = io.ReadAll(conn)
	ts.Check(err)
}
