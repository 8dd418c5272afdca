package poetry_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/poetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFS(t *testing.T) {
	require.NoError(t, fstest.TestFS(poetry.FS, "ecstasy.txt", "fascination.txt", "science.txt"))
}

func TestPoems(t *testing.T) {
	poems := []struct {
		name, title, author, last string
		bytes, verses             int
	}{
		{"ecstasy", "The Ecstasy", "John Donne", "  Small change, when we're to bodies gone.", 3003, 76},
		{"fascination", "The Fascination of What's Difficult", "William Butler Yeats", "I'll find the stable and pull out the bolt.", 623, 13},
		{"science", "Sonnet - To Science", "Edgar Allan Poe", "The summer dream beneath the tamarind tree?", 653, 14},
	}
	for _, want := range poems {
		t.Run(want.name, func(t *testing.T) {
			poem, ok := poetry.Poem(want.name)
			require.True(t, ok)
			assert.Len(t, poem, want.bytes)

			file, err := os.ReadFile(want.name + ".txt")
			require.NoError(t, err)
			assert.Equal(t, file, poem, "the file and the embedded poem are the same")

			var lines []string
			for line := range strings.Lines(string(poem)) {
				require.True(t, strings.HasSuffix(line, "\n"))
				if strings.TrimSpace(line) != "" {
					lines = append(lines, strings.TrimSuffix(line, "\n"))
				}
			}
			require.Len(t, lines, 2+want.verses, "title, author and every verse")
			assert.Equal(t, want.title, strings.TrimSpace(lines[0]))
			assert.Equal(t, want.author, strings.TrimSpace(lines[1]))
			assert.True(t, strings.HasSuffix(lines[len(lines)-1], want.last))
			for i, b := range poem {
				require.True(t, b == '\n' || ' ' <= b && b <= '~', "byte %d is %q: pieces may cut anywhere, so all is ASCII", i, b)
			}
		})
	}
}

func TestPoemNames(t *testing.T) {
	for _, name := range poetry.Names() {
		bare, ok := poetry.Poem(name)
		require.True(t, ok)
		full, ok := poetry.Poem(name + ".txt")
		require.True(t, ok)
		assert.Equal(t, bare, full)
	}
	for _, name := range []string{"", "ecstas", "ecstasy.txt.txt", "../poetry/ecstasy", "poetry/ecstasy.txt", "Ecstasy", "doc.go"} {
		_, ok := poetry.Poem(name)
		assert.False(t, ok, "%q", name)
	}
}

func TestPoemIsTheCallersToChange(t *testing.T) {
	poem, _ := poetry.Poem("science")
	poem[0] = 'X'
	again, _ := poetry.Poem("science")
	assert.EqualValues(t, 'S', again[0])
}
