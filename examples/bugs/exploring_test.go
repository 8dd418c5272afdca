package bugs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/bugtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exploring is the page that this test checks, and payments its example.
const exploring = "../../docs/exploring.md"

var (
	block = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

	// varies matches text that differs in each run: durations, and Go's version.
	varies = regexp.MustCompile(`(?m)\brun\.go:\d+|in \S+ with 1 worker, \S+ a second|runs, \S+, it was shrunk|\(\d+\.\d+s\)$|\t\d+\.\d+s$|\| \S+ \|$|^ *go go\S+$`)
)

// The page's code comes from the example, and its commands print the output on the
// page. With EXPLORING_UPDATE=1 the output on the page is updated.
func TestExploring(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("the commands are for a Unix shell")
	}
	update := os.Getenv("EXPLORING_UPDATE") != ""
	page, err := os.ReadFile(exploring)
	require.NoError(t, err)
	code := readAll(t, "payments/*.go")
	shell := newShell(t)
	now := block.ReplaceAllStringFunc(string(page), func(text string) string {
		parts := block.FindStringSubmatch(text)
		switch kind, content := parts[1], parts[2]; kind {
		case "go":
			assert.Contains(t, code, content)
		case "console":
			prints := shell.perform(t, content)
			if !update {
				assert.Equal(t, varies.ReplaceAllString(content, "*"), varies.ReplaceAllString(prints, "*"))
			}
			return "```console\n" + prints + "```"
		}
		return text
	})
	if update {
		require.NoError(t, os.WriteFile(exploring, []byte(now), 0o666))
	}
}

// The code in the README comes from the examples, and its replays from their replay
// files.
func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	code, replays := readAll(t, "*/*.go"), readAll(t, "*/testdata/simtest/*/*.replay")
	for _, parts := range block.FindAllStringSubmatch(string(readme), -1) {
		switch kind, content := parts[1], parts[2]; kind {
		case "go":
			assert.Contains(t, code, content)
		case "text":
			assert.Contains(t, replays, content)
		}
	}
}

// readAll returns the files of a pattern, one after another.
func readAll(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

// A shell runs the page's commands. They write to directories other than those on the
// page.
type shell struct {
	environment []string
	actual      *strings.Replacer
	asSaid      *strings.Replacer
}

func newShell(t *testing.T) *shell {
	t.Helper()
	bin, replays, reports := t.TempDir(), t.TempDir(), t.TempDir()
	output, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../..", "-o", bin, "./cmd/slownet").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return &shell{
		environment: append(bugtest.Environment(), "GOMAXPROCS=1", "GOFLAGS=", "SIMTEST_REPLAYS="+replays,
			"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH")),
		actual: strings.NewReplacer("testdata/simtest", replays, "reports", reports),
		asSaid: strings.NewReplacer(replays, "testdata/simtest", reports, "reports"),
	}
}

// perform runs the commands of a block, which are its lines that begin with a
// dollar, and returns the block with their output.
func (s *shell) perform(t *testing.T, content string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(content) {
		text, isCommand := strings.CutPrefix(line, "$ ")
		if !isCommand {
			continue
		}
		command := exec.CommandContext(t.Context(), "sh", "-c", s.actual.Replace(text))
		command.Dir, command.Env = "payments", s.environment
		output, _ := command.CombinedOutput() // go test prints the status
		out.WriteString(line)
		out.WriteString(s.asSaid.Replace(string(output)))
	}
	return out.String()
}
