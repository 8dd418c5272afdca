package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// PrintVersion prints a line with the program's version, the version of Go that
// has built it, and the platform. It returns [ErrAnswered], or why it could not
// print.
func PrintVersion(program string, out io.Writer) error {
	info, _ := debug.ReadBuildInfo()
	return Answer(out, fmt.Sprintf("%s %s %s %s/%s\n", program, version(info), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// version returns the module's version, as the go command has written it down:
// a release (v1.2.3), a commit (v0.0.0-20260102030405-abcdefabcdef), either with
// +dirty for a working tree that was changed. What go run builds has none of
// these: it is "devel", with the commit where that is known. The info may be nil.
func version(info *debug.BuildInfo) string {
	if info == nil {
		return devel
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	v := devel
	if commit := settings["vcs.revision"]; commit != "" {
		v += "-" + commit[:min(len(commit), 12)]
	}
	if settings["vcs.modified"] == "true" {
		v += "+dirty"
	}
	return v
}

// devel is the version of a program whose version nobody has written down.
const devel = "devel"
