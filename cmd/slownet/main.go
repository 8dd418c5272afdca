// Command slownet runs programs and demonstrations on slow networks.
//
//	slownet demo [--real | --html PAGE]
//	slownet proxy --listen ADDRESS --to ADDRESS [--profile PROFILE] | --config FILE
//	slownet report [--compare] TRACE... -o PAGE [--pcap CAPTURE [--at HOST]] [--chrome FILE]
//	slownet sweep [--json] FILE...
//	slownet run [flags] -- COMMAND [ARGUMENT...]
//	slownet test [go test's flags and packages]
//	slownet overlay [--check]
//
// Demo gets three poems from three slow servers, with a blocking and with an asynchronous
// client, in simulated time or, with --real, on loopback sockets. Report turns traces into
// a page, a packet capture, or a file for Perfetto. Sweep joins the reports of searches
// over seeds. Proxy puts a network between running programs; if it is started under the
// name toxiproxy-server or toxiproxy, it replaces that program. Run calls slownet-run,
// which runs a command on a slow network. Test runs go test with an overlay of the standard
// library, for simulations of any Go program.
package main

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

func main() {
	if isToxiproxy(os.Args[0]) {
		os.Exit(cli.Fail("toxiproxy-server", runToxiproxy(os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `Usage: slownet COMMAND [flags]

Commands:
  demo    gets three poems from slow servers: one after another, and all at once
  proxy   puts a slow or faulty network between clients and servers, with Toxiproxy's API
  report  turns traces into a page for a browser or a capture for Wireshark
  sweep   joins the reports of searches over seeds, from one machine or many
  run     runs any command on a slow network (Linux)
  test    runs go test with an overlay of the standard library, to simulate any program
  overlay prints the name of that overlay's file, or whether it fits the Go in use

Run slownet COMMAND --help for the flags of a command, and slownet --version for
the version.
`

// commands are the commands of slownet but test, by name.
var commands = map[string]func(args []string, stdout, stderr io.Writer) error{
	"demo":    demo,
	"proxy":   runProxy,
	"report":  func(args []string, stdout, _ io.Writer) error { return report(args, os.Stdin, stdout) },
	"sweep":   func(args []string, stdout, _ io.Writer) error { return sweepReports(args, os.Stdin, stdout) },
	"run":     func(args []string, _, _ io.Writer) error { return execRun(args) },
	"overlay": printOverlay,
}

// statusRunFailed is the exit status of slownet run if it cannot start slownet-run, and of
// slownet-run when it fails itself. Other statuses are those of the user's command.
const statusRunFailed = 125

// run finds the command, which is the first argument that is not a flag, and
// runs it with the other arguments.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[0] == "help" { // slownet help COMMAND
		args = []string{args[1], "--help"}
	}
	if len(args) > 0 && args[0] == "test" { // all flags are go test's
		return cli.Fail("slownet test", runTest(args[1:], stdout, stderr), stderr)
	}
	at := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") && arg != "help" })
	if at < 0 {
		if slices.Contains(args, "--version") {
			return cli.Fail("slownet", cli.PrintVersion("slownet", stdout), stderr)
		}
		if slices.ContainsFunc(args, isHelp) {
			return cli.Fail("slownet", cli.Answer(stdout, usage), stderr)
		}
		return cli.Fail("slownet", cli.Usagef("no command given: the commands are %s", commandNames()), stderr)
	}
	name, others := args[at], slices.Delete(slices.Clone(args), at, at+1)
	command := commands[name]
	if command == nil {
		return cli.Fail("slownet", cli.Usagef("there is no command %q: the commands are %s", name, commandNames()), stderr)
	}
	if name != "run" && slices.ContainsFunc(others, isHelp) {
		others = []string{"--help"}
	}
	status := cli.Fail("slownet "+name, command(others, stdout, stderr), stderr)
	if name == "run" && status != 0 {
		return statusRunFailed
	}
	return status
}

// commandNames lists the commands.
func commandNames() string {
	names := slices.Sorted(maps.Keys(commands))
	return strings.Join(names, ", ") + " and test"
}

// isHelp reports whether an argument asks for help.
func isHelp(arg string) bool { return arg == "help" || arg == "-h" || arg == "--help" }
