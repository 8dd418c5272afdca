package simtest

import "testing"

// CheckDeterminism runs a simulation twice, and fails the test if the two runs differ.
// The failure shows the first event that differs and the last event that both runs have
// in common. If bytes differ, it shows the first differing bytes in hexadecimal and as
// text, and the goroutine and the host that wrote them. It also says whether the times,
// lengths and order of all events are the same, and suggests a likely cause. If the
// first run fails, there is no second.
//
// To show the bytes, CheckDeterminism records up to 64 MiB of the bytes sent, and the
// writer of each part. Recording takes some time, and [Config.Run] does without it.
// With SIMTEST_TRACE the traces of both runs are kept if they differ, and the failure
// prints the command that makes a page of them with the first difference marked.
//
// Both runs are in the test's own process, so state that the first run leaves there
// affects the second: package-level variables, pools, and code that runs only once.
// With [Config.Fresh], or SIMTEST_FRESH=20, each run has a process of its own, a copy
// of the test's program, as in [Search]; the notes on processes there apply.
func CheckDeterminism(t *testing.T, config Config, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	mustBeOutside("CheckDeterminism")
	number := searchNumber(t) // the same in a worker and in the test's own process
	fresh, err := freshFromEnvironment(config.Fresh)
	if err != nil {
		t.Fatal(err)
	}
	if fresh > 0 && !inOwnProcess() {
		worker := thisWorker()
		switch {
		case worker == nil:
			config.checkFresh(t, number, fresh)
		case worker.serves(t, number):
			worker.serve(t, Search{Config: config}, f)
		}
		return
	}
	first := newRecording(nil)
	config.recording = first
	defer first.dropTrace()
	if config.run(t, f) {
		return
	}
	second := newRecording(first)
	config.recording = second
	defer second.dropTrace()
	if config.run(t, f) {
		return // the run has reported the failure and the seed
	}
	if report := second.compare(); report != "" {
		seed, _ := seedFromEnvironment(config.Seed) // no error: the seed was used already
		t.Errorf("%s\n%s%s", report, second.keepTraces(), rerunText(t, seed, config.scheduleNow()))
	}
}
