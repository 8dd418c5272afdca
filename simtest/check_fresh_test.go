package simtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// timesTold is state that a process keeps from one simulation to the next.
var timesTold int

// tell is a simulation in which a host sends a text.
func tell(text func() string) func(t *testing.T, sim *simtest.Sim) {
	return func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		_, err = conn.Write([]byte("once upon a time " + text()))
		require.NoError(t, err)
		server, err := listener.Accept()
		require.NoError(t, err)
		_, err = server.Read(make([]byte, 100))
		require.NoError(t, err)
	}
}

// count continues counting from one simulation to the next.
func count() string {
	timesTold++
	return fmt.Sprint(timesTold)
}

// freshTests are the tests that TestFreshly runs in a process of its own.
var freshTests = map[string]func(t *testing.T){
	"kept here":      func(t *testing.T) { simtest.CheckDeterminism(t, simtest.Config{}, tell(count)) },
	"kept elsewhere": func(t *testing.T) { simtest.CheckDeterminism(t, simtest.Config{Fresh: 3}, tell(count)) },
	"differs": func(t *testing.T) {
		simtest.CheckDeterminism(t, simtest.Config{Fresh: 3, Seed: 7}, tell(func() string { return fmt.Sprintf("%9d", os.Getpid()) }))
	},
	"fails": func(t *testing.T) {
		simtest.CheckDeterminism(t, simtest.Config{Fresh: 3}, func(t *testing.T, sim *simtest.Sim) { t.Error("it rains") })
	},
	"dies": func(t *testing.T) {
		simtest.CheckDeterminism(t, simtest.Config{Fresh: 3}, func(t *testing.T, sim *simtest.Sim) { os.Exit(3) })
	},
	"skips": func(t *testing.T) {
		simtest.CheckDeterminism(t, simtest.Config{Fresh: 3}, func(t *testing.T, sim *simtest.Sim) { t.Skip("not today") })
	},
	"second": func(t *testing.T) {
		simtest.CheckDeterminism(t, simtest.Config{}, tell(func() string { return "in the test's own" }))
		simtest.CheckDeterminism(t, simtest.Config{Fresh: 2}, tell(count))
		simtest.Search{Seeds: 3, Fresh: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			tell(count)(t, sim)
			assert.Equal(t, 1, timesTold)
		})
	},
	"once": func(t *testing.T) {
		simtest.Search{Seeds: 1, Fresh: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			tell(func() string { return fmt.Sprintf("%9d", os.Getpid()) })(t, sim)
			if file, err := os.OpenFile(os.Getenv("SIMTEST_ONCE"), os.O_CREATE|os.O_EXCL, 0o666); err == nil {
				assert.NoError(t, file.Close())
				t.Error("it rains")
			}
		})
	},
}

const freshlyVariable = "SIMTEST_FRESHLY"

// TestFreshly is run by TestCheckDeterminismInProcesses.
func TestFreshly(t *testing.T) {
	f, ok := freshTests[os.Getenv(freshlyVariable)]
	if !ok {
		t.Skip("TestCheckDeterminismInProcesses runs it")
	}
	f(t)
}

// State of a process does not matter if each run has its own process; differences are
// shown as with one process.
func TestCheckDeterminismInProcesses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, c := range []struct {
		name, env string
		ends      string
		says      []string
	}{
		{"kept here", "", "FAIL", []string{"two runs with one seed differ"}},
		{"kept here", "SIMTEST_FRESH=2", "ok", nil},
		{"kept elsewhere", "", "ok", nil},
		{"kept elsewhere", "SIMTEST_FRESH=0", "FAIL", []string{"two runs with one seed differ"}},
		{"second", "", "ok", nil},
		{"differs", "SIMTEST_TRACE=" + folder, "FAIL", []string{
			"two runs with one seed differ, from event 3 on\n  last in common: ",
			"The bytes differ from byte ", `after "once upon a time`,
			"They were written by a goroutine without a host, in simtest_test.",
			"The runs differ only in content",
			"The runs were in processes of their own, the first one and number 2.",
			"their traces are in " + folder,
			"the seed was 7. To run it again:",
		}},
		{"fails", "", "FAIL", []string{"the simulation failed in process 1 of 3. Its output:", "it rains"}},
		{"dies", "", "FAIL", []string{"the process has ended: exit status 3"}},
		{"skips", "", "SKIP", nil},
		{"once", "SIMTEST_ONCE=" + filepath.Join(folder, "once"), "FAIL", []string{
			"It has not failed again with the same seed", "The bytes differ from byte ",
			"The runs were in processes of their own, the first one and number 2.",
		}},
		{"kept here", "SIMTEST_FRESH=many", "FAIL", []string{`simtest: SIMTEST_FRESH is "many", which is not a number of processes`}},
	} {
		t.Run(c.name+" "+c.env, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFreshly$", "-test.v", "-test.timeout=1m")
			command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", freshlyVariable+"="+c.name, c.env)
			text, err := command.CombinedOutput()
			output := string(text)
			assert.Equal(t, c.ends == "FAIL", err != nil, output)
			assert.Equal(t, c.ends == "SKIP", strings.Contains(output, "--- SKIP: TestFreshly"), output)
			for _, text := range c.says {
				assert.Contains(t, unindent(output), text)
			}
		})
	}
}
