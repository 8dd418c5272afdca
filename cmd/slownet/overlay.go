package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/overlay"
)

const testUsage = `Usage: slownet test [go test's flags and packages]

Runs go test with an overlay of the standard library. With it, simulations of
simtest control what the runtime leaves to chance, and code that calls the net
package uses the simulated network of its host. It takes go test's flags, and exits
with go test's status.

The environment variable SIMTEST_OVERLAY selects layers: a comma-separated list of
time, order and net; or all, which is the default; or none.
`

const overlayUsage = `Usage: slownet overlay [--check]

Creates the overlay of the standard library that slownet test uses, for the Go in
use, and prints the name of its file: go test -overlay=$(slownet overlay). If
GOFLAGS contains the flag, it works in editors, too.
`

// overlayFile makes the overlay for the Go in use; own is the user's overlay, or
// empty.
func overlayFile(own string, stderr io.Writer, name string) (*overlay.Made, *overlay.Go, error) {
	g, fit, err := fitGo()
	if err != nil {
		return nil, nil, err
	}
	if warning := fit.Warning(); warning != "" {
		fmt.Fprintf(stderr, "%s: %s\n", name, warning)
	}
	if own == "" {
		own = g.OverlayInFlags()
	}
	var replace map[string]string
	if own != "" {
		if replace, err = overlay.ReadOwn(own); err != nil {
			return nil, nil, err
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, nil, fmt.Errorf("no directory for the overlay: %w", err)
	}
	made, err := overlay.Make(g, fit, replace, filepath.Join(cache, "slownet", "overlay"))
	return made, g, err
}

// fitGo fits the edits to the Go in use.
func fitGo() (*overlay.Go, *overlay.Fit, error) {
	g, err := overlay.FindGo()
	if err != nil {
		return nil, nil, err
	}
	fit, err := overlay.New(g.GOROOT, g.GOVERSION)
	return g, fit, err
}

// runTest replaces this process by go test with the overlay, so that its exit
// status, signals and files are go test's own.
func runTest(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		return cli.Answer(stdout, testUsage)
	}
	args, err := changeDirectory(args)
	if err != nil {
		return err
	}
	own, args := overlay.OwnOverlay(args)
	made, _, err := overlayFile(own, stderr, "slownet test")
	if err != nil {
		return err
	}
	program := made.Go
	if program == "" {
		if program, err = exec.LookPath("go"); err != nil {
			return err
		}
	}
	command := append([]string{program, "test", "-overlay=" + made.File}, args...)
	environment := append(os.Environ(), made.Env...)
	if err := syscall.Exec(program, command, environment); err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// changeDirectory obeys the flag -C, which must come first, and returns the
// other arguments. File names are relative to the new directory, as they are for
// go.
func changeDirectory(args []string) (others []string, err error) {
	if len(args) == 0 {
		return args, nil
	}
	name, directory, hasValue := strings.Cut(args[0], "=")
	others = args[1:]
	switch {
	case name != "-C" && name != "--C":
		return args, nil
	case !hasValue && len(others) == 0:
		return args, nil // go says what is missing
	case !hasValue:
		directory, others = others[0], others[1:]
	}
	return others, os.Chdir(directory)
}

// printOverlay prints the name of the overlay's file, or how well it fits.
func printOverlay(args []string, stdout, stderr io.Writer) error {
	var check bool
	flags := cli.NewFlagSet("slownet overlay", overlayUsage)
	flags.BoolVar(&check, "check", false, "print whether the edits fit the Go in use, and write nothing")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return cli.Usagef("takes no arguments: the overlay is for the Go in use")
	}
	if check {
		_, fit, err := fitGo()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s: all %d edits fit, and all functions are as tested\n", fit.Version, fit.Edits)
		if warning := fit.Warning(); warning != "" {
			text = warning + "\n"
		}
		if _, err := io.WriteString(stdout, text); err != nil {
			return fmt.Errorf("cannot print: %w", err)
		}
		return nil
	}
	made, g, err := overlayFile("", stderr, "slownet overlay")
	if err != nil {
		return err
	}
	if made.Go != "" {
		return fmt.Errorf("%s is in the module cache, where go replaces no files: use slownet test, or install it elsewhere", g.GOVERSION)
	}
	if _, err := fmt.Fprintln(stdout, made.File); err != nil {
		return errors.Join(errors.New("cannot print"), err)
	}
	return nil
}
