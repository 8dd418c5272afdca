package simtest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A searchFailure is the failure of a seed, as found in its output.
type searchFailure struct {
	message string // without the lines that follow it
	place   string // file and line; empty if unknown
}

// id returns a hash of what failures of a group have in common: the message without
// numbers, and the place.
func (f searchFailure) id() string {
	return fmt.Sprintf("%016x", mix64.String(mix64.String(0, maskNumbers(f.message)), f.place))
}

// numbers matches the parts of a message that differ from seed to seed: identifiers,
// memory addresses, durations, and other numbers with the ports, addresses and names
// that contain them.
var numbers = regexp.MustCompile(`\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b` +
	`|0x[0-9a-fA-F]+` +
	`|\b[0-9a-f]*(?:[0-9][a-f]|[a-f][0-9])[0-9a-f]{5,}\b|\b(?:[0-9a-f]{2}){2,}[0-9][0-9a-f]*\b` +
	`|(?:[0-9]+(?:\.[0-9]+)?(?:ns|µs|us|ms|h|m|s))+\b` +
	`|[0-9]+(?:[.,:_][0-9]+)*`)

// maskNumbers replaces numbers.
func maskNumbers(message string) string {
	return strings.Join(strings.Fields(numbers.ReplaceAllString(message, "#")), " ")
}

// cleanOutput returns a worker's output for a seed without package testing's lines
// about the test that runs.
func cleanOutput(test, output string) string {
	var clean strings.Builder
	for line := range strings.Lines(output) {
		switch text := strings.TrimRight(line, "\r\n"); {
		case strings.HasPrefix(text, "=== RUN   "), strings.HasPrefix(text, "=== NAME  "),
			strings.HasPrefix(text, "--- FAIL: "+test+" "), strings.HasPrefix(text, "--- PASS: "+test+" "), strings.HasPrefix(text, "=== PAUSE "), strings.HasPrefix(text, "=== CONT  "):
		default:
			clean.WriteString(line)
		}
	}
	return strings.TrimRight(clean.String(), "\n")
}

// withoutRerun returns the output without the command that runs the seed again, which
// is in the summary.
func withoutRerun(output string) string { return rerunLog.ReplaceAllString(output, "") }

var rerunLog = regexp.MustCompile(`(?m)^(?: *[^ :]+:[0-9]+: simtest: |simtest: | +)the seed was [0-9]+\. To run it again:\n.*` + seedVariable + `=.*(?:\n|\z)`)

// failureOf finds a seed's failure in its process's output, as returned by cleanOutput,
// and in the way that the process died, if it did.
func failureOf(output, died string, endedByUs bool) searchFailure {
	f := wholeFailureOf(output, died, endedByUs)
	if len(f.message) > maxMessage {
		f.message = strings.ToValidUTF8(f.message[:maxMessage], "") + "..."
	}
	return f
}

// maxMessage is the maximum length of a message.
const maxMessage = 1000

// wholeFailureOf is failureOf with the whole message.
func wholeFailureOf(output, died string, endedByUs bool) searchFailure {
	lines := strings.Split(strings.ReplaceAll(output, "\r\n", "\n"), "\n")
	if endedByUs {
		return searchFailure{died, dumpPlace(lines)}
	}
	last := searchFailure{}
	for i, line := range lines {
		switch {
		case line == "WARNING: DATA RACE":
			return searchFailure{"DATA RACE", racePlaces(lines[i:])}
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			message := strings.TrimSuffix(line, " [recovered, repanicked]")
			return searchFailure{message, panicPlace(lines[i:])}
		}
		logged := logLine.FindStringSubmatch(line)
		if logged == nil {
			if logged = lateLogLine.FindStringSubmatch(line); logged == nil {
				continue
			}
		}
		place, message := logged[1], logged[2]
		switch {
		case strings.TrimSpace(message) == "" && i+1 < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i+1]), "Error Trace:"):
			return testifyFailure(place, lines[i+1:])
		case strings.HasPrefix(message, "simtest: the seed was "), strings.HasPrefix(message, "simtest: these faults "), strings.HasPrefix(message, "simtest: no fault "),
			strings.HasPrefix(message, "simtest: "+lastEvents), strings.HasPrefix(message, "simtest: its trace"):
			// reported for every failure
		case strings.HasPrefix(message, "simtest: "):
			return searchFailure{message: message} // its place is in this package
		default:
			last = searchFailure{message, place}
		}
	}
	if died != "" {
		return searchFailure{message: died + lastWords(lines, died)}
	}
	if last.message == "" {
		last.message = "it failed without a message"
	}
	return last
}

// lastWords returns the last line printed by a process that has exited with an error,
// such as that of log.Fatal.
func lastWords(lines []string, died string) string {
	if !exitedWithError.MatchString(died) {
		return ""
	}
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); line != "" {
			return ": " + line
		}
	}
	return ""
}

var exitedWithError = regexp.MustCompile(`: exit status [1-9][0-9]*$`)

// groupOfLocked returns the group of a finding, and creates it if necessary.
func (run *searchRun) groupOfLocked(f finding) *sweep.Group {
	id := f.failure.id()
	g := run.groups[id]
	if g == nil {
		g = &sweep.Group{ID: id}
		run.groups[id] = g
	}
	return g
}

// groupLocked adds a failed seed to its group.
func (run *searchRun) groupLocked(o searchOutcome) {
	f := run.findingOf(o)
	g := run.groupOfLocked(f)
	g.Count++
	g.Seeds = append(g.Seeds, o.Seed)
	slices.Sort(g.Seeds)
	g.Seeds = g.Seeds[:min(len(g.Seeds), sweep.MaxSeeds)]
	if g.First() == o.Seed && g.Replays == 0 {
		g.Message, g.Place, g.Output = f.failure.message, f.failure.place, f.output
		g.Rerun = run.again(seedVariable, strconv.FormatUint(o.Seed, 10))
		run.found[g.ID] = f
	}
}

