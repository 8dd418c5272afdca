// Command slownet shows what slow networks do.
//
//	slownet demo [--real]
//
// The demonstration gets three poems from three slow servers, with a blocking
// and with an asynchronous client, in simulated time or, with --real, on
// loopback sockets.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `Usage: slownet COMMAND [flags]

Commands:
  demo    three poems from three slow servers: one after another, and all at once

slownet COMMAND --help tells more.
`

func run(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 0:
		return cli.Fail("slownet", cli.Usagef("no command given: try slownet demo"), stderr)
	case slices.Contains([]string{"help", "-h", "--help"}, args[0]):
		fmt.Fprint(stdout, usage)
		return 0
	case args[0] == "demo":
		return cli.Fail("slownet demo", demo(args[1:], stdout, stderr), stderr)
	}
	return cli.Fail("slownet", cli.Usagef("there is no command %q: try slownet demo", args[0]), stderr)
}
