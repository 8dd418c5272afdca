package cli

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"two\nlines\t, a tab\r\n": "two\nlines\t, a tab\r\n",
		"Grüße, 詩, \U0001F60E\n":  "Grüße, 詩, \U0001F60E\n",
		"\x1b[31mred\x1b[0m":      `\x1b[31mred\x1b[0m`,
		"\x1b]0;title\x07":        `\x1b]0;title\x07`,
		"over\rwritten":           `over\x0dwritten`,
		"\r\r\n":                  "\\x0d\r\n",
		"back\b\x7f\x00":          `back\x08\x7f\x00`,
		"\u009b31mred":            `\u009b31mred`, // CSI in one character
		"\x9b31mred":              `\x9b31mred`,   // and in one byte
		"cut \xe8\xa9":            `cut \xe8\xa9`,
		"\ufffd is a character":   "\ufffd is a character",
		"\u202egnp.exe\u202c":     `\u202egnp.exe\u202c`,
		`a backslash \ stays`:     `a backslash \ stays`,
	} {
		assert.Equal(t, want, Visible(text), "%q", text)
	}
}

// Whatever the input, the output contains nothing that a terminal interprets.
func FuzzVisible(f *testing.F) {
	for _, seed := range []string{"", "a\x1b[2Jb", "\xc2\x9b", "\r\n\r", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		visible := Visible(text)
		rest := strings.NewReplacer("\r\n", "", "\n", "", "\t", "").Replace(visible)
		require.Equal(t, -1, strings.IndexFunc(rest, unicode.IsControl), "%q", visible)
		require.Equal(t, visible, strings.ToValidUTF8(visible, ""))
		require.Equal(t, visible, Visible(visible))
	})
}
