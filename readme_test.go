package slowpoetry_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests that the README shows are those that are run here.
func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	rest := string(readme)
	for _, file := range []string{"example_test.go", "faults_example_test.go", "profile_example_test.go"} {
		example, err := os.ReadFile(file)
		require.NoError(t, err)
		_, block, found := strings.Cut(rest, "```go\n")
		require.True(t, found)
		block, rest, found = strings.Cut(block, "```\n")
		require.True(t, found)
		assert.Contains(t, string(example), block)
	}
}
