package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/markdown"
	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// tutorial runs the commands on the pages of the tutorial and on the page about the
// commands, in the order of each page, and compares their outputs. In the quick tier the
// servers are a hundred times as fast, and times are not compared; in the long tier the
// servers are as slow as on the pages. Another test checks that the Japanese pages have
// the same commands.
func tutorial(t *testing.T, root string) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "tutorial", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	for _, path := range append(pages, filepath.Join(root, "docs", "commands.md")) {
		if strings.HasSuffix(path, ".ja.md") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			r := &reader{t: t, root: root, ports: make(map[string]string)}
			for _, block := range markdown.Parse(string(text)).Blocks() {
				if block.Info == "console" {
					r.perform(block.Content)
				}
			}
			r.stopAll()
		})
	}
}

// A reader is a reader of the tutorial, who runs its commands.
type reader struct {
	t       *testing.T
	root    string
	ports   map[string]string // for each port on the page, the port used instead
	servers []*poet
}

// A poet is a server that a reader has started.
type poet struct {
	cmd      *exec.Cmd
	port     string // on the page, or ""
	out      bytes.Buffer
	stderr   bytes.Buffer
	expected string
	ended    chan struct{} // closed when all output has been read
}

// perform runs the commands of a block and compares their outputs.
func (r *reader) perform(block string) {
	commands := strings.Split("\n"+block, "\n$ ")
	require.Empty(r.t, strings.TrimSpace(commands[0]), "a console block begins with a command")
	for _, command := range commands[1:] {
		line, expected, _ := strings.Cut(command, "\n")
		if expected != "" && !strings.HasSuffix(expected, "\n") {
			expected += "\n"
		}
		args := strings.Fields(line)
		switch {
		case args[0] == "git", args[0] == "cd", args[0] == "go" && args[1] == "build": // already done
		case args[0] == "nc":
			r.compare(line, expected, r.netcat(args[2]))
		case args[0] == "bin/slowpoetry":
			r.serve(args[1:], expected)
		case args[0] == "curl":
			r.curl(line)
		case args[0] == "bin/get-poetry", args[0] == "bin/slownet":
			r.compare(line, expected, r.shell(line))
		case args[0] == "go" && args[1] == "run" && args[2] == "./docs/tutorial/pollpoetry":
			r.compare(line, expected, r.run(filepath.Join(bin, "pollpoetry"), args[3:]))
		case args[0] == "go" && args[1] == "run" && args[2] == "./docs/tutorial/figures":
			if tier.Long() { // in the quick tier a test of that package does this
				r.compare(line, expected, r.run("go", append(args[1:], r.t.TempDir())))
			}
		case args[0] == "go" && args[1] == "test":
			if tier.Long() { // the quick tier already runs that test
				r.compare(line, expected, r.run("go", append(args[1:], "-count=1"))) // not from the cache
			}
		default:
			r.t.Errorf("this test does not know the command %q", line)
		}
	}
}

// actual returns the port that is used instead of a port on the page.
func (r *reader) actual(port string) string {
	if r.ports[port] == "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(r.t, err)
		_, r.ports[port], err = net.SplitHostPort(listener.Addr().String())
		require.NoError(r.t, err)
		require.NoError(r.t, listener.Close())
	}
	return r.ports[port]
}

var pagePort = regexp.MustCompile(`^(1000\d|9100)$`)

// replace returns the arguments with the ports on the page replaced by the ports used.
func (r *reader) replace(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if pagePort.MatchString(arg) {
			args[i] = r.actual(arg)
		}
	}
	return args
}

// netcat does what nc does: it prints what it receives.
func (r *reader) netcat(port string) string {
	conn, err := net.Dial("tcp", "127.0.0.1:"+r.actual(port))
	require.NoError(r.t, err)
	defer conn.Close()
	poem, err := io.ReadAll(conn)
	require.NoError(r.t, err)
	return string(poem)
}

// curl requests a server's metrics or health, and compares them with the pattern of grep.
func (r *reader) curl(line string) {
	url := regexp.MustCompile(`localhost:(\d+)(/\w+)`).FindStringSubmatch(line)
	require.NotNil(r.t, url, line)
	response, err := http.Get("http://127.0.0.1:" + r.actual(url[1]) + url[2])
	require.NoError(r.t, err)
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	assert.Equal(r.t, http.StatusOK, response.StatusCode, line)
	if _, pattern, found := strings.Cut(line, "| grep "); found {
		assert.Regexp(r.t, "(?m)"+pattern, string(text), line)
	}
}

// shell runs a command line in an empty folder, with cat in place of a pager.
func (r *reader) shell(line string) string {
	line = strings.ReplaceAll(line, "bin/", bin+"/")
	words := strings.Split(line, " ")
	if words[len(words)-1] == "less" {
		words[len(words)-1] = "cat"
	}
	command := exec.CommandContext(r.t.Context(), "sh", "-c", strings.Join(r.replace(words), " "))
	command.Dir = r.t.TempDir()
	output, err := command.CombinedOutput()
	require.NoError(r.t, err, "%s", output)
	return string(output)
}

