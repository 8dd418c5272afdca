// Package cli contains what the commands share: parsing of flags, failures, and
// output to a terminal.
//
// A command fails with one line on stderr, "name: error", and exit status 2 for
// invalid usage, or 1 for any other failure. If a signal ends it, its status
// shows that: 128 plus the signal's number in a shell. --help and --version
// print to stdout.
package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// A UsageError is the error of an invalid command line.
type UsageError struct{ text string }

// Error returns the text of the error.
func (e *UsageError) Error() string { return e.text }

// Usagef returns a [UsageError].
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// NewFlagSet returns a flag set for a command. The name is the command as typed,
// such as "slownet demo". Flags may come before and after other arguments. [Parse]
// prints the usage for --help, followed by the flags. Each command has --version.
func NewFlagSet(name, usage string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard) // errors are printed by Fail
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage, "\nFlags:\n", flags.FlagUsages())
	}
	return flags
}

// ErrAnswered is returned by [Parse] after it has handled --help or --version,
// when there is nothing else to do.
var ErrAnswered = errors.New("answered")

// Parse parses a command's arguments. For --help it prints the help to out, for
// --version the program's version, and returns [ErrAnswered]; other errors are a
// [UsageError].
func Parse(flags *pflag.FlagSet, args []string, out io.Writer) error {
	const version = "version"
	if flags.Lookup(version) == nil { // defined here, so that it comes last in the help
		flags.Bool(version, false, "print the version")
	}
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if strings.HasPrefix(arg, "-test.") { // pflag skips these
			return Usagef("unknown flag: %s", arg)
		}
	}
	err := flags.Parse(args)
	asked, _ := flags.GetBool(version)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		var help strings.Builder
		flags.SetOutput(&help)
		flags.Usage()
		return Answer(out, help.String())
	case err != nil:
		return Usagef("%v", err)
	case asked:
		program, _, _ := strings.Cut(flags.Name(), " ")
		return PrintVersion(program, out)
	}
	return nil
}

// Answer prints the text, and returns [ErrAnswered], or the error of printing
// it.
func Answer(out io.Writer, text string) error {
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	return ErrAnswered
}

// Fail reports an error, unless it is nil, and returns the exit status.
func Fail(name string, err error, stderr io.Writer) int {
	var usage *UsageError
	switch {
	case err == nil, err == ErrAnswered:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %s (see %s --help)\n", name, oneLine(err), name)
		return 2
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, oneLine(err))
	return 1
}

// oneLine returns the error's text as one line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
