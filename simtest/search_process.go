package simtest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// A searchServer runs seeds: a worker process, or a fake in tests.
type searchServer interface {
	// do runs a seed. When giveUp is closed it ends the server.
	do(job searchJob, giveUp <-chan struct{}) searchOutcome
	// close ends the server, and waits for that.
	close()
}

// A searchOutcome is the outcome of a seed.
type searchOutcome struct {
	searchResult
	died    string // the reason why the server ended during the seed; empty if it did not end
	ended   bool   // the server was ended by its parent, for that reason
	killed  bool   // the server was killed from outside
	memory  bool   // the server exceeded its memory limit
	givenUp bool   // the seed was given up because the search is over
	output  string // of a failed seed
}

// Limits of a worker. Variables for tests.
var (
	seedTimeout = 2 * time.Minute // for a seed; see timeout
	endOfWorker = 5 * time.Second // after it was told to end, or to print its goroutines
)

const (
	startTimeout      = 5 * time.Minute // until it reaches its search
	lookAtWorkerEvery = 50 * time.Millisecond
	lookAtMemoryEvery = 50 * time.Millisecond
	maxSearchOutput   = 64 << 10  // of a seed's output, as far as it is kept
	maxOutputFile     = 1 << 20   // of the file, before it is truncated
	tooMuchOutput     = 256 << 20 // of one seed
)

// A searchProcess is a worker process, as seen by its parent.
type searchProcess struct {
	command *exec.Cmd
	memory  int64 // its limit; 0 is none
	jobs    *os.File
	results chan searchResult // closed when the process has closed its end
	exited  chan struct{}     // closed when it has ended

	progress chan uint64 // of a seed that takes long

	mu   sync.Mutex   // guards the fields below
	told searchResult // reported by a seed that has not ended

	output  *os.File // of the process
	printed int64    // number of bytes printed before the seed
	used    int64    // memory, at the last check
}

// startDirectory is the directory in which go test starts the tests, and in which
// workers start.
var startDirectory, _ = os.Getwd()

// workerArguments returns the flags of the test's program when it runs as a worker of a
// test.
func workerArguments(test string) []string {
	arguments := []string{
		"-test.run=" + runPattern(test), "-test.count=1", "-test.timeout=0", "-test.v=true",
		fmt.Sprintf("-test.cpu=%d", workerProcessors()),
	}
	if f := flag.Lookup("test.gocoverdir"); f != nil && f.Value.String() != "" {
		arguments = append(arguments, "-test.gocoverdir="+f.Value.String())
	}
	return arguments
}

