package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/eventlog"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// isToxiproxy reports whether the program was started under the name of Toxiproxy's
// server, which it then replaces.
func isToxiproxy(program string) bool {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	return name == "toxiproxy" || name == "toxiproxy-server"
}

// runToxiproxy accepts the flags of Toxiproxy's server, and some of our own.
func runToxiproxy(args []string, stdout, stderr io.Writer) error {
	o := &proxyOptions{isToxiproxy: true, logFormat: eventlog.JSON, seedGiven: true}
	flags := flag.NewFlagSet("toxiproxy-server", flag.ContinueOnError)
	flags.SetOutput(stdout)
	host := flags.String("host", "localhost", "Host for toxiproxy's API to listen on")
	port := flags.String("port", "8474", "Port for toxiproxy's API to listen on")
	flags.StringVar(&o.config, "config", "", "JSON file containing proxies to create on startup")
	flags.Uint64Var(&o.seed, "seed", 0, "Seed for randomizing toxics with")
	version := flags.Bool("version", false, "print the version")
	proxyMetrics := flags.Bool("proxy-metrics", false, "enable toxiproxy-specific prometheus metrics")
	runtimeMetrics := flags.Bool("runtime-metrics", false, "enable runtime-related prometheus metrics: serve /metrics")
	flags.Var(&o.logFormat, "log-format", "plain, text or json")
	flags.Func("api-host", "a host name that browsers may use for the API, besides localhost; may be repeated", func(s string) error {
		o.apiHosts = append(o.apiHosts, s)
		return nil
	})
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return cli.ErrAnswered
	case err != nil:
		return cli.Usagef("%v", err)
	case *version:
		return cli.Answer(stdout, fmt.Sprintf("toxiproxy-server version %s\n", proxy.ToxiproxyVersion))
	}
	o.ownMetrics = *proxyMetrics || *runtimeMetrics
	o.api = apiAddress(net.JoinHostPort(*host, *port))
	return o.serve(stdout, stderr)
}
