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

// A stack is the frames that some goroutines have in common.
type stack struct {
	host   string
	count  int     // number of goroutines
	frames []frame // the innermost first
}

// A frame is one call on a stack. Frames of package runtime itself are left out: the
// runtime's lists do not show the same ones.
type frame struct {
	function string // github.com/x/y.(*T).method.func1
	file     string // /path/y.go:12
	first    string // the first argument, such as a method's receiver, in hexadecimal; empty if unknown
}

// maxFrames is the maximum number of frames of a stack that are used. The runtime's
// dump shows the first 50 of a deep stack, including its own.
const maxFrames = 32

func (s *stack) add(f frame) {
	name := packageOf(f.function)
	if f.function == "panic" || isPartOf(name, "runtime", "internal/runtime") && !isPartOf(name, "runtime/pprof") {
		return
	}
	if strings.HasPrefix(f.function, "time.simFunc.") {
		return // the overlay's, between a timer and its function
	}
	s.frames = append(s.frames, f)
}

// key returns the same string for stacks with the same frames.
func (s *stack) key() string {
	var b strings.Builder
	for _, f := range s.frames[:min(len(s.frames), maxFrames)] {
		b.WriteString(f.file)
		b.WriteByte('\n')
	}
	return b.String()
}

// unlisted reports whether the goroutine is left out of lists, as part of the
// machinery: the simulation's own goroutines, the caller of stillRunning, and the three
// goroutines of testing/synctest. The test's own goroutine is left out too, except
// while it runs a clean-up. A goroutine without frames is ending: it is in runtime.goexit1.
func (s *stack) unlisted() bool {
	if len(s.frames) == 0 {
		return true
	}
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

// place returns the goroutine's place; state is the runtime's wait reason.
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

// waiting reports whether the call is part of the mechanism of waiting rather than of
// the program.
func (f frame) waiting() bool {
	return f.own() || isPartOf(packageOf(f.function), "runtime", "sync", "internal", "time")
}

// own reports whether the call is of this package, excluding its tests.
func (f frame) own() bool {
	name, _, _ := strings.Cut(f.file, ":")
	return packageOf(f.function) == ownPackage && !strings.HasSuffix(name, "_test.go")
}

// standard reports whether the call is of the standard library: its package's path has
// no domain, and its file is in the library's directory. (With -trimpath all files look
// alike, so only the first condition counts.)
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

// lastElement matches the package's name and the rest of a function's name, with the
// directory of a major version: "raft/v2.(*Node).run".
var lastElement = regexp.MustCompile(`[^/]+(/v[0-9]+)?\.[^/]*$`)

// method returns the name without package and receiver; for a closure, the name of the
// enclosing function.
func (f frame) method() string {
	name := closure.ReplaceAllString(strings.ReplaceAll(f.function, "[...]", ""), "")
	return name[strings.LastIndexByte(name, '.')+1:]
}

var closure = regexp.MustCompile(`(\.(func|gowrap|deferwrap)?[0-9.]+|-range[0-9]+|-fm)+$`)

// packageOf returns the import path of a function's package.
func packageOf(function string) string {
	name, _, _ := strings.Cut(function, "[") // type arguments may contain slashes
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	if dot < 0 {
		return name
	}
	return name[:slash+dot]
}

// isPartOf reports whether the package is one of the given packages, or below one.
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