// workerProcessors returns the number of processors that a worker uses: go test's -cpu,
// or one. There is a worker for each processor. If each worker used several processors,
// idle ones would look for work in vain, which took a tenth of the time in the poetry
// experiment.
func workerProcessors() int {
	if f := flag.Lookup("test.cpu"); f != nil && f.Value.String() != "" {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// errNotReached is the error of a worker whose test did not reach the search.
type errNotReached struct {
	call   string // the call that the worker was to reach
	how    string
	output string
}

// Error returns the reason, and the worker's output.
func (e *errNotReached) Error() string {
	text := fmt.Sprintf("a worker process did not reach %s: %s. A worker runs the test as the test's own process does, without its flags, and must reach the same searches in the same order", e.call, e.how)
	if e.output != "" {
		text += ". It has printed:\n" + indented(e.output)
	}
	return text
}

// startWorker starts a process as a worker, and waits until it is ready.
func startWorker(w *searchWorker, giveUp <-chan struct{}) (p *searchProcess, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the test's own program cannot be found, to start it as a worker: %w", err)
	}
	command := exec.Command(program, workerArguments(w.test)...)
	command.Dir = startDirectory
	setApart(command)
	var files []*os.File
	defer func() {
		for _, file := range files {
			_ = file.Close()
		}
	}()
	fromUs, jobs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	results, toUs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, fromUs.Close(), jobs.Close())
	}
	files = append(files, fromUs, toUs) // for the process
	p = &searchProcess{command: command, memory: w.memory, jobs: jobs, results: make(chan searchResult, 1), exited: make(chan struct{}), progress: make(chan uint64, 1)}
	fail := func(err error) (*searchProcess, error) {
		_ = jobs.Close()
		_ = results.Close()
		p.closeOutput()
		return nil, fmt.Errorf("no worker process can be started: %w", err)
	}
	printer, err := p.openOutput()
	if err != nil {
		return fail(err)
	}
	files = append(files, printer)
	// One file for both, so that the order is kept. It is not a pipe, so everything
	// written is kept even if the process dies.
	command.Stdout, command.Stderr = printer, printer
	from, to, err := inherit(command, fromUs, toUs)
	if err != nil {
		return fail(err)
	}
	command.Env = append(workerEnvironment(os.Environ()), w.variable(from, to))
	if w.fresh > 0 && os.Getenv(freshVariable) == "" {
		command.Env = append(command.Env, fmt.Sprintf("%s=%d", freshVariable, w.fresh))
	}
	if err := command.Start(); err != nil {
		return fail(err)
	}
	go p.wait()
	go p.read(results)
	switch o := p.await(startTimeout, giveUp); {
	case o.givenUp:
		p.close()
		return nil, errGivenUp
	case o.died != "":
		p.close()
		return nil, &errNotReached{w.call, o.died, cleanOutput(w.test, o.output)}
	}
	p.printed = p.size()
	return p, nil
}

// errGivenUp is the error of a worker that was not started because the search is over.
var errGivenUp = errors.New("the search is over")

// workerEnvironment returns the environment of a worker, without the worker's own
// variable.
func workerEnvironment(environ []string) []string {
	race := "GORACE=atexit_sleep_ms=0" // otherwise each worker would wait for a second
	var all []string
	for _, variable := range environ {
		switch name, value, _ := strings.Cut(variable, "="); name {
		case "GORACE":
			race += " " + value
		case workerVariable:
		default:
			all = append(all, variable)
		}
	}
	return append(all, race)
}

// wait waits until the process has ended.
func (p *searchProcess) wait() {
	_ = p.command.Wait()
	close(p.exited)
}

// read passes on the messages of the process.
func (p *searchProcess) read(from *os.File) {
	defer close(p.results)
	defer from.Close()
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r searchResult
		if err := json.Unmarshal(line, &r); err != nil {
			return // then it is killed because it does not answer
		}
		if r.Progress > 0 {
			select {
			case p.progress <- r.Progress:
			default:
			}
			continue
		}
		if r.Going {
			p.mu.Lock()
			p.told.Quiet, p.told.Schedule = r.Quiet, append(p.told.Schedule, r.Schedule...)
			p.mu.Unlock()
			continue
		}
		select {
		case p.results <- r:
		default: // it sends more than it was asked for
			return
		}
	}
}

// do runs a seed.
func (p *searchProcess) do(job searchJob, giveUp <-chan struct{}) searchOutcome {
	p.mu.Lock()
	p.told = searchResult{}
	p.mu.Unlock()
	line, err := json.Marshal(job)
	if err == nil {
		_, err = p.jobs.Write(append(line, '\n'))
	}
	o := searchOutcome{}
	limit := cmp.Or(job.timeout, seedTimeout)
	if err != nil && !isClosed(p.exited) {
		o = p.endIt(fmt.Sprintf("no job can be sent to the worker process: %v", err))
	} else {
		o = p.await(limit, giveUp)
	}
	o.Seed = job.Seed
	if o.died != "" {
		o.Failed = true
		o.Quiet, o.Schedule = p.takeTold()
	}
	if o.Failed {
		o.output = p.text()
	}
	p.forget()
	return o
}

