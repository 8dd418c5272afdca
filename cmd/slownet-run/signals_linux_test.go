package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func init() { insidePrograms["signals"] = printSignals }

// printSignals prints the signals that it receives, and ends half a second after
// SIGINT or SIGTERM.
func printSignals(_ []string, out io.Writer) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	fmt.Fprintln(out, "ready")
	var end <-chan time.Time
	for {
		select {
		case s := <-signals:
			fmt.Fprintln(out, s)
			if s == unix.SIGTERM || s == unix.SIGINT {
				end = time.After(500 * time.Millisecond)
			}
		case <-end:
			return nil
		}
	}
}

// A signal reaches the command once, both from kill, which signals slownet run alone, and
// from a terminal, which signals the whole group.
func TestSignalsReachTheCommandOnce(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		for _, group := range []bool{false, true} {
			c := command(as, "--", testProgram, "inside", "signals")
			c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			out, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			endInTime(t, c)
			lines := bufio.NewScanner(out)
			next := func() string { lines.Scan(); return lines.Text() }
			require.Equal(t, "ready", next())
			to := c.Process.Pid
			if group {
				to = -to
			}
			for _, s := range []unix.Signal{unix.SIGUSR1, unix.SIGHUP, unix.SIGUSR1, unix.SIGQUIT, unix.SIGINT} {
				require.NoError(t, unix.Kill(to, s))
				assert.Equal(t, s.String(), next(), "to the group: %v", group)
			}
			assert.False(t, lines.Scan(), "one more: %s; to the group: %v", lines.Text(), group)
			require.NoError(t, c.Wait())
		}
	})
}

// Ctrl-C at a terminal reaches the command once. The signal that ends the command ends
// slownet run, too.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		for _, script := range []struct {
			command, want string
			status        func(s syscall.WaitStatus) bool
		}{
			{"exec " + testProgram + " inside signals", "ready\r\n^Cinterrupt\r\n", func(s syscall.WaitStatus) bool { return s.Exited() && s.ExitStatus() == 0 }},
			{"echo ready; exec sleep 1000", "ready\r\n^C", func(s syscall.WaitStatus) bool { return s.Signaled() && s.Signal() == unix.SIGINT }},
		} {
			c := command(as, "--", "sh", "-c", script.command)
			terminal, err := pty.Start(c)
			require.NoError(t, err)
			endInTime(t, c)
			var printed bytes.Buffer
			buffer := make([]byte, 1000)
			for {
				n, err := terminal.Read(buffer)
				printed.Write(buffer[:n])
				if err != nil {
					break
				}
				if printed.String() == "ready\r\n" {
					_, err := terminal.Write([]byte{3})
					require.NoError(t, err)
				}
			}
			_ = c.Wait()
			assert.Equal(t, script.want, printed.String())
			assert.True(t, script.status(c.ProcessState.Sys().(syscall.WaitStatus)), "%v", c.ProcessState)
			require.NoError(t, terminal.Close())
		}
	})
}

// interactive is the environment of an interactive bash whose output does not depend on
// the user, and which leaves the user's history alone.
var interactive = []string{"PS1=$ ", "TERM=dumb", "LC_ALL=C", "HISTFILE=", "INPUTRC=/dev/null"}

