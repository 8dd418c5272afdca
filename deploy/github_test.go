package deploy

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// modules returns the directories of all modules, "/" for the root.
func modules(t *testing.T) (folders []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "go.mod" {
			folders = append(folders, path.Clean("/"+strings.TrimPrefix(filepath.ToSlash(filepath.Dir(name)), "..")))
		}
		return err
	}))
	slices.Sort(folders)
	return folders
}

// Dependabot watches every module.
func TestDependabotKnowsAllModules(t *testing.T) {
	text, err := os.ReadFile("../.github/dependabot.yml")
	require.NoError(t, err)
	var config struct {
		Version int `json:"version"`
		Updates []struct {
			Ecosystem   string            `json:"package-ecosystem"`
			Directory   string            `json:"directory"`
			Directories []string          `json:"directories"`
			Schedule    map[string]string `json:"schedule"`
			Groups      map[string]any    `json:"groups"`
		} `json:"updates"`
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &config))
	assert.Equal(t, 2, config.Version)
	require.Len(t, config.Updates, 2)
	assert.Equal(t, modules(t), config.Updates[0].Directories)
}

// The nightly workflow checks every module for vulnerabilities.
func TestNightlyChecksAllModules(t *testing.T) {
	text, err := os.ReadFile("../.github/workflows/nightly.yml")
	require.NoError(t, err)
	var listed []string
	found := regexp.MustCompile(`module: \[(.*)\]`).FindStringSubmatch(string(text))
	require.NotNil(t, found)
	for name := range strings.SplitSeq(found[1], ", ") {
		listed = append(listed, path.Clean("/"+name))
	}
	assert.Equal(t, modules(t), listed)
}

// GitHub accepts the issue forms.
func TestIssueForms(t *testing.T) {
	forms, err := filepath.Glob("../.github/ISSUE_TEMPLATE/*.yml")
	require.NoError(t, err)
	for _, file := range forms {
		if filepath.Base(file) == "config.yml" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var form struct {
			Name        string   `json:"name"`
			Description string   `json:"description"`
			Labels      []string `json:"labels"`
			Body        []struct {
				Type       string `json:"type"`
				ID         string `json:"id"`
				Attributes struct {
					Label       string `json:"label"`
					Description string `json:"description"`
					Placeholder string `json:"placeholder"`
					Render      string `json:"render"`
					Options     []struct {
						Label string `json:"label"`
					} `json:"options"`
				} `json:"attributes"`
				Validations map[string]bool `json:"validations"`
			} `json:"body"`
		}
		require.NoError(t, yaml.UnmarshalStrict(text, &form), file)
		assert.NotEmpty(t, form.Name, file)
		assert.NotEmpty(t, form.Description, file)
		for _, field := range form.Body {
			assert.Contains(t, []string{"textarea", "input", "checkboxes"}, field.Type, file)
			assert.NotEmpty(t, field.ID, file)
			assert.NotEmpty(t, field.Attributes.Label, file)
		}
	}
}

// The nightly workflow runs all fuzz targets, and no others.
func TestNightlyRunsTheFuzzTargets(t *testing.T) {
	nightly, err := os.ReadFile("../.github/workflows/nightly.yml")
	require.NoError(t, err)
	targets := regexp.MustCompile(`target: (\w+), package: \./([\w/]+)`).FindAllStringSubmatch(string(nightly), -1)
	var names []string
	for _, target := range targets {
		names = append(names, target[1])
		found := false
		files, err := filepath.Glob(filepath.Join("..", target[2], "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			found = found || strings.Contains(string(text), "func "+target[1]+"(f *testing.F)")
		}
		assert.True(t, found, "%s has no %s", target[2], target[1])
	}
	require.NoError(t, filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "../deploy/") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, found := range regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`).FindAllStringSubmatch(string(text), -1) {
			assert.Contains(t, names, found[1], "a fuzz target that .github/workflows/nightly.yml does not run")
		}
		return err
	}))
}
