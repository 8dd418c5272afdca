package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// An error names the system's restriction, and says how to lift it.
func TestMissingIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		step  step
		err   error
		want  string
	}{
		{"no user namespaces", map[string]string{"proc/sys/user/max_user_namespaces": "0"}, makeNamespaces, unix.ENOSPC, "sysctl -w user.max_user_namespaces=10000"},
		{"an old Debian", map[string]string{"proc/sys/kernel/unprivileged_userns_clone": "0"}, makeNamespaces, unix.EPERM, "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"Docker", map[string]string{".dockerenv": ""}, makeNamespaces, unix.EPERM, "--security-opt seccomp=unconfined"},
		{"Docker, without the device", map[string]string{".dockerenv": ""}, openDevice, unix.ENOENT, "the container has no /dev/net/tun: start it with --device /dev/net/tun"},
		{"no module", nil, openDevice, unix.ENOENT, "modprobe tun"},
		{"seccomp", nil, makeNamespaces, unix.EPERM, "a seccomp filter"},
		{"an old kernel", nil, makeNamespaces, unix.EINVAL, "CONFIG_USER_NS"},
		{"Docker's AppArmor", map[string]string{".dockerenv": ""}, mountFiles, unix.EACCES, "--security-opt apparmor=unconfined"},
		{"no room, in Docker", map[string]string{".dockerenv": ""}, mountFiles, unix.ENOSPC, ""},
		{"something else", nil, mountFiles, errors.New("x"), ""},
	} {
		root := t.TempDir()
		for name, data := range c.files {
			file := filepath.Join(root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(data+"\n"), 0o644))
		}
		got := system(root).missing(c.step, c.err)
		if c.want == "" {
			assert.Empty(t, got, c.name)
		}
		assert.Contains(t, got, c.want, c.name)
	}
}

// On a system that really has the restriction, the errors are the same.
func TestDevicesThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("creating other devices needs root")
	}
	r := finish(t, commandWith(nobody, deviceForRoot, hostsNetwork, "--", "true"))
	assert.Equal(t, statusFailed, r.status)
	assert.Equal(t, "slownet run: open /dev/net/tun: permission denied: /dev/net/tun has mode 0600, so not every user may open it: allow it with: chmod 0666 /dev/net/tun\n", r.stderr)
	r = finish(t, commandWith(self, deviceForRoot, hostsNetwork, "--", "true"))
	assert.Zero(t, r.status, "root may: %s", r.stderr)
	for _, as := range users() {
		r = finish(t, commandWith(as, noDevice, hostsNetwork, "--", "true"))
		assert.Equal(t, statusFailed, r.status)
		want := "there is no /dev/net/tun: load its module with: modprobe tun ("
		if system("/").inContainer() {
			want = "the container has no /dev/net/tun: start it with --device /dev/net/tun"
		}
		assert.Contains(t, r.stderr, "slownet run: open /dev/net/tun: no such file or directory: "+want)
	}
}

// Inside a user namespace that allows no nested ones, slownet-run behaves as on a system
// without user namespaces.
func TestNoUserNamespaces(t *testing.T) {
	t.Parallel()
	c := exec.Command("sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"`, "sh", program, "--", "true")
	id := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: id(os.Geteuid()), GidMappings: id(os.Getegid())}
	r := finish(t, c)
	assert.Equal(t, statusFailed, r.status)
	assert.Equal(t, "slownet run: fork/exec /proc/self/exe: no space left on device: user namespaces are not allowed here: user.max_user_namespaces is 0; allow them with: sysctl -w user.max_user_namespaces=10000\n", r.stderr)
}
