package simtest

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// The workers of a search go through its phases together, one after another.

// A phase provides jobs, and records their outcomes. Its functions are called with the
// searchRun's mu held.
type phase struct {
	over   <-chan struct{} // closed when no more jobs are started
	giveUp <-chan struct{} // closed when running jobs are given up
	next   func() (searchJob, bool)
	note   func(job searchJob, o searchOutcome)

	name    func(job searchJob) string               // for the progress; may be nil
	givenUp func(job searchJob, after time.Duration) // may be nil
}

// A launchedServer is a server that may have run jobs before.
type launchedServer struct {
	searchServer
	used bool
}

// runPhase runs the jobs of a phase on the given number of servers at once, each driven
// by a goroutine.
func (run *searchRun) runPhase(p phase, servers int) {
	run.mu.Lock()
	run.retry = nil
	run.mu.Unlock()
	var wait sync.WaitGroup
	for range servers {
		wait.Go(func() { run.serve(p) })
	}
	wait.Wait()
}

// job returns the next job, or false if there is none.
func (run *searchRun) job(p phase) (searchJob, bool) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if isClosed(p.over) {
		return searchJob{}, false
	}
	if n := len(run.retry) - 1; n >= 0 {
		job := run.retry[n]
		run.retry = run.retry[:n]
		return job, true
	}
	return p.next()
}

// serve runs jobs on one server, which it replaces when necessary.
func (run *searchRun) serve(p phase) {
	server := run.idleServer()
	discard := func() {
		if server != nil {
			server.close()
			server = nil
		}
	}
	defer func() { run.keepIdle(server) }()
	for {
		job, ok := run.job(p)
		if !ok {
			return
		}
		if job.alone && server != nil && server.used {
			discard()
		}
		release := takeTurn()
		if server == nil {
			launched, err := run.launch(p.giveUp)
			if err != nil {
				release()
				run.fail(err)
				return
			}
			server = &launchedServer{searchServer: launched}
		}
		began := time.Now()
		run.noteRunning(p, server, job, began)
		o := server.do(job, p.giveUp)
		run.noteEnd(server)
		release()
		if took := time.Since(began); !o.ended && !o.givenUp {
			run.noteTime(took)
		}
		if o.givenUp {
			run.noteGivenUp(p, job, time.Since(began))
			discard()
			return
		}
		run.note(p, job, o, server.used)
		server.used = true
		if o.died != "" || o.Spent || run.search.Fresh || isHeavy(server.searchServer) {
			discard()
		}
	}
}

// A runningJob is the job that a server is running.
type runningJob struct {
	name  string
	began time.Time
}

// noteRunning records that a server has begun a job, if the phase names its jobs.
func (run *searchRun) noteRunning(p phase, server *launchedServer, job searchJob, began time.Time) {
	if p.name == nil {
		return
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.running[server] = runningJob{p.name(job), began}
}

// noteEnd records that a server is idle.
func (run *searchRun) noteEnd(server *launchedServer) {
	run.mu.Lock()
	defer run.mu.Unlock()
	delete(run.running, server)
}

// longestLocked names the job that has run for the longest time, if that is longer than
// run.long.
func (run *searchRun) longestLocked() string {
	var first runningJob
	for _, job := range run.running {
		if first.name == "" || job.began.Before(first.began) {
			first = job
		}
	}
	took := time.Since(first.began)
	if first.name == "" || took < run.long {
		return ""
	}
	return fmt.Sprintf("%s has run for %v", first.name, took.Round(time.Second))
}

// noteTime records the real time that a job took.
func (run *searchRun) noteTime(took time.Duration) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.slowest = max(run.slowest, took)
}

// noteGivenUp records that a job was given up after the given time.
func (run *searchRun) noteGivenUp(p phase, job searchJob, after time.Duration) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if p.givenUp != nil && after >= run.long {
		p.givenUp(job, after)
	}
}

// note records the outcome of a job, or schedules the job again if something else may be
// the cause of the outcome. used reports whether the server had run other jobs before.
func (run *searchRun) note(p phase, job searchJob, o searchOutcome, used bool) {
	run.mu.Lock()
	defer run.mu.Unlock()
	switch {
	case o.died != "" && job.KeepPools && (ofPools(o.output) || o.ended && used && standsStill(o.output)):
		run.pools = false
		job.KeepPools = false
		run.retry = append(run.retry, job)
		return
	case (o.memory && used || o.killed) && !job.alone:
		job.alone = true
		run.retry = append(run.retry, job)
		return
	}
	p.note(job, o)
}

// idleServer returns an idle server, or nil if there is none.
func (run *searchRun) idleServer() *launchedServer {
	run.mu.Lock()
	defer run.mu.Unlock()
	n := len(run.idle) - 1
	if n < 0 {
		return nil
	}
	server := run.idle[n]
	run.idle = run.idle[:n]
	return server
}

// keepIdle keeps a server for the next phase. It does nothing if the server is nil.
func (run *searchRun) keepIdle(server *launchedServer) {
	if server == nil {
		return
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	run.idle = append(run.idle, server)
}

// dismiss closes the idle servers.
func (run *searchRun) dismiss() {
	var wait sync.WaitGroup
	for server := run.idleServer(); server != nil; server = run.idleServer() {
		wait.Go(server.close)
	}
	wait.Wait()
}

// isHeavy reports whether a server uses so much memory that it should be replaced.
func isHeavy(server searchServer) bool {
	p, ok := server.(*searchProcess)
	return ok && p.isHeavy()
}

// turns limits the number of seeds, of all searches in the process, that run at once,
// since parallel tests share the processors.
var turns = sync.OnceValue(func() chan struct{} {
	return make(chan struct{}, max(runtime.GOMAXPROCS(0), runtime.NumCPU()))
})

// takeTurn waits until a seed may run. It returns a function to call afterwards.
func takeTurn() (release func()) {
	turns() <- struct{}{}
	return func() { <-turns() }
}
