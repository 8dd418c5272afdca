package slowpoetry_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/markdown"
)

// pages returns all Markdown files, parsed, by their paths.
func pages(t *testing.T) map[string]markdown.Page {
	t.Helper()
	all := make(map[string]markdown.Page)
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			text, err := os.ReadFile(path)
			all[filepath.ToSlash(path)] = markdown.Parse(string(text))
			return err
		}
		return nil
	}))
	require.NotEmpty(t, all)
	return all
}

// Each relative link of each page leads to a file or folder, and its anchor to a heading.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for path, page := range all {
		for _, section := range page.Sections {
			for _, link := range section.Links() {
				target, err := url.Parse(link)
				if !assert.NoError(t, err, path) || target.IsAbs() {
					continue
				}
				file := path
				if target.Path != "" {
					file = filepath.ToSlash(filepath.Join(filepath.Dir(path), filepath.FromSlash(target.Path)))
					_, err := os.Stat(file)
					assert.NoError(t, err, "%s: [](%s)", path, link)
				}
				if target.Fragment != "" && filepath.Ext(file) == ".md" {
					assert.True(t, all[file].Anchors()[target.Fragment], "%s: [](%s): no heading has this anchor", path, link)
				}
			}
		}
	}
}

// A Japanese page has the headings, code blocks, numbers and links of the English one.
func TestJapanesePagesAgree(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for path, japanese := range all {
		name, isJapanese := strings.CutSuffix(path, ".ja.md")
		if !isJapanese {
			continue
		}
		english, ok := all[name+".md"]
		if !assert.True(t, ok, "%s has no English page", path) {
			continue
		}
		if !assert.Len(t, japanese.Sections, len(english.Sections), "%s: headings", path) {
			continue
		}
		for i, section := range japanese.Sections {
			want := english.Sections[i]
			where := path + ": " + section.Heading + ": " + want.Heading
			assert.Equal(t, want.Level, section.Level, where)
			assert.Equal(t, want.Blocks, section.Blocks, where)
			assert.ElementsMatch(t, numbers(want), numbers(section), where)
			assert.ElementsMatch(t, files(want), files(section), where)
		}
	}
}

// numbers returns a section's numbers. The month of a date is a word in English, and a number
// in Japanese.
func numbers(section markdown.Section) []string {
	for month := time.January; month <= time.December; month++ {
		section.Text = strings.ReplaceAll(section.Text, month.String()+" 20", fmt.Sprintf("%d 20", month))
	}
	return section.Numbers()
}

// files returns the files that a section's links lead to, without anchors. A page in
// Japanese counts as the page in English.
func files(section markdown.Section) (files []string) {
	for _, link := range section.Links() {
		file, _, _ := strings.Cut(link, "#")
		files = append(files, strings.Replace(file, ".ja.", ".", 1))
	}
	return files
}

// The README and each page of the tutorial have a Japanese version.
func TestJapanesePagesAreThere(t *testing.T) {
	t.Parallel()
	for path := range pages(t) {
		if (path == "README.md" || filepath.ToSlash(filepath.Dir(path)) == "docs/tutorial") && !strings.HasSuffix(path, ".ja.md") {
			assert.FileExists(t, strings.TrimSuffix(path, ".md")+".ja.md")
		}
	}
}

// Each paragraph of a Japanese page is a single line, as browsers show a line break as a
// space.
func TestJapaneseParagraphsAreLines(t *testing.T) {
	t.Parallel()
	for path, page := range pages(t) {
		if !strings.HasSuffix(path, ".ja.md") {
			continue
		}
		for _, section := range page.Sections {
			before := ""
			for line := range strings.Lines(section.Text) {
				line = strings.TrimSpace(line)
				startsBlock := line == "" || strings.ContainsAny(line[:1], "-|<!") || line[0] >= '1' && line[0] <= '9' && strings.Contains(line, ". ")
				assert.True(t, startsBlock || before == "" || strings.HasPrefix(before, "!["), "%s: %s", path, line)
				before = line
			}
		}
	}
}
