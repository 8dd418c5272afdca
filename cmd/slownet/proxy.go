package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slowpoetry/slowpoetry/internal/address"
	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/eventlog"
	"github.com/slowpoetry/slowpoetry/internal/linkflags"
	"github.com/slowpoetry/slowpoetry/internal/monitor"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
	"github.com/slowpoetry/slowpoetry/slownet/proxy/page"
)

const proxyUsage = `Usage: slownet proxy --listen ADDRESS --to ADDRESS [--profile PROFILE] [flags]
       slownet proxy [--config FILE] [flags]

Forwards connections from clients to a server, and makes the network between
them slow or faulty. An address is PORT, :PORT, HOST:PORT, udp:HOST:PORT or
unix:PATH; the default HOST is 127.0.0.1.

  slownet proxy --listen :8080 --to example.com:80 --profile webpagetest/3g
  slownet proxy --config proxies.json

The API is Toxiproxy's, so Toxiproxy's clients can change everything while
connections are in use. Ctrl-C ends the proxy; SIGHUP makes it read the file
again.
`

// proxyOptions are the options of the command line.
type proxyOptions struct {
	listen, to  string
	profile     string
	config      string
	api         apiAddress
	apiHosts    []string
	seed        uint64
	trace       string
	logFormat   eventlog.Format
	metrics     monitor.Address
	isToxiproxy bool // file contents are parsed as Toxiproxy parses them
	ownMetrics  bool // the API serves /metrics

	seedGiven bool
}

// An apiAddress is a flag whose value is an address, or "none".
type apiAddress string

// Set parses the value.
func (a *apiAddress) Set(s string) error {
	if s == "none" {
		*a = ""
		return nil
	}
	parsed, err := address.Parse(s, 0)
	if err == nil {
		*a = apiAddress(parsed)
	}
	return err
}

// String returns the address, or "none".
func (a *apiAddress) String() string {
	if *a == "" {
		return "none"
	}
	return string(*a)
}

// Type returns the kind of value for the help.
func (a *apiAddress) Type() string { return "address" }

func parseProxy(args []string, stdout io.Writer) (*proxyOptions, error) {
	o := &proxyOptions{api: "127.0.0.1:8474", logFormat: eventlog.Plain, ownMetrics: true}
	flags := cli.NewFlagSet("slownet proxy", proxyUsage)
	flags.StringVar(&o.listen, "listen", "", "the `address` to which clients connect; port 0 means any free port")
	flags.StringVar(&o.to, "to", "", "the `address` of the server to which they are forwarded")
	flags.StringVar(&o.profile, "profile", "", "the network between them: a `name` such as webpagetest/3g, or the file of a profile")
	flags.StringVar(&o.config, "config", "", "read proxies from this `file`, in slownet's or Toxiproxy's format; see docs/proxy.md")
	flags.Var(&o.api, "api", "serve the API on this `address`, [HOST:]PORT, or none")
	flags.StringArrayVar(&o.apiHosts, "api-host", nil, "a host `name` that browsers may use for the API, besides localhost; may be repeated")
	flags.Uint64Var(&o.seed, "seed", 0, "the `number` that determines all random decisions; the default is the file's seed, if it has one")
	flags.StringVar(&o.trace, "trace", "", "write a trace of all bytes to this `file`, for slownet report")
	flags.Var(&o.logFormat, "log-format", "the `format` of the log on stdout: plain, text (key=value) or json (one object per line)")
	flags.Var(&o.metrics, "metrics", "also serve metrics over HTTP on this `address`, [HOST:]PORT; the API serves them at /metrics")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return nil, err
	}
	o.seedGiven = flags.Changed("seed")
	switch {
	case flags.NArg() > 0:
		return nil, cli.Usagef("takes no arguments: got %q", flags.Args())
	case (o.listen == "") != (o.to == ""):
		return nil, cli.Usagef("--listen and --to must be given together")
	case o.profile != "" && o.listen == "":
		return nil, cli.Usagef("--profile is for the proxy of --listen and --to: give them, or write the profile into the file")
	case o.listen == "" && o.config == "" && o.api == "":
		return nil, cli.Usagef("nothing to do: give --listen and --to, or --config, or --api")
	}
	return o, nil
}

// runProxy runs the command slownet proxy.
func runProxy(args []string, stdout, stderr io.Writer) error {
	o, err := parseProxy(args, stdout)
	if err != nil {
		return err
	}
	return o.serve(stdout, stderr)
}

// proxyEndTime is the maximum time that the proxy takes to end after a signal.
const proxyEndTime = 500 * time.Millisecond

