// Package image_test builds the image of slownet proxy from the Dockerfile, inspects it,
// and runs its program. It needs buildah, and fails without it. No container is run, and
// no other image is fetched: the test itself does the work of the stage that compiles.
package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

func TestImage(t *testing.T) {
	_, err := exec.LookPath("buildah")
	require.NoError(t, err, "buildah is missing: install it (apt-get install buildah)")
	directory, err := os.MkdirTemp("", "slowpoetry")
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(directory)) }()
	require.NoError(t, os.Chmod(directory, 0o755)) // for the user nobody

	build := filepath.Join(directory, "build")
	compile(t, build)
	archive := buildImage(t, directory, build)
	config, files := look(t, archive)
	assert.Equal(t, []string{"/toxiproxy"}, config.Entrypoint)
	assert.Equal(t, []string{"-host=0.0.0.0"}, config.Cmd)
	assert.Equal(t, "65534:65534", config.User)
	assert.Equal(t, map[string]struct{}{"8474/tcp": {}}, config.ExposedPorts)
	require.Len(t, files, 1, "no shell, and nothing else")
	file := files[0]
	assert.Equal(t, "toxiproxy", file.header.Name)
	assert.Equal(t, int64(0o755), file.header.Mode&0o7777)

	program := filepath.Join(directory, "toxiproxy")
	require.NoError(t, os.WriteFile(program, file.data, 0o755))
	binary, err := elf.Open(program)
	require.NoError(t, err)
	defer binary.Close()
	libraries, err := binary.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
	for _, part := range binary.Progs {
		assert.NotEqual(t, elf.PT_INTERP, part.Type, "the program is static")
	}
	output, err := asNobody(program, "-version").CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Equal(t, "toxiproxy-server version 2.12.0\n", string(output))
	run(t, directory, program)
}

// compile does the same as the first stage of the Dockerfile, with the local Go.
func compile(t *testing.T, to string) {
	t.Helper()
	text, err := os.ReadFile(root + "/Dockerfile")
	require.NoError(t, err)
	command := regexp.MustCompile(`(?m)^RUN CGO_ENABLED=0 (go build .*)/out/toxiproxy (\S+)$`).FindStringSubmatch(string(text))
	require.NotNil(t, command, "the Dockerfile compiles")
	arguments := append(strings.Fields(command[1]), filepath.Join(to, "out", "toxiproxy"), command[2])
	c := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...)
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	output, err := c.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// buildImage builds the image, with a directory as its first stage, and returns its
// directory, with the manifest, the configuration and the layers.
func buildImage(t *testing.T, directory, build string) string {
	t.Helper()
	archive, empty := filepath.Join(directory, "image"), filepath.Join(directory, "empty")
	require.NoError(t, os.Mkdir(empty, 0o755))
	buildah := func(arguments ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		own := []string{"--storage-driver", "vfs", "--root", filepath.Join(directory, "root"), "--runroot", filepath.Join(directory, "run")}
		output, err := exec.CommandContext(ctx, "buildah", append(own, arguments...)...).CombinedOutput()
		require.NoError(t, err, "buildah %s: %s", arguments[0], output)
	}
	buildah("bud", "--isolation", "chroot", "--build-context", "build="+build, "-f", root+"/Dockerfile", "-t", "slownet-proxy", empty)
	buildah("push", "slownet-proxy", "dir:"+archive)
	return archive
}

// A config is the part of an image's configuration that says how to run it.
type config struct {
	User            string
	ExposedPorts    map[string]struct{}
	Entrypoint, Cmd []string
}

type imageFile struct {
	header *tar.Header
	data   []byte
}

// look returns the configuration and the files of an image.
func look(t *testing.T, archive string) (c config, files []imageFile) {
	t.Helper()
	type blob struct{ Digest string }
	var manifest struct {
		Config blob
		Layers []blob
	}
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(archive, name))
		require.NoError(t, err)
		return data
	}
	readBlob := func(b blob) []byte { t.Helper(); return read(strings.TrimPrefix(b.Digest, "sha256:")) }
	require.NoError(t, json.Unmarshal(read("manifest.json"), &manifest))
	var whole struct{ Config config }
	require.NoError(t, json.Unmarshal(readBlob(manifest.Config), &whole))
	for _, layer := range manifest.Layers {
		data := readBlob(layer)
		var from io.Reader = bytes.NewReader(data)
		if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
			unpacked, err := gzip.NewReader(from)
			require.NoError(t, err)
			from = unpacked
		}
		for entries := tar.NewReader(from); ; {
			header, err := entries.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			data, err := io.ReadAll(entries)
			require.NoError(t, err)
			files = append(files, imageFile{header, data})
		}
	}
	return whole.Config, files
}

// asNobody returns a command that runs as the image's user, if root runs the test.
func asNobody(program string, arguments ...string) *exec.Cmd {
	c := exec.Command(program, arguments...)
	c.Env = []string{}
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

// run starts the program with Toxiproxy's flags, as a testcontainers module does, and
// calls its API by a host name, as programs in a compose file do.
func run(t *testing.T, directory, program string) {
	t.Helper()
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer upstream.Close()
	port, listen := freePort(t), "127.0.0.1:"+freePort(t)
	text, err := json.Marshal([]map[string]any{{"name": "db", "listen": listen, "upstream": upstream.Addr().String(), "enabled": true}})
	require.NoError(t, err)
	file := filepath.Join(directory, "toxiproxy.json")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	c := asNobody(program, "-host=127.0.0.1", "-port", port, "-config="+file)
	output := new(bytes.Buffer)
	c.Stdout, c.Stderr = output, output
	require.NoError(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	defer func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = c.Process.Kill()
			<-ended
			t.Errorf("the program does not end: %s", output)
		}
	}()
	get := func(path string) (text string, err error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+path, nil)
		require.NoError(t, err)
		request.Host = "toxiproxy:8474"
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		return string(data), err
	}
	require.Eventually(t, func() bool { _, err := get("/version"); return err == nil }, 10*time.Second, 20*time.Millisecond)
	version, err := get("/version")
	require.NoError(t, err)
	assert.Equal(t, "{\"version\": \"2.12.0\"}\n", version)
	proxies, err := get("/proxies")
	require.NoError(t, err)
	assert.Contains(t, proxies, `"db":{"name":"db","listen":"`+listen+`"`)
	page, err := get("/")
	require.NoError(t, err)
	assert.Contains(t, page, "<title>slownet proxy</title>")

	client, err := net.Dial("tcp", listen)
	require.NoError(t, err)
	defer client.Close()
	server, err := upstream.Accept()
	require.NoError(t, err)
	defer server.Close()
	_, err = server.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(10*time.Second)))
	data := make([]byte, 5)
	_, err = io.ReadFull(client, data)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(data))
}
