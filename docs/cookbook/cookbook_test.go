package cookbook

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/markdown"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The code on the page is that of this package and of the modules examples and programs.
func TestPage(t *testing.T) {
	markdown.Check(t, "../cookbook.md", map[string]func(t *testing.T, arguments string) string{
		"show": markdown.Source("."),
	})
}