// serve serves until a signal comes.
func (o *proxyOptions) serve(stdout, stderr io.Writer) error {
	ctx, stop := cli.Interruptible(proxyEndTime, func(os.Signal) { os.Exit(0) })
	defer stop()
	ignorePipe()
	file, err := o.read()
	if err != nil && !o.isToxiproxy {
		return err
	}
	log := eventlog.New(stdout, o.logFormat)
	defer func() {
		select {
		case <-log.Close():
		case <-time.After(proxyEndTime): // the log is not being read
		}
	}()
	if err != nil { // Toxiproxy continues without its file
		logProxyError(log, err)
	}
	server := &proxy.Server{Seed: o.seed, Observer: func(e proxy.ServerEvent) { logProxyEvent(log, e) }}
	if file.Seed != nil && !o.seedGiven {
		server.Seed = *file.Seed
	}
	if o.trace != "" {
		recorder, err := newProxyTrace(o.trace, server.Seed)
		if err != nil {
			return err
		}
		server.Trace = recorder.add
		defer func() {
			if err := recorder.close(); err != nil {
				fmt.Fprintf(stderr, "slownet proxy: %v\n", err)
			}
		}()
	}
	defer server.Close()
	if err := o.populate(server, file); err != nil {
		if !o.isToxiproxy {
			return err
		}
		logProxyError(log, err)
	}
	watch, err := o.watch(log, server)
	if err != nil {
		return err
	}
	defer watch.Close()
	api, err := o.listenAPI(server)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	if api != nil {
		log.Tell("API on http://"+api.listener.Addr().String(), slog.LevelInfo, "api", slog.String("url", "http://"+api.listener.Addr().String()))
		go func() { failed <- api.server.Serve(api.listener) }()
		defer api.server.Close()
	}
	hangups := make(chan os.Signal, 1)
	notifyHangup(hangups)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			watch.Ending()
			return nil
		case err := <-failed:
			return fmt.Errorf("the API has ended: %w", err)
		case <-hangups:
			o.reload(log, server)
		}
	}
}

// read reads the configuration file, if there is one.
func (o *proxyOptions) read() (f proxy.File, err error) {
	if o.config == "" {
		return f, nil
	}
	data, err := os.ReadFile(o.config)
	if err != nil {
		return f, fmt.Errorf("cannot read --config: %w", err)
	}
	if f, err = proxy.ParseFile(data); err != nil {
		return f, fmt.Errorf("%s: %w", o.config, err)
	}
	return f, nil
}

// reload reads the file again. An invalid file changes nothing.
func (o *proxyOptions) reload(log *eventlog.Log, server *proxy.Server) {
	f, err := o.read()
	if err == nil {
		err = server.Load(f)
	}
	if err != nil {
		logProxyError(log, fmt.Errorf("%w; nothing was changed", err))
		return
	}
	log.Tell("Read "+o.config+" again", slog.LevelInfo, "reloaded", slog.String("file", o.config))
}

// populate adds the proxies of the file and of the command line.
func (o *proxyOptions) populate(server *proxy.Server, f proxy.File) error {
	if err := server.Load(f); err != nil {
		return listenError(err)
	}
	if o.listen == "" {
		return nil
	}
	c := proxy.Config{Name: "proxy"}
	var err error
	if c.Listen, err = proxy.ParseAddress(o.listen, true); err != nil {
		return cli.Usagef("--listen: %v", err)
	}
	if c.Upstream, err = proxy.ParseAddress(o.to, false); err != nil {
		return cli.Usagef("--to: %v", err)
	}
	if o.profile != "" {
		profile, err := linkflags.Named(o.profile)
		if err != nil {
			return cli.Usagef("--profile: %v", err)
		}
		c.Toxics = []proxy.Toxic{{Name: "link", Stream: proxy.Both, Toxicity: 1, Attributes: proxy.Link{Profile: &profile}}}
	}
	_, err = server.Add(c)
	return listenError(err)
}

// listenError adds advice to an error of listening.
func listenError(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; choose another port, or 0 for any free one", err)
	}
	return err
}

// A proxyAPI serves the API.
type proxyAPI struct {
	listener net.Listener
	server   *http.Server
}

// listenAPI listens for the API, if it is requested.
func (o *proxyOptions) listenAPI(server *proxy.Server) (*proxyAPI, error) {
	if o.api == "" {
		return nil, nil
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", string(o.api))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot serve the API on %s: the port is in use; choose another one with --api, or none", string(o.api))
	case err != nil:
		return nil, fmt.Errorf("cannot serve the API on %s: %w; choose another address with --api, or none", string(o.api), err)
	}
	api := &proxy.API{Server: server, Hosts: o.apiHosts}
	page.Add(api)
	if o.ownMetrics {
		registry := prometheus.NewRegistry()
		registry.MustRegister(newProxyMetrics(server))
		api.Metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	}
	return &proxyAPI{listener, &http.Server{Handler: api, ReadHeaderTimeout: 15 * time.Second, IdleTimeout: time.Minute}}, nil
}

// watch starts the monitor, if it is requested.
func (o *proxyOptions) watch(log *eventlog.Log, server *proxy.Server) (*monitor.Monitor, error) {
	if o.metrics == "" {
		return nil, nil
	}
	watch, err := monitor.Listen(o.metrics, "--metrics")
	if err != nil {
		return nil, err
	}
	watch.Registry.MustRegister(newProxyMetrics(server))
	log.Tell("Metrics on "+watch.URL(), slog.LevelInfo, "metrics", slog.String("url", watch.URL()))
	return watch, nil
}
