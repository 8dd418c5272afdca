package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// PrintVersion prints a line with the program's version, the version of Go that
// built it, and the platform. It returns [ErrAnswered], or the error of
// printing.
func PrintVersion(program string, out io.Writer) error {
	info, _ := debug.ReadBuildInfo()
	return Answer(out, fmt.Sprintf("%s %s %s %s/%s\n", program, version(info), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// version returns the module's version as recorded by the go command: a release
// (v1.2.3) or a commit (v0.0.0-20260102030405-abcdefabcdef), either with +dirty
// for a modified working tree. A program built by go run has none of these: its
// version is "devel", with the commit if that is known. The info may be nil.
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

// devel is the version of a program without a recorded version.
const devel = "devel"
