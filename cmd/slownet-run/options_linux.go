package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/linkflags"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const usage = `Usage: slownet run [flags] -- COMMAND [ARGUMENT...]

Runs a command on a slow network: in a new network namespace, without privileges,
in which every packet crosses the path that the flags describe.

  slownet run --profile webpagetest/3g -- curl http://host.slownet:8080/
  slownet run --latency 40ms --loss 5% -- ping -c 20 gateway.slownet
  slownet run --down rate=8Mbit/s --up rate=1Mbit/s -- npm install

host.slownet is this machine: its ports are the ports of 127.0.0.1 here.
gateway.slownet is the other end of the path. The exit status is the command's.
`

// options are the options of the command line.
type options struct {
	profile netem.Profile
	seed    uint64
	setFile string // "" means none
	pcap    string // "" means none
	command []string
}

// parse parses the command line.
func parse(args []string, stdout io.Writer) (*options, error) {
	flags := cli.NewFlagSet("slownet run", usage)
	flags.SetInterspersed(false)
	path := linkflags.Add(flags)
	seed := &cli.Int{Value: 1, Max: math.MaxInt64, Unit: "NUMBER"}
	flags.Var(seed, "seed", "determines all random decisions, such as which packets are lost")
	o := &options{}
	flags.StringVar(&o.setFile, "set-file", "", "a `FILE` with a profile in JSON, which is applied whenever the file appears or changes")
	flags.StringVar(&o.pcap, "pcap", "", "write the command's packets to a `FILE`, for Wireshark (pcapng)")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return nil, err
	}
	o.seed, o.command = uint64(seed.Value), flags.Args()
	if len(o.command) == 0 {
		return nil, cli.Usagef("no command given: try slownet run --profile webpagetest/3g -- curl http://example.com/")
	}
	var err error
	if o.profile, err = path.Profile(); err != nil {
		return nil, cli.Usagef("%v", err)
	}
	if o.setFile != "" {
		profile, err := readProfile(o.setFile)
		switch {
		case err == nil:
			o.profile = profile
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case !isDirectory(filepath.Dir(o.setFile)):
			return nil, cli.Usagef("--set-file: there is no directory %s: create it, or choose another file", filepath.Dir(o.setFile))
		}
	}
	return o, usable(o.profile)
}

func isDirectory(name string) bool {
	is, err := os.Stat(name)
	return err == nil && is.IsDir()
}

// readProfile reads a profile for packets.
func readProfile(file string) (netem.Profile, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return netem.Profile{}, err
	}
	profile, err := netem.ParseProfile(data)
	if err == nil {
		err = usable(profile)
	}
	if err != nil {
		return netem.Profile{}, fmt.Errorf("%s: %w", file, err)
	}
	return profile, nil
}

// usable returns the reason why packets cannot use a profile, or nil.
func usable(profile netem.Profile) error {
	for _, l := range []netem.Link{profile.Down, profile.Up} {
		switch {
		case l.Pace != (netem.Pace{}):
			return errors.New("the path has a pace, which needs streams, but the path carries packets: give a rate")
		case l.MTU > maxMTU:
			return fmt.Errorf("the path has an mtu of %d bytes: it must be %d or less", l.MTU, maxMTU)
		case l.MTU != 0 && l.MTU < minMTU && !l.DropOversize:
			return fmt.Errorf("the path has an mtu of %d bytes: it must be %d or more", l.MTU, minMTU)
		}
	}
	return nil
}

// The sizes of packets that the device allows, in bytes: the minimum that every IPv4 host
// accepts, Ethernet's maximum, and IPv4's.
const (
	minMTU     = 576
	defaultMTU = 1500
	maxMTU     = 65535
)

// mtuOf returns the MTU of the device, which the kernel and the stack respect: the
// minimum of both links. A link that drops packets that are too large announces no MTU.
func mtuOf(profile netem.Profile) int {
	mtu := 0
	for _, l := range []netem.Link{profile.Down, profile.Up} {
		if l.MTU != 0 && !l.DropOversize && (mtu == 0 || l.MTU < mtu) {
			mtu = l.MTU
		}
	}
	if mtu == 0 {
		return defaultMTU
	}
	return mtu
}