// logLine matches a line logged by package testing: its place and the message. Further
// lines of a message are indented by four more spaces.
var logLine = regexp.MustCompile(`^ {4}([^\s:]+\.go:[0-9]+): ?(.*)$`)

// lateLogLine matches such a line that begins after other output without a newline.
var lateLogLine = regexp.MustCompile(`^.*?\S {4}([^\s:]+_test\.go:[0-9]+): ?(.*)$`)

// testifyFailure parses the report of a testify assertion: the error, and the first
// line of the caller's message. The lines begin with the trace.
func testifyFailure(place string, lines []string) searchFailure {
	var what, words string
	for _, line := range lines {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case !strings.HasPrefix(line, "        "): // the report is over
			ok = false
		case ok && name == "Error Trace" && value != "":
			place = baseOf(value)
		case ok && name == "Error" && what == "":
			what = strings.TrimSuffix(value, ":")
		case ok && name == "Messages" && words == "":
			words = value
		}
		if !strings.HasPrefix(line, "        ") {
			break
		}
	}
	if words != "" {
		what += ": " + words
	}
	return searchFailure{what, place}
}

// panicPlace returns the place of a panic or a fatal error: the first call in the trace
// that is neither of the runtime nor one that propagates a panic. The lines begin with
// the message, which may include the trace of another goroutine whose panic it is.
func panicPlace(lines []string) string {
	var frames []frame
	begun, tab := false, ""
	for i, line := range lines {
		if strings.HasPrefix(line, "\tgoroutine ") {
			tab = "\t"
		}
		line = strings.TrimPrefix(line, tab)
		switch {
		case strings.HasPrefix(line, "goroutine ") && strings.HasSuffix(line, ":"):
			if begun && len(frames) > 0 {
				return placeIn(frames)
			}
			begun = true
		case begun && strings.HasPrefix(line, "\t"):
			if file, ok := frameFile(line); ok {
				frames = append(frames, frame{function: functionOf(strings.TrimPrefix(lines[i-1], tab)), file: file})
			}
		case begun && line == "" && len(frames) > 0:
			return placeIn(frames)
		}
	}
	return placeIn(frames)
}

// dumpPlace returns the place of the first goroutine in a dump that does not wait for
// its simulation.
func dumpPlace(lines []string) string {
	for i, line := range lines {
		if !strings.HasPrefix(line, "goroutine ") || isDurable(line) {
			continue
		}
		if place := panicPlace(lines[i:]); place != "" {
			return place
		}
	}
	return ""
}

// placeIn returns the place in a stack that caused the failure.
func placeIn(frames []frame) string {
	// The calls before the innermost call of panic are deferred functions.
	for i := len(frames) - 1; i >= 0; i-- {
		if frames[i].function == "panic" || frames[i].function == "runtime.gopanic" {
			frames = frames[i+1:]
			break
		}
	}
	for _, f := range frames {
		if f.own() || isPartOf(packageOf(f.function), "runtime", "testing", "internal", "sync", "reflect", "log", "os", "syscall") || f.function == "panic" {
			continue
		}
		return baseOf(f.file)
	}
	return ""
}

// racePlaces returns the two places of a data race, sorted.
func racePlaces(lines []string) string {
	var places []string
	for i := 0; i < len(lines) && len(places) < 2; i++ {
		line := strings.TrimSpace(lines[i])
		if line == "==================" && i > 0 {
			break
		}
		if !raceAccess.MatchString(line) {
			continue
		}
		for i++; i+1 < len(lines); i += 2 {
			function := strings.TrimSpace(lines[i])
			file, ok := frameFile(lines[i+1])
			if function == "" || !ok {
				break
			}
			if !isPartOf(packageOf(functionOf(function)), "runtime", "internal") {
				places = append(places, baseOf(file))
				break
			}
		}
	}
	slices.Sort(places)
	return strings.Join(slices.Compact(places), ", ")
}

var raceAccess = regexp.MustCompile(`(?i)^(?:previous )?(?:atomic )?(?:read|write) at 0x[0-9a-f]+ by `)

// frameFile returns the file and line from the second line of a call in a trace.
func frameFile(line string) (file string, ok bool) {
	file, _, _ = strings.Cut(strings.TrimSpace(line), " ")
	return file, traceFile.MatchString(file)
}

var traceFile = regexp.MustCompile(`\.(?:go|s):[0-9]+$`)

// functionOf returns the name of a call in a trace, without its arguments.
func functionOf(line string) string {
	line = strings.TrimSpace(strings.TrimPrefix(line, "created by "))
	if i := strings.LastIndexByte(line, '('); i > 0 {
		line = line[:i]
	}
	return line
}

// baseOf returns the last element of a path and line.
func baseOf(file string) string { return path.Base(strings.ReplaceAll(file, `\`, "/")) }

// ofPools reports whether a process has crashed because of something that a simulation
// left in a pool.
func ofPools(output string) bool { return poolDeath.MatchString(output) }

var poolDeath = regexp.MustCompile(`(?m)^(?:fatal error|panic): .*(?:synctest (?:channel|timer|goroutine).* outside bubble|synctest timer accessed from outside|called from (?:inside and outside|multiple) synctest bubbles?)`)

// standsStill reports whether a simulation waited for something outside it, possibly
// something that an earlier simulation left in a pool.
func standsStill(output string) bool { return strings.Contains(output, standsStillWords) }

// indented indents a text.
func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
