package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// explain adds to an error what the system does not permit, and how to permit it.
func explain(at step, err error) error {
	hint := system("/").missing(at, err)
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}

// A system is the root directory of the files that show what a system permits.
type system string

// setting returns a setting of the kernel, or "" if it does not exist.
func (s system) setting(name string) string {
	data, err := os.ReadFile(filepath.Join(string(s), "proc/sys", strings.ReplaceAll(name, ".", "/")))
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(data)), " ")
}

// inContainer reports whether the process is in a container, as marked by Docker and
// Podman.
func (s system) inContainer() bool {
	for _, name := range []string{".dockerenv", "run/.containerenv"} {
		if _, err := os.Stat(filepath.Join(string(s), name)); err == nil {
			return true
		}
	}
	return false
}

// The settings of systems that restrict user namespaces.
const (
	maxUserNamespaces = "user.max_user_namespaces"
	userNamespaces    = "kernel.unprivileged_userns_clone"
	appArmor          = "kernel.apparmor_restrict_unprivileged_userns"
)

// missing returns a text that says what a failed step needs, or "" if that is unknown.
func (s system) missing(at step, err error) string {
	if at == openDevice {
		if hint := s.missingDevice(); hint != "" {
			return hint
		}
	}
	refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
	if at == startCommand || at != makeNamespaces && !refused {
		return ""
	}
	allow := func(setting, value string) string {
		return fmt.Sprintf("user namespaces are not allowed here: %s is %s; allow them with: sysctl -w %s=%s", setting, s.setting(setting), setting, value)
	}
	switch {
	case s.setting(maxUserNamespaces) == "0":
		return allow(maxUserNamespaces, "10000")
	case s.setting(userNamespaces) == "0":
		return allow(userNamespaces, "1")
	case s.setting(appArmor) == "1" && os.Geteuid() != 0:
		return "AppArmor removes the privileges of user namespaces: " + appArmor + " is 1; allow them with: sysctl -w " + appArmor +
			"=0, or with an AppArmor profile for slownet-run that has userns"
	case s.inContainer():
		return "containers allow no namespaces by default: start it with --device /dev/net/tun --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
	case errors.Is(err, unix.ENOSPC):
		return "there are too many user namespaces, or they are nested too deeply: see " + maxUserNamespaces
	case at == makeNamespaces && errors.Is(err, unix.EINVAL):
		return "this kernel has no user, network or PID namespaces: it needs CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS"
	case at == makeNamespaces && errors.Is(err, unix.EPERM):
		return "something, such as a seccomp filter or a security module, does not let this process create user namespaces"
	}
	return ""
}

// missingDevice returns a text that says why /dev/net/tun cannot be opened.
func (s system) missingDevice() string {
	const device = "/dev/net/tun"
	name := filepath.Join(string(s), device)
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.inContainer():
		return "the container has no " + device + ": start it with --device " + device
	case errors.Is(err, fs.ErrNotExist):
		return "there is no " + device + ": load its module with: modprobe tun (if that is not enough: mkdir -p /dev/net && mknod -m 0666 " + device + " c 10 200)"
	case err != nil:
		return ""
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrPermission) && info.Mode().Perm()&0o006 != 0o006 && os.Geteuid() != 0:
		return fmt.Sprintf("%s has mode %#o, so not every user may open it: allow it with: chmod 0666 %s", device, info.Mode().Perm(), device)
	case errors.Is(err, fs.ErrPermission):
		return "this process may not open " + device + ": in a container, start it with --device " + device
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return "the kernel has no TUN devices: load the module with: modprobe tun"
	case err == nil:
		_ = file.Close()
	}
	return ""
}
