package slowpoetry_test

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

	"github.com/slowpoetry/slowpoetry/internal/markdown"
	"github.com/slowpoetry/slowpoetry/internal/tier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests that the README shows, in either language, are the tests of this folder.
func TestReadmeShowsTheExamples(t *testing.T) {
	for _, readme := range []string{"README.md", "README.ja.md"} {
		markdown.Check(t, readme, map[string]func(t *testing.T, arguments string) string{
			"show": markdown.Source("."),
		})
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		var shown []string
		for _, block := range markdown.Parse(string(text)).Blocks() {
			if block.Info == "go" {
				assert.NotEmpty(t, block.Directive, "%s: code that no test holds true:\n%s", readme, block.Content)
				shown = append(shown, block.Directive)
			}
		}
		assert.Contains(t, shown, "show: example_test.go", "the first test, with its imports")
	}
}

// The README's first test compiles and passes as it is pasted, in a module that has
// nothing else.
func TestReadmeFirstTestAsPasted(t *testing.T) {
	if !tier.Long() {
		t.Skip("links a program: SIMTEST_LONG=1 runs it")
	}
	t.Parallel()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var first string
	for _, block := range markdown.Parse(string(readme)).Blocks() {
		if block.Directive == "show: example_test.go" {
			first = block.Content
		}
	}
	folder := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666))
	}
	write("far_test.go", first)
	module, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	requirements := regexp.MustCompile(`(?m)^module .*$`).ReplaceAllString(string(module), "module far")
	write("go.mod", requirements+"\nrequire github.com/slowpoetry/slowpoetry v0.0.0\n\nreplace github.com/slowpoetry/slowpoetry => "+root+"\n")
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write("go.sum", string(sums))
	command := exec.CommandContext(t.Context(), "go", "test", "-v", ".")
	command.Dir = folder
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "--- PASS: TestFarAwayServer")
	assert.NotContains(t, strings.ToLower(string(output)), "no test")
}
