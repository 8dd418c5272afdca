package simtest

import "testing"

// CheckDeterminism runs a simulation twice, and fails the test if the two runs
// differ. It shows the first event that does, and the one before it, which they
// have in common; where bytes differ, the first that do, in hexadecimal and as
// text, and which goroutine of which host wrote them; whether the times,
// lengths and order of all events are still the same; and a likely cause. The
// second run is not made if the first has failed.
//
// To show the bytes it keeps up to 64 MiB of what is sent, and the writer of
// each part. That takes some time; [Config.Run] does not do it. With SIMTEST_TRACE
// the traces of both runs are kept where they differ, and the failure has the line
// that makes a page of them with the first difference marked.
func CheckDeterminism(t *testing.T, config Config, f func(t *testing.T, sim *Sim)) {
	t.Helper()
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
		return // it has told why, and the seed
	}
	if report := second.compare(); report != "" {
		seed, _ := seedFromEnvironment(config.Seed) // that is no error: the seed was used
		t.Errorf("%s\n%s%s", report, second.keepTraces(), rerunText(t, seed, config.scheduleNow()))
	}
}
