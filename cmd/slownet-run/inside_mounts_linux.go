package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// readOnly reports whether a file is on a read-only mount, as /proc/sys is in
// containers.
func readOnly(err error) bool { return errors.Is(err, unix.EROFS) }

// mountAll mounts the files that the command must not share with the host: the files
// for name resolution, and /proc. The warning says which of the former is missing.
func mountAll() (warning string, err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return "", fmt.Errorf("make mounts private: %w", err)
	}
	warning, err = mountNames()
	if err != nil {
		return "", err
	}
	// Services that would answer for the host, and bypass the path.
	for _, name := range []string{"/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/var/run/nscd/socket"} {
		if err := unix.Mount("/dev/null", name, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			return "", fmt.Errorf("mount over %s: %w", name, err)
		}
	}
	// If parts of /proc are hidden, as in containers, the kernel allows no new /proc.
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return warning, nil
}

// mountNames mounts the files for names over the host's. They are on a file system of
// their own, which is hidden at once and ends with the namespace.
func mountNames() (warning string, err error) {
	dir, err := os.MkdirTemp("", "slownet-run-")
	if err != nil {
		return "", err
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return "", fmt.Errorf("mount a tmpfs: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)) }()
	for _, f := range []struct {
		name    string
		content func(host []byte) []byte
		without string
	}{
		{"/etc/resolv.conf", resolvConf, "the command cannot resolve names"},
		{"/etc/hosts", hostsFile, "each name takes a round trip, " + hostName + " too"},
	} {
		host, err := os.ReadFile(f.name)
		if errors.Is(err, fs.ErrNotExist) {
			warning = "there is no " + f.name + " to mount over: " + f.without + "; create an empty one"
			continue
		}
		own := filepath.Join(dir, filepath.Base(f.name))
		if err == nil {
			err = os.WriteFile(own, f.content(host), 0o644)
		}
		if err != nil {
			return "", err
		}
		if err := unix.Mount(own, f.name, "", unix.MS_BIND, ""); err != nil {
			return "", fmt.Errorf("mount over %s: %w", f.name, err)
		}
	}
	return warning, nil
}

// resolvConf returns a resolv.conf with our name server, and the host's other settings.
func resolvConf(host []byte) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# from slownet run: the gateway asks the resolver of the host\nnameserver %v\n", gatewayAddress)
	for line := range strings.Lines(string(host)) {
		if fields := strings.Fields(line); len(fields) > 0 && (fields[0] == "search" || fields[0] == "domain" || fields[0] == "options") {
			fmt.Fprintln(&out, strings.TrimSpace(line))
		}
	}
	return out.Bytes()
}

// hostsFile returns the host's file with our names in front.
func hostsFile(host []byte) []byte {
	return fmt.Appendf(nil, "%v\t%s\n%v\t%s\n%s", hostAddress, hostName, gatewayAddress, gatewayName, host)
}
