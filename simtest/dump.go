package simtest

import (
	"bytes"
	"iter"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
)

// profileStacks returns the stacks of goroutines with the simulation's label, from the
// text form of the goroutine profile.
func profileStacks(id string) (stacks []*stack) {
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		return nil // writing to a bytes.Buffer does not fail
	}
	s := &stack{} // the record being parsed: a count, labels, frames
	ours := false
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		if count, _, ok := strings.Cut(line, " @"); ok && !strings.HasPrefix(line, "#") {
			n, _ := strconv.Atoi(count)
			s, ours = &stack{count: n}, false
		} else if labels, ok := strings.CutPrefix(line, "# labels: "); ok {
			values := parseLabels(labels)
			s.host = values[hostLabel]
			if ours = values[simulationLabel] == id; ours {
				stacks = append(stacks, s)
			}
		} else if fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' }); ours && len(fields) == 4 {
			function, _, _ := strings.Cut(fields[2], "+0x")
			s.add(frame{function: function, file: fields[3]})
		}
	}
	return stacks
}

// parseLabels parses {"key":"value", "key":"value"}, quoted as in Go.
func parseLabels(text string) map[string]string {
	labels := make(map[string]string)
	var words []string
	for {
		start := strings.IndexByte(text, '"')
		if start < 0 {
			break
		}
		quoted, err := strconv.QuotedPrefix(text[start:])
		if err != nil {
			break
		}
		word, _ := strconv.Unquote(quoted)
		words = append(words, word)
		text = text[start+len(quoted):]
	}
	for pair := range slices.Chunk(words, 2) {
		if len(pair) == 2 {
			labels[pair[0]] = pair[1]
		}
	}
	return labels
}

// dumpStacks parses the runtime's dump of all goroutines. It returns the stacks of the
// bubble's goroutines, and the wait reasons of all goroutines of the process, both by
// stack key.
func dumpStacks(bubble string) (stacks map[string]*stack, waits map[string]string) {
	stacks, waits = make(map[string]*stack), make(map[string]string)
	for g := range parseDump(dumpAll()) {
		key := g.key()
		if waits[key] == "" || g.bubble == bubble {
			waits[key] = g.state
		}
		if g.bubble != bubble {
			continue
		}
		if stacks[key] == nil {
			stacks[key] = g.stack
		}
		stacks[key].count++
	}
	return stacks, waits
}

// A goroutine is one goroutine of a dump.
type goroutine struct {
	number  string
	state   string // the runtime's wait reason, such as "chan receive"
	durable bool   // durably blocked in the sense of testing/synctest: only another goroutine of its bubble, or time, can wake it
	bubble  string // the bubble's number; empty for none
	*stack
	creator frame  // the call that started it
	parent  string // the number of the goroutine that started it
}

// parseDump parses a dump, one goroutine at a time.
func parseDump(dump string) iter.Seq[*goroutine] {
	return func(yield func(*goroutine) bool) {
		for text := range strings.SplitSeq(dump, "\n\n") {
			header, frames, _ := strings.Cut(text, "\n")
			header, _, _ = strings.Cut(header, " labels:{")
			name, _, _ := strings.Cut(header, " [")
			g := &goroutine{durable: isDurable(header)}
			g.number, _, _ = strings.Cut(strings.TrimPrefix(name, "goroutine "), " ")
			g.state, g.bubble = parseHeader(header)
			g.parseFrames(frames)
			if !yield(g) {
				return
			}
		}
	}
}

// maxDump is the maximum size of a dump.
const maxDump = 64 << 20

// dumpAll returns the stacks of all goroutines, up to maxDump bytes of them.
func dumpAll() string {
	for size := 1 << 20; ; size *= 4 {
		dump := make([]byte, size)
		if n := runtime.Stack(dump, true); n < size || size == maxDump {
			return string(dump[:n])
		}
	}
}

// parseHeader parses the first line of a goroutine in a dump, such as
//
//	goroutine 12 [chan receive (durable), 3 minutes, synctest bubble 5]:
func parseHeader(header string) (state, bubble string) {
	header, _, _ = strings.Cut(header, " labels:{")
	if number := bubbleNumber.FindStringSubmatch(header); number != nil {
		bubble = number[1]
	}
	_, state, _ = strings.Cut(header, " [")
	if end := strings.IndexAny(state, ",]"); end >= 0 {
		state = state[:end]
	}
	return strings.TrimSuffix(state, " (durable)"), bubble
}

// isDurable reports whether a goroutine with this first line in a dump is durably blocked.
// Go 1.25 adds "(durable)" also to goroutines that run, or could run, and were durably
// blocked before.
func isDurable(header string) bool {
	header, _, _ = strings.Cut(header, " labels:{")
	_, state, _ := strings.Cut(header, " [")
	return strings.Contains(state, " (durable)") && !notBlocked.MatchString(state)
}

var notBlocked = regexp.MustCompile(`^(idle|runnable|running|syscall|dead|copystack|preempted)\b`)

var bubbleNumber = regexp.MustCompile(`, synctest bubble (\d+)`)

// parseFrames parses frames of two lines each: the call, and file:line after a tab. The
// last one is the call that started the goroutine.
func (g *goroutine) parseFrames(frames string) {
	g.stack = &stack{}
	call := ""
	for line := range strings.Lines(frames) {
		line = strings.TrimSuffix(line, "\n")
		file, ok := strings.CutPrefix(line, "\t")
		creation, isCreation := strings.CutPrefix(call, "created by ")
		switch {
		case !ok:
			call = line
		case isCreation:
			g.creator.function, g.parent, _ = strings.Cut(creation, " in goroutine ")
			g.creator.file, _, _ = strings.Cut(file, " +0x")
		default:
			file, _, _ = strings.Cut(file, " +0x")
			g.add(parseCall(call, file))
		}
	}
}

// parseCall parses a call in a dump, with its arguments in hexadecimal. A question mark
// follows arguments that the runtime is not sure of.
func parseCall(call, file string) frame {
	f := frame{function: call, file: file}
	if start := strings.LastIndexByte(call, '('); start > 0 {
		f.function = call[:start]
		first := call[start+1:]
		if end := strings.IndexAny(first, ",)"); end > 0 && strings.HasPrefix(first, "0x") && first[end-1] != '?' {
			f.first = first[:end]
		}
	}
	return f
}
