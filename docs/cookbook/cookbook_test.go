package cookbook

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/markdown"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The page shows the code that is here and in the modules beside this one.
func TestPage(t *testing.T) {
	markdown.Check(t, "../cookbook.md", map[string]func(t *testing.T, arguments string) string{
		"show": markdown.Source("."),
	})
}
