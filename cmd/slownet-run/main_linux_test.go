package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slowpoetry/slowpoetry/internal/tun"
)

// The programs, in a directory in which all users may run them: slownet-run, and this
// test's program, which slownet-run runs.
var program, testProgram string

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as" {
		panic(runAs(user(os.Args[2]), os.Args[3], os.Args[4], os.Args[5:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "inside" {
		if err := insideTest(os.Args[2], os.Args[3:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testAll(m))
}

// testAll builds the program and runs the tests.
func testAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slownet-run-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program, testProgram = filepath.Join(dir, "slownet-run"), filepath.Join(dir, "inside")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", program}, buildFlags, []string{"."})...)
	build.Stderr = os.Stderr
	own, err := os.ReadFile("/proc/self/exe")
	for _, err := range []error{err, os.Chmod(dir, 0o755), build.Run(), os.WriteFile(testProgram, own, 0o755)} {
		if err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// A user is the name of a user who runs the program.
type user string

const (
	self   user = "self" // the user of the test
	nobody user = "nobody"
)

// users are the users for whom the program is tested: the current one and, if that is
// root, nobody.
func users() []user {
	if os.Geteuid() == 0 {
		return []user{self, nobody}
	}
	return []user{self}
}

// asEach runs a test as each user.
func asEach(t *testing.T, test func(t *testing.T, as user)) {
	for _, as := range users() {
		t.Run(string(as), func(t *testing.T) {
			t.Parallel()
			test(t, as)
		})
	}
}

// The devices with which the program runs. A device that differs from this machine's is in
// a mount namespace of the program's own.
const (
	deviceAsItIs  = "as-it-is"
	deviceForAll  = "0666"
	deviceForRoot = "0600"
	noDevice      = "none"
)

// The networks that the program sees as the host's.
const (
	hostsNetwork = "host"
	ownNetwork   = "own" // has only addresses of its own, and all users may ping
)

// The addresses of ownNetwork. The program takes the second one for a route to the
// Internet.
var (
	ownAddress  = netip.MustParsePrefix("10.9.9.9/32")
	ownAddress6 = netip.MustParsePrefix("2001:4860:4860::8888/128")
)

// command returns a command that runs the program as a user, who may open the device.
func command(as user, args ...string) *exec.Cmd {
	device := deviceAsItIs
	if as == nobody {
		device = deviceForAll
	}
	return commandWith(as, device, hostsNetwork, args...)
}

func commandWith(as user, device, network string, args ...string) *exec.Cmd {
	if as == self && device == deviceAsItIs && network == hostsNetwork {
		return exec.Command(program, args...)
	}
	return exec.Command(testProgram, append([]string{"as", string(as), device, network, program}, args...)...)
}

// runAs creates a device and a network, changes to a user, and executes a program. It
// returns only on failure.
func runAs(as user, device, network string, command []string) error {
	runtime.LockOSThread()
	if network == ownNetwork {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := tun.Configure("lo", tun.Config{Addresses: []netip.Prefix{ownAddress, ownAddress6}}); err != nil {
			return err
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 65534"), 0); err != nil {
			return err
		}
	}
	if device != deviceAsItIs {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=0755")); err != nil {
			return err
		}
		if device != noDevice {
			mode, err := strconv.ParseUint(device, 8, 32)
			if err == nil {
				err = unix.Mknod("/dev/net/tun", unix.S_IFCHR|uint32(mode), int(unix.Mkdev(10, 200)))
			}
			if err == nil {
				err = unix.Chmod("/dev/net/tun", uint32(mode))
			}
			if err != nil {
				return err
			}
		}
	}
	if as == nobody {
		const id = 65534
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(id, id, id), syscall.Setresuid(id, id, id)); err != nil {
			return err
		}
	}
	return unix.Exec(command[0], command, os.Environ())
}

// A result is the output, the exit status and the time of a run of the program.
type result struct {
	stdout, stderr string
	status         int
	took           time.Duration
}

// limit is the maximum time of a run.
const limit = time.Minute

// runProgram runs the program as a user.
func runProgram(t *testing.T, as user, args ...string) result {
	t.Helper()
	return finish(t, command(as, args...))
}

func finish(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	start := time.Now()
	require.NoError(t, c.Start())
	endInTime(t, c)
	err := c.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	status := c.ProcessState.ExitCode()
	if ws := c.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		status = 128 + int(ws.Signal()) // as a shell reports it
	}
	return result{stdout.String(), stderr.String(), status, time.Since(start)}
}

// endInTime kills a started command if it has not ended in time, or at the end of the
// test.
func endInTime(t *testing.T, c *exec.Cmd) {
	timer := time.AfterFunc(limit, func() { _ = c.Process.Kill() })
	t.Cleanup(func() {
		timer.Stop()
		_ = c.Process.Kill()
	})
}

// insidePrograms are the programs that tests run inside, by name.
var insidePrograms = map[string]func(args []string, out io.Writer) error{}

// insideTest runs inside, instead of the tests.
func insideTest(name string, args []string) error {
	f := insidePrograms[name]
	if f == nil {
		return fmt.Errorf("there is no %q", name)
	}
	return f(args, os.Stdout)
}

// needs fails the test if a tool is missing.
func needs(t *testing.T, tool, debianPackage string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	require.NoError(t, err, "the test needs %s: apt-get install %s", tool, debianPackage)
}

// The exit status is the exit status of the command.
func TestStatusIsTheCommands(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		notAProgram := filepath.Join(filepath.Dir(program), "nonsense-"+string(as))
		require.NoError(t, os.WriteFile(notAProgram, []byte("\x7fELF"), 0o755))
		for _, c := range []struct {
			args           []string
			status         int
			stdout, stderr string
		}{
			{[]string{"--", "sh", "-c", "echo out; echo err >&2"}, 0, "out\n", "err\n"},
			{[]string{"sh", "-c", "exit 7"}, 7, "", ""},
			{[]string{"--", "sh", "-c", "kill -TERM $$"}, 128 + 15, "", ""},
			{[]string{"--", "sh", "-c", "kill -KILL $$"}, 128 + 9, "", ""},
			{[]string{"--", "sh", "-c", "kill -SEGV $$"}, 128 + 11, "", ""},
			{[]string{"--", "no-such-command"}, 127, "", "slownet run: exec: \"no-such-command\": executable file not found in $PATH\n"},
			{[]string{"--", notAProgram}, 126, "", "slownet run: " + notAProgram + ": exec format error\n"},
			{[]string{}, 125, "", "slownet run: no command given: try slownet run --profile webpagetest/3g -- curl http://example.com/ (see slownet run --help)\n"},
			{[]string{"--loss", "5", "true"}, 125, "", "slownet run: invalid argument \"5\" for \"--loss\" flag: loss: percentage 5 has no unit: write it like \"1.5%\" (see slownet run --help)\n"},
			{[]string{"--up", `{"pace": {"bytes": 1, "wait": "1s"}}`, "true"}, 125, "", "slownet run: the path has a pace, which needs streams, but the path carries packets: give a rate\n"},
		} {
			r := runProgram(t, as, c.args...)
			assert.Equal(t, c.status, r.status, "%q: %s", c.args, r.stderr)
			assert.Equal(t, c.stdout, r.stdout, "%q", c.args)
			assert.Equal(t, c.stderr, r.stderr, "%q", c.args)
		}
	})
}

// The command runs as the user who started the program, with the program's open files, and
// without privileges on the host. Processes that have lost their parent do not remain.
func TestCommandRunsAsItsUser(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, as user) {
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		defer reader.Close()
		c := command(as, "--", "sh", "-c", `id -u; pwd; echo $MARK; echo more >&3; grep CapAmb /proc/self/status; (true &); read line; echo "$line"`)
		c.Env = append(os.Environ(), "MARK=here")
		c.Dir = "/"
		c.ExtraFiles = []*os.File{writer}
		c.Stdin = strings.NewReader("typed\n")
		r := finish(t, c)
		require.NoError(t, writer.Close())
		more, err := io.ReadAll(reader)
		require.NoError(t, err)
		uid := os.Geteuid()
		if as == nobody {
			uid = 65534
		}
		assert.Equal(t, fmt.Sprintf("%d\n/\nhere\nCapAmb:\t0000000000000000\ntyped\n", uid), r.stdout, r.stderr)
		assert.Equal(t, "more\n", string(more))
	})
}