// Ctrl-Z at a terminal stops the command and slownet run, and the shell's fg continues
// both. While stopped, the command writes nothing.
func TestCtrlZ(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		shell := exec.Command("bash", "--norc", "--noprofile", "-i")
		shell.Env = append(os.Environ(), interactive...)
		terminal, err := pty.Start(shell)
		require.NoError(t, err)
		defer terminal.Close()
		endInTime(t, shell)
		var printed strings.Builder // since the last await
		await := func(text string) string {
			t.Helper()
			for buffer := make([]byte, 1000); !strings.Contains(printed.String(), text); {
				n, err := terminal.Read(buffer)
				printed.Write(buffer[:n])
				require.NoError(t, err, "%q is missing in %q", text, printed.String())
			}
			before, after, _ := strings.Cut(printed.String(), text)
			printed.Reset()
			printed.WriteString(after)
			return before
		}
		run := command(as, "--", "sh", "-c", "while :; do echo ti''ck; sleep 0.05; done")
		var line strings.Builder
		for _, arg := range run.Args {
			fmt.Fprintf(&line, "'%s' ", strings.ReplaceAll(arg, "'", `'\''`))
		}
		_, err = fmt.Fprintf(terminal, "%s\n", &line)
		require.NoError(t, err)
		await("tick\r\n")
		for range 2 {
			_, err = terminal.Write([]byte{'Z' - '@'})
			require.NoError(t, err)
			await("Stopped")
			await("$ ")
			_, err = io.WriteString(terminal, "sleep 0.5; echo sle''pt\n")
			require.NoError(t, err)
			assert.NotContains(t, await("slept\r\n"), "tick")
			_, err = io.WriteString(terminal, "fg\n")
			require.NoError(t, err)
			await("tick\r\n")
		}
		_, err = terminal.Write([]byte{'C' - '@'})
		require.NoError(t, err)
		await("$ ")
		_, err = io.WriteString(terminal, "echo status $?; jobs; exit\n")
		require.NoError(t, err)
		assert.NotContains(t, await("status 130\r\n"), "tick")
		rest, _ := io.ReadAll(terminal) // until EIO
		assert.NotContains(t, string(rest), "Stopped")
		_ = shell.Wait()
	})
}

// An interactive shell inside has the terminal, and job control.
func TestShellHasTheTerminal(t *testing.T) {
	t.Parallel()
	c := command(self, "--", "bash", "--norc", "--noprofile", "-i")
	c.Env = append(os.Environ(), interactive...)
	terminal, err := pty.Start(c)
	require.NoError(t, err)
	endInTime(t, c)
	_, err = io.WriteString(terminal, "sleep 1000 &\njobs\nkill %1\necho done $((1+1))\nexit 5\n")
	require.NoError(t, err)
	out, _ := io.ReadAll(terminal) // until EIO
	_ = c.Wait()
	assert.Contains(t, string(out), "Running")
	assert.Contains(t, string(out), "done 2")
	assert.NotContains(t, string(out), "no job control")
	assert.Equal(t, 5, c.ProcessState.ExitCode())
}

// processesWith returns the processes whose command line contains a text.
func processesWith(t *testing.T, text string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), text) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// processesIn returns the processes in a network namespace.
func processesIn(t *testing.T, namespace string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/ns/net")
	require.NoError(t, err)
	for _, file := range files {
		if name, err := os.Readlink(file); err == nil && name == namespace {
			pids = append(pids, file)
		}
	}
	return pids
}

// No process of the command remains, whether the command ends or slownet run is ended by
// a signal.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		for i, end := range []func(c *exec.Cmd){
			func(*exec.Cmd) {}, // by itself
			func(c *exec.Cmd) { require.NoError(t, c.Process.Signal(unix.SIGINT)) },
			func(c *exec.Cmd) { require.NoError(t, c.Process.Signal(unix.SIGTERM)) },
			func(c *exec.Cmd) { require.NoError(t, c.Process.Kill()) },
		} {
			seconds := fmt.Sprintf("%d.%d%d", 1000+i, os.Getpid(), len(as)) // occurs in no other command line
			last := "exec sleep " + seconds
			if i == 0 {
				last = "true"
			}
			c := command(as, "--", "sh", "-c", "setsid sleep "+seconds+" & (sleep "+seconds+" &) ; readlink /proc/self/ns/net; "+last)
			out, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			endInTime(t, c)
			namespace, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			namespace = strings.TrimSpace(namespace)
			require.True(t, i == 0 || len(processesIn(t, namespace)) > 0, namespace)
			end(c)
			_ = c.Wait()
			assert.Eventually(t, func() bool { return len(processesWith(t, seconds))+len(processesIn(t, namespace)) == 0 }, 10*time.Second, 20*time.Millisecond, "case %d", i)
		}
	})
}
