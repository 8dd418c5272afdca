//go:build unix

package simtest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Ctrl-C prints the summary so far, and however the process ends, no worker is left.
func TestSearchInterrupted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		folder := t.TempDir()
		command := searchCommand(t, "stuck", folder, "-test.cpu=2")
		var output bytes.Buffer
		command.Stdout, command.Stderr = &output, &output
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell does
		require.NoError(t, command.Start())
		var workers []int
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(filepath.Join(folder, "stuck"))
			workers = nil
			for line := range bytes.Lines(text) {
				var pid int
				_, _ = fmt.Sscan(string(line), &pid)
				workers = append(workers, pid)
			}
			return len(workers) == 2
		}, time.Minute, 20*time.Millisecond)
		for _, pid := range workers {
			group, err := syscall.Getpgid(pid)
			require.NoError(t, err)
			assert.Equal(t, pid, group, "a signal that a terminal sends to a group does not reach the worker")
		}
		if target := command.Process.Pid; sig == syscall.SIGINT { // a terminal sends it to the whole process group
			require.NoError(t, syscall.Kill(-target, sig))
		} else {
			require.NoError(t, syscall.Kill(target, sig))
		}
		_ = command.Wait()
		status, ok := command.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok)
		assert.Equal(t, sig, status.Signal(), output.String())
		if sig == syscall.SIGINT {
			assert.Contains(t, output.String(), "simtest: TestSearched: 3 seeds in ")
			assert.Contains(t, output.String(), "The search has ended after 3 of 1000: interrupted.")
			assert.NotContains(t, output.String(), "failed")
		}
		for _, pid := range workers {
			assert.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, 10*time.Second, 10*time.Millisecond)
		}
	}
}

// Ctrl-C during shrinking prints the summary with the best replay so far, and writes
// its file.
func TestSearchInterruptedWhileItShrinks(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	command := searchCommand(t, "slow", folder, "-test.cpu=2")
	command.Env = append(command.Env, "SIMTEST_SHRINK=5m")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, command.Start())
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(folder, "slow"))
		return len(text) >= 10
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, syscall.Kill(-command.Process.Pid, syscall.SIGINT))
	_ = command.Wait()
	status, ok := command.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.Equal(t, syscall.SIGINT, status.Signal(), output.String())
	assert.Contains(t, output.String(), "1. seed 1: it fails")
	assert.Contains(t, output.String(), "It could perhaps be shrunk further: interrupted.\nIts replay file is ")
	files, err := filepath.Glob(filepath.Join(folder, "replays", "TestSearched", "*.replay"))
	require.NoError(t, err)
	assert.Len(t, files, 1)
}