// run runs a command to its end.
func (r *reader) run(name string, args []string) string {
	command := exec.CommandContext(r.t.Context(), name, r.replace(args)...)
	command.Dir = r.root
	output, err := command.CombinedOutput()
	require.NoError(r.t, err, "%s", output)
	return string(output)
}

// serve starts a server, and waits until it serves. It first stops the server that uses the
// same port, if there is one.
func (r *reader) serve(args []string, expected string) {
	port := ""
	if at := slices.Index(args, "--port"); at >= 0 {
		port = args[at+1]
	}
	for _, p := range r.servers {
		if p.port == port && port != "" {
			r.stop(p)
		}
	}
	args = r.replace(args)
	if !tier.Long() {
		if at := slices.Index(args, "--delay"); at >= 0 {
			delay, err := strconv.ParseFloat(args[at+1], 64)
			require.NoError(r.t, err)
			args[at+1] = fmt.Sprint(delay / 100)
		} else {
			args = append(args, "--delay", "1ms")
		}
	}
	p := &poet{port: port, expected: expected, ended: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(bin, "slowpoetry"), args...)
	p.cmd.Dir = r.root
	stdout, writer, err := os.Pipe()
	require.NoError(r.t, err)
	p.cmd.Stdout, p.cmd.Stderr = writer, &p.stderr
	require.NoError(r.t, p.cmd.Start())
	require.NoError(r.t, writer.Close())
	serving := make(chan struct{})
	go func() {
		defer close(p.ended)
		defer stdout.Close()
		buffer := make([]byte, 4096)
		for first := true; ; first = false {
			n, err := stdout.Read(buffer)
			p.out.Write(buffer[:n])
			if first {
				close(serving)
			}
			if err != nil {
				return
			}
		}
	}()
	r.servers = append(r.servers, p)
	r.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // if the test failed before stop
		<-p.ended
	})
	<-serving
}

// stop ends a server with Ctrl-C, and compares its output.
func (r *reader) stop(p *poet) {
	if p.cmd.ProcessState != nil {
		return
	}
	time.Sleep(10 * time.Millisecond) // for the last client's line
	assert.NoError(r.t, p.cmd.Process.Signal(os.Interrupt))
	assert.NoError(r.t, p.cmd.Wait(), "%s", &p.stderr)
	<-p.ended
	if p.expected != "" {
		r.compare(strings.Join(p.cmd.Args, " "), p.expected, p.out.String())
	}
}

func (r *reader) stopAll() {
	for _, p := range r.servers {
		r.stop(p)
	}
}

var (
	elapsed   = regexp.MustCompile(`\b(\d+):(\d\d):(\d\d(?:\.\d+)?)\b|\b([\d.]+)(m?s)\b`)
	pieceLine = regexp.MustCompile(`(?m)^Task \d+: got \d+ bytes? of poetry from \S+$`)
	client    = regexp.MustCompile(`(?m)^127\.0\.0\.1:\d+ `)
	anyPort   = regexp.MustCompile(`(?m)^(Serving .* on 127\.0\.0\.1:)\d+$`)
)

// compare checks that an output equals the output on the page, where "..." stands for any
// lines. It ignores times in the quick tier, ports that the system chooses, and the order
// of pieces.
func (r *reader) compare(command, expected, output string) {
	r.t.Helper()
	for page, actual := range r.ports {
		output = strings.ReplaceAll(output, "127.0.0.1:"+actual, "127.0.0.1:"+page)
	}
	normalize := func(text string) string {
		text = pieceLine.ReplaceAllString(text, "Task *: got * bytes of poetry from *")
		text = client.ReplaceAllString(text, "* ")
		text = anyPort.ReplaceAllString(text, "$1*")
		return elapsed.ReplaceAllString(text, "TIME")
	}
	var pattern strings.Builder
	for line := range strings.Lines(normalize(expected)) {
		if line == "...\n" {
			pattern.WriteString(`(?:.*\n)*`)
		} else {
			pattern.WriteString(regexp.QuoteMeta(line))
		}
	}
	if expected == "" {
		return // the page does not show the output
	}
	assert.Regexp(r.t, `\A`+pattern.String()+`\z`, normalize(output), command)
	if tier.Long() {
		said, took := durations(expected), durations(output)
		if assert.Len(r.t, took, len(said), command) {
			for i := range said {
				assert.Greater(r.t, took[i], said[i]-0.2, command)
				assert.Less(r.t, took[i], 1.5*said[i]+5, command)
			}
		}
	}
}

// durations returns the times in a text, in seconds.
func durations(text string) (seconds []float64) {
	for _, found := range elapsed.FindAllStringSubmatch(text, -1) {
		number := func(s string) float64 {
			f, _ := strconv.ParseFloat(s, 64)
			return f
		}
		switch {
		case found[5] == "ms":
			seconds = append(seconds, number(found[4])/1000)
		case found[5] == "s":
			seconds = append(seconds, number(found[4]))
		default:
			seconds = append(seconds, 3600*number(found[1])+60*number(found[2])+number(found[3]))
		}
	}
	return seconds
}
