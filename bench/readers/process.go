package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A command is a program with its fixed arguments.
type command struct {
	path string
	args []string
}

// A process is a running command, with its resource usage.
type process struct {
	*exec.Cmd
	out, err string // the files that it writes to
	peak     int64  // peak resident bytes
}

// start starts a command, which writes to files of that name.
func (c command) start(dir, name string, args ...string) (*process, error) {
	p := &process{
		Cmd: exec.Command(c.path, append(append([]string{}, c.args...), args...)...),
		out: filepath.Join(dir, name+".out"),
		err: filepath.Join(dir, name+".err"),
	}
	out, err := os.Create(p.out)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	stderr, err := os.Create(p.err)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.Stdout, p.Stderr = out, stderr
	return p, p.Start()
}

// sample records the peak of the resident memory. The count that the kernel reports
// at the end is useless, as it includes the parent's memory before exec.
func (p *process) sample() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kB, _ := strconv.ParseInt(fields[1], 10, 64)
			p.peak = kB << 10
		}
	}
}

// wait waits for the process to end, and samples other processes meanwhile.
func (p *process) wait(limit time.Duration, others ...*process) error {
	done := make(chan error, 1)
	go func() { done <- p.Wait() }()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			for _, process := range append(others, p) {
				process.sample()
			}
		case <-timer.C:
			_ = p.Process.Kill()
			<-done
			return fmt.Errorf("%s took more than %v", filepath.Base(p.Path), limit)
		}
	}
}

// stop ends a process, if it is still running.
func (p *process) stop() {
	if p.ProcessState == nil {
		_ = p.Process.Signal(syscall.SIGINT)
		_ = p.wait(10 * time.Second)
	}
}

// cpu returns the processor time of a process that has ended.
func (p *process) cpu() time.Duration {
	return p.ProcessState.UserTime() + p.ProcessState.SystemTime()
}

// port waits for a server to log its address.
func (p *process) port() (string, error) {
	for range 200 {
		out, err := os.ReadFile(p.out)
		if err != nil {
			return "", err
		}
		if line, _, whole := strings.Cut(string(out), "\n"); whole {
			return line[strings.LastIndex(line, ":")+1:], nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", errors.New("the server does not say where it listens")
}

var total = regexp.MustCompile(`Got (\d+) poems? in (\d+):(\d+):([\d.]+)`)

// took returns the time that a client reports for n poems.
func (p *process) took(poems int) (time.Duration, error) {
	out, err := os.ReadFile(p.out)
	if err != nil {
		return 0, err
	}
	found := total.FindSubmatch(out[max(0, len(out)-200):])
	if found == nil || string(found[1]) != strconv.Itoa(poems) {
		return 0, fmt.Errorf("the client did not get %d poems: %s", poems, out[max(0, len(out)-200):])
	}
	hours, _ := strconv.Atoi(string(found[2]))
	minutes, _ := strconv.Atoi(string(found[3]))
	seconds, _ := strconv.ParseFloat(string(found[4]), 64)
	return time.Duration(float64(hours*3600+minutes*60)*1e9 + seconds*1e9), nil
}

// lines returns the number of output lines that contain a word.
func (p *process) lines(word string) (int, error) {
	out, err := os.ReadFile(p.out)
	return bytes.Count(out, []byte(" "+word+" ")), err
}

// goroutines makes a process end with a list of its goroutines, and returns the number of
// goroutines that are not the runtime's own.
func (p *process) goroutines() (int, error) {
	if err := p.Process.Signal(syscall.SIGQUIT); err != nil {
		return 0, err
	}
	_ = p.wait(time.Minute)
	dump, err := os.ReadFile(p.err)
	if err != nil {
		return 0, err
	}
	n := 0
	for stack := range strings.SplitSeq(string(dump), "\n\n") {
		stack = strings.TrimLeft(stack, "\n")
		if strings.HasPrefix(stack, "goroutine ") && !strings.HasPrefix(stack, "goroutine 0 ") && !strings.Contains(stack, "created by runtime.") {
			n++
		}
	}
	return n, nil
}
