// Package markdown parses the project's Markdown pages for the tests that check
// them: headings and their anchors, code blocks, links, and the numbers in the text.
package markdown

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// A Page is a Markdown file, divided into sections.
type Page struct {
	Sections []Section // the first one is the text before any heading
}

// A Section is a heading and everything up to the next one.
type Section struct {
	Level   int    // of the heading: 1 to 6; 0 without one
	Heading string // as written
	Anchor  string // GitHub's anchor of the heading
	Text    string // without code blocks and comments
	Blocks  []Block
}

// A Block is a fenced code block.
type Block struct {
	Info      string // after the fence: "go", "console"
	Content   string // lines, each ended by a newline
	Directive string // the comment before the block, "show: FILE NAME", or ""
}

var (
	heading = regexp.MustCompile(`^(#{1,6}) +(.*?) *$`)
	fence   = regexp.MustCompile("^ *```(\\S*) *$")
	comment = regexp.MustCompile(`^<!-- *(.*?) *-->$`)
)

// Parse reads a page.
func Parse(text string) Page {
	sections := []Section{{}}
	used := make(map[string]int)
	var block *Block
	directive := ""
	for line := range strings.Lines(text) {
		current := &sections[len(sections)-1]
		trimmed := strings.TrimRight(line, "\r\n")
		if found := fence.FindStringSubmatch(trimmed); found != nil {
			if block == nil {
				block = &Block{Info: found[1], Directive: directive}
			} else {
				current.Blocks = append(current.Blocks, *block)
				block = nil
			}
			directive = ""
			continue
		}
		if block != nil {
			block.Content += trimmed + "\n"
			continue
		}
		if found := comment.FindStringSubmatch(trimmed); found != nil {
			directive = found[1]
			continue
		}
		if found := heading.FindStringSubmatch(trimmed); found != nil {
			sections = append(sections, Section{Level: len(found[1]), Heading: found[2], Anchor: anchor(found[2], used)})
			continue
		}
		current.Text += trimmed + "\n"
	}
	return Page{sections}
}

// Anchors returns the anchors of all headings.
func (p Page) Anchors() map[string]bool {
	anchors := make(map[string]bool)
	for _, section := range p.Sections {
		if section.Level > 0 {
			anchors[section.Anchor] = true
		}
	}
	return anchors
}

// Blocks returns the code blocks of all sections.
func (p Page) Blocks() (blocks []Block) {
	for _, section := range p.Sections {
		blocks = append(blocks, section.Blocks...)
	}
	return blocks
}

var (
	linked   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	notWords = regexp.MustCompile("[*`]")
)

// anchor returns GitHub's anchor for a heading. If that is used already, it adds a
// number.
func anchor(heading string, used map[string]int) string {
	text := notWords.ReplaceAllString(linked.ReplaceAllString(heading, "$1"), "")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
	count := used[text]
	used[text]++
	if count > 0 {
		return fmt.Sprintf("%s-%d", text, count)
	}
	return text
}

var (
	codeSpan = regexp.MustCompile("`[^`\n]*`")
	target   = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	defined  = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s*(\S+)`)
	html     = regexp.MustCompile(`(?:href|src|srcset)="([^"]+)"`)
	number   = regexp.MustCompile(`\d+(?:[.,:]\d+)*`)
)

// Links returns the targets of the links and images in the section and its heading,
// grouped by the kind of link.
func (s Section) Links() (targets []string) {
	text := codeSpan.ReplaceAllString(s.Heading+"\n"+s.Text, "")
	for _, pattern := range []*regexp.Regexp{target, defined, html} {
		for _, found := range pattern.FindAllStringSubmatch(text, -1) {
			targets = append(targets, found[1])
		}
	}
	return targets
}

// Numbers returns the numbers in the section's heading and text, without the numbers in the
// targets of links.
func (s Section) Numbers() []string {
	text := target.ReplaceAllString(s.Heading+"\n"+s.Text, "]")
	text = html.ReplaceAllString(defined.ReplaceAllString(text, ""), "")
	return number.FindAllString(text, -1)
}