// takeTold returns the seed's faults that the process, which has ended, has reported.
func (p *searchProcess) takeTold() (quiet time.Duration, schedule []string) {
	select {
	case <-p.results: // closed when everything is read
	case <-time.After(100 * time.Millisecond): // a child of the process holds the pipe open
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told.Quiet, p.told.Schedule
}

// await waits for a result, and ends a process that will not send one.
func (p *searchProcess) await(limit time.Duration, giveUp <-chan struct{}) (o searchOutcome) {
	timeout, began := newWorkerTimeout(limit, p.command.Process.Pid), time.Now()
	ticker := time.NewTicker(lookAtWorkerEvery)
	defer ticker.Stop()
	results := p.results
	for {
		select {
		case r, ok := <-results:
			if ok {
				return searchOutcome{searchResult: r}
			}
			results = nil
			select {
			case <-p.exited:
			case <-time.After(time.Second): // the program has closed the pipe, which it does not know
				return p.endIt("the worker process has closed the pipe for its results")
			}
		case <-p.exited:
			select {
			case r, ok := <-p.results: // it reported a result and then ended
				if ok {
					return searchOutcome{searchResult: r}
				}
			case <-time.After(100 * time.Millisecond): // a child of the process holds the pipe open
			}
			state := p.command.ProcessState
			return searchOutcome{died: endOf(state), killed: killedByOthers(state), output: p.text()}
		case <-giveUp:
			p.kill()
			return searchOutcome{givenUp: true}
		case <-ticker.C:
			p.used = residentMemory(p.command.Process.Pid)
			switch {
			case p.memory > 0 && p.used > p.memory:
				o := p.endIt(tooMuchMemory(p.used, p.memory))
				o.memory = true
				return o
			case p.size()-p.printed > tooMuchOutput:
				return p.endIt(fmt.Sprintf("it has printed more than %d MiB", tooMuchOutput>>20))
			case timeout.isOver():
				return p.endIt(fmt.Sprintf("it has not ended after %v of real time", time.Since(began).Round(time.Second)))
			case timeout.isToAsk():
				_ = p.jobs.SetWriteDeadline(time.Now().Add(lookAtWorkerEvery)) // it may not read
				_, _ = p.jobs.WriteString(`{"progress":true}` + "\n")
				_ = p.jobs.SetWriteDeadline(time.Time{})
			}
		case progress := <-p.progress:
			timeout.hear(progress)
		}
	}
}

// endOf describes how a process ended unexpectedly.
func endOf(state *os.ProcessState) string {
	text := fmt.Sprintf("the process has ended: %v", state)
	if state.Success() {
		text += ", as by os.Exit(0)"
	}
	return text
}

// tooMuchMemory describes a process that exceeds its memory limit.
func tooMuchMemory(used, limit int64) string {
	return fmt.Sprintf("it uses %s of memory, and Search.Memory is %s", mebibytes(used), mebibytes(limit))
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// endIt ends the process for the given reason, with a dump of its goroutines if it
// still prints one.
func (p *searchProcess) endIt(why string) searchOutcome {
	for _, ask := range []func(){
		func() { _, _ = p.jobs.WriteString(`{"dump":true}` + "\n") },
		func() { dumpAndEnd(p.command.Process) },
	} {
		ask()
		select {
		case <-p.exited:
		case <-time.After(endOfWorker):
		}
		if isClosed(p.exited) {
			break
		}
	}
	p.kill()
	return searchOutcome{died: why, ended: true, output: p.text()}
}

// kill ends the process at once.
func (p *searchProcess) kill() {
	kill(p.command.Process)
	<-p.exited
}

// close makes the process end, as it does when there are no more jobs, and waits for
// that. Before it ends, the process writes its coverage data.
func (p *searchProcess) close() {
	_ = p.jobs.Close()
	select {
	case <-p.exited:
	case <-time.After(endOfWorker):
	}
	p.kill() // its children end with it
	p.closeOutput()
}

// isHeavy reports whether the process uses much more memory than a new one, and should
// be replaced.
func (p *searchProcess) isHeavy() bool { return p.memory > 0 && p.used > p.memory/2 }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
