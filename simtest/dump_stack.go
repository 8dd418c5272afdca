package simtest

import (
	"fmt"
	"path"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A stack is what some goroutines have in common: their frames.
type stack struct {
	host   string
	count  int     // how many goroutines
	frames []frame // the innermost first
}

// A frame is one call on a stack. Those of package runtime itself are left out:
// the runtime's lists differ in which of them they show.
type frame struct {
	function string // github.com/x/y.(*T).method.func1
	file     string // /path/y.go:12
	first    string // the first argument, a method's receiver, in hexadecimal; empty if it is not known
}

// maxFrames is how many frames of a stack are looked at. The runtime's dump
// shows the first 50 of a deep stack, those of its own among them.
const maxFrames = 32

func (s *stack) add(f frame) {
	name := packageOf(f.function)
	if f.function == "panic" || isPartOf(name, "runtime", "internal/runtime") && !isPartOf(name, "runtime/pprof") {
		return
	}
	s.frames = append(s.frames, f)
}

// key is the same for stacks of the same frames.
func (s *stack) key() string {
	var b strings.Builder
	for _, f := range s.frames[:min(len(s.frames), maxFrames)] {
		b.WriteString(f.file)
		b.WriteByte('\n')
	}
	return b.String()
}

// unlisted tells whether the goroutine is one of those that make a simulation:
// its own, the one that asks, and the three of testing/synctest. The test's own
// is one while it waits, and not while it does a clean-up of the function's.
func (s *stack) unlisted() bool {
	testsOwn, cleansUp := false, false
	for _, f := range s.frames {
		switch f.function {
		case ownPackage + ".runUnlisted", ownPackage + ".stillRunning",
			"internal/synctest.Run", "testing/synctest.testingSynctestTest":
			return true
		case "testing.tRunner":
			testsOwn = true
		case "testing.(*common).runCleanup":
			cleansUp = true
		}
	}
	return testsOwn && !cleansUp
}

// place tells where the goroutine is; state is the runtime's word for what it
// waits for.
func (s *stack) place(state string) place {
	p := place{waits: state}
	i := 0
	for i < len(s.frames) && s.frames[i].waiting() {
		if s.frames[i].own() {
			p.waits = "simtest " + s.frames[i].method()
		}
		i++
	}
	switch {
	case len(s.frames) == 0:
		p.where = "the runtime"
		return p
	case i == len(s.frames):
		p.where = s.frames[i-1].String()
		return p
	}
	p.where = s.frames[i].String()
	if from := slices.IndexFunc(s.frames[i:], frame.ofUser); from > 0 {
		p.from = s.frames[i+from].String()
	}
	return p
}

// waiting tells whether the call is part of how a goroutine waits, and not of
// the program's own doing.
func (f frame) waiting() bool {
	return f.own() || isPartOf(packageOf(f.function), "runtime", "sync", "internal", "time")
}

// own tells whether the call is of this package, its tests excepted.
func (f frame) own() bool {
	name, _, _ := strings.Cut(f.file, ":")
	return packageOf(f.function) == ownPackage && !strings.HasSuffix(name, "_test.go")
}

// standard tells whether the call is of the standard library: its package's
// name has no domain, and its file is where the library's are. (With -trimpath
// all files are alike, and the first must do.)
func (f frame) standard() bool {
	first, _, _ := strings.Cut(packageOf(f.function), "/")
	return first != "main" && !strings.Contains(first, ".") && strings.HasPrefix(f.file, standardLibrary)
}

// String returns the function, without the directories of a package that has a
// domain, and the file without any: "raft.(*node).run (node.go:40)".
func (f frame) String() string {
	function := f.function
	if first, _, _ := strings.Cut(packageOf(function), "/"); strings.Contains(first, ".") {
		function = strings.ReplaceAll(lastElement.FindString(function), "%2e", ".")
	}
	return fmt.Sprintf("%s (%s)", function, path.Base(f.file))
}

// lastElement finds the package's name in a function's, with a major version's
// directory: "raft/v2.(*Node).run".
var lastElement = regexp.MustCompile(`[^/]+(/v[0-9]+)?\.[^/]*$`)

// method returns the name alone; a closure's is that of the function it is in.
func (f frame) method() string {
	name := closure.ReplaceAllString(strings.ReplaceAll(f.function, "[...]", ""), "")
	return name[strings.LastIndexByte(name, '.')+1:]
}

var closure = regexp.MustCompile(`(\.(func|gowrap|deferwrap)?[0-9.]+|-range[0-9]+|-fm)+$`)

// packageOf returns the import path of a function's package.
func packageOf(function string) string {
	name, _, _ := strings.Cut(function, "[") // type arguments may have slashes
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	if dot < 0 {
		return name
	}
	return name[:slash+dot]
}

// isPartOf tells whether the package is one of those, or below one.
func isPartOf(name string, packages ...string) bool {
	return slices.ContainsFunc(packages, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

var (
	ownPackage      = reflect.TypeFor[stack]().PkgPath()
	standardLibrary = func() string {
		pc := reflect.ValueOf(fmt.Sprint).Pointer()
		file, _ := runtime.FuncForPC(pc).FileLine(pc)
		return strings.TrimSuffix(file, "fmt/print.go")
	}()
)
