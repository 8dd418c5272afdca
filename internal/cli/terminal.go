package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// TerminalOf returns the terminal to which w writes, if there is one.
func TerminalOf(w io.Writer) (file *os.File, ok bool) {
	file, ok = w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, false
	}
	return file, true
}

// TerminalSize returns a terminal's width and height in characters. A size that
// is not known is 0.
func TerminalSize(terminal *os.File) (width, height int) {
	width, height, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return 0, 0
	}
	return max(width, 0), max(height, 0)
}

// Visible makes untrusted text safe to show on a terminal: it escapes characters
// that a terminal would interpret, as \x1b or \u009b. Line endings, with or
// without a carriage return, and tabs are unchanged.
func Visible(text string) string {
	if !strings.ContainsFunc(text, mayBeObeyed) && utf8.ValidString(text) {
		return text
	}
	var visible strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case strings.HasPrefix(text[i:], "\r\n"), r == '\n', r == '\t':
			visible.WriteRune(r)
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&visible, `\x%02x`, text[i])
		case unicode.IsControl(r) && r < utf8.RuneSelf:
			fmt.Fprintf(&visible, `\x%02x`, r)
		case isObeyed(r):
			fmt.Fprintf(&visible, `\u%04x`, r)
		default:
			visible.WriteRune(r)
		}
		i += size
	}
	return visible.String()
}

// mayBeObeyed reports whether Visible must check a character with isObeyed.
func mayBeObeyed(r rune) bool { return r != '\n' && r != '\t' && isObeyed(r) }

// isObeyed reports whether a terminal interprets a character instead of showing
// it. It does so for control characters, and for characters that change the
// direction of the following text.
func isObeyed(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
