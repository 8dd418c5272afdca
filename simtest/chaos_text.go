package simtest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A schedule's text has a line for each fault: its time, its kind, its hosts, its
// amount, and its duration. Hosts are separated by commas, sides of hosts by '|', or by
// '>' for one direction. A name that is not plain is quoted as in Go.
//
//	fault 12.5s partition a,b | c for 3s
//	fault 14s slow a > c by 200ms for 10s
//	fault 20s restart b

// String returns the fault as a line of a schedule.
func (f scheduledFault) String() string { return "fault " + f.words() }

// words returns the line without its first word.
func (f *scheduledFault) words() string {
	form := &faultForms[f.kind]
	var text strings.Builder
	fmt.Fprintf(&text, "%v %s ", f.at, form.word)
	text.WriteString(f.target())
	if form.amount != noAmount {
		text.WriteString(" by " + f.measure())
	}
	if form.lasts {
		fmt.Fprintf(&text, " for %v", f.lasts)
	}
	return text.String()
}

// measure returns the fault's amount.
func (f *scheduledFault) measure() string {
	if faultForms[f.kind].amount == ofPercents {
		return strconv.FormatFloat(f.percent, 'g', -1, 64) + "%"
	}
	return f.amount.String()
}

// target returns the hosts of the fault, in the syntax of a schedule.
func (f *scheduledFault) target() string {
	sides := make([]string, len(f.sides))
	for i, side := range f.sides {
		names := make([]string, len(side))
		for j, name := range side {
			names[j] = quoteName(name)
		}
		sides[i] = strings.Join(names, ",")
	}
	if f.oneWay {
		return strings.Join(sides, " > ")
	}
	return strings.Join(sides, " | ")
}

// plainWord is a name that needs no quotes.
var plainWord = regexp.MustCompile(`^[0-9A-Za-z_.-]+$`)

func quoteName(name string) string {
	if plainWord.MatchString(name) && name != "by" && name != "for" {
		return name
	}
	return strconv.Quote(name)
}

// String returns the schedule's text, a line for each fault.
func (s chaosSchedule) String() string {
	var text strings.Builder
	for i := range s {
		text.WriteString(s[i].String() + "\n")
	}
	return text.String()
}

// lines returns the schedule's text line by line.
func (s chaosSchedule) lines() []string {
	lines := make([]string, len(s))
	for i := range s {
		lines[i] = s[i].String()
	}
	return lines
}

// parseSchedule parses a schedule's text. Empty lines, and lines that begin with '#',
// are ignored. The faults are returned in the order of their times.
func parseSchedule(text string) (chaosSchedule, error) {
	if len(text) > maxReplay {
		return nil, fmt.Errorf("it has %d bytes: a schedule has at most %d", len(text), maxReplay)
	}
	s := chaosSchedule{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest, _ := strings.Cut(line, " ")
		if key != "fault" {
			return nil, fmt.Errorf("line %d: it begins with %q: a line of a schedule begins with \"fault\", as in %q", number, key, faultForms[partitionFault].example)
		}
		f, err := parseFault(rest)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		s = append(s, f)
	}
	return s.sorted(), nil
}

// parseFault parses a line of a schedule without its first word.
func parseFault(text string) (f scheduledFault, err error) {
	words, err := splitWords(text)
	if err != nil {
		return f, err
	}
	if len(words) < 3 {
		return f, fmt.Errorf("a fault is a time, a kind and hosts, as in %q", faultForms[partitionFault].example)
	}
	if f.at, err = parseDuration(words[0]); err != nil {
		return f, err
	}
	kind := slices.IndexFunc(faultForms[:], func(form faultForm) bool {
		return form.word == words[1].text
	})
	if kind < 0 || words[1].quoted {
		return f, fmt.Errorf("%q is not a kind of fault: it must be one of %s", words[1].text, strings.Join(faultWords(), ", "))
	}
	f.kind = faultKind(kind)
	words, err = f.parseTarget(words[2:])
	if err != nil {
		return f, err
	}
	if words, err = f.parseAmount(words); err != nil {
		return f, err
	}
	if len(words) >= 2 && words[0].is("for") {
		if f.lasts, err = parseDuration(words[1]); err != nil {
			return f, err
		}
		words = words[2:]
	}
	if len(words) > 0 {
		return f, fmt.Errorf("%q is superfluous: a line looks like %q", words[0].text, faultForms[kind].example)
	}
	return f, f.invalid()
}

func faultWords() (words []string) {
	for _, form := range faultForms {
		words = append(words, form.word)
	}
	return words
}

// parseTarget parses the hosts, and returns the words after them.
func (f *scheduledFault) parseTarget(words []word) ([]word, error) {
	side := []string{}
	ways := 0
	for {
		if len(words) == 0 || !words[0].isName() {
			return nil, fmt.Errorf("the name of a host is missing: hosts are written as in %q", faultForms[f.kind].example)
		}
		side = append(side, words[0].text)
		words = words[1:]
		switch {
		case len(words) > 0 && words[0].is(","):
			words = words[1:]
			continue
		case len(words) > 0 && (words[0].is("|") || words[0].is(">")):
			f.sides = append(f.sides, side)
			side = nil
			if words[0].text == ">" {
				f.oneWay = true
			} else {
				ways++
			}
			words = words[1:]
			continue
		}
		f.sides = append(f.sides, side)
		if f.oneWay && ways > 0 {
			return nil, errors.New("there are both '|' and '>': use only one of them between sides")
		}
		return words, nil
	}
}

// parseAmount parses the amount, and returns the words after it.
func (f *scheduledFault) parseAmount(words []word) (rest []word, err error) {
	if len(words) < 2 || !words[0].is("by") {
		return words, nil
	}
	amount := words[1]
	if share, ok := strings.CutSuffix(amount.text, "%"); ok {
		f.percent, err = strconv.ParseFloat(share, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a percentage: write it as in %q", amount.text, faultForms[lossyFault].example)
		}
	} else if f.amount, err = parseDuration(amount); err != nil {
		return nil, err
	}
	if wants := faultForms[f.kind].amount; wants != noAmount && (wants == ofPercents) != (f.amount == 0) {
		return nil, fmt.Errorf("%q is not an amount of a %s fault: write it as in %q", amount.text, f.kind, faultForms[f.kind].example)
	}
	return words[2:], nil
}

func parseDuration(w word) (time.Duration, error) {
	d, err := time.ParseDuration(w.text)
	if err != nil || w.quoted {
		return 0, fmt.Errorf("%q is not a duration: write a number and a unit, such as 1.5s", w.text)
	}
	return d, nil
}

// A word is a word of a line: a name, a number, or a sign.
type word struct {
	text   string
	quoted bool
}

func (w word) is(text string) bool { return !w.quoted && w.text == text }

// isName reports whether the word can be the name of a host.
func (w word) isName() bool { return w.quoted || plainWord.MatchString(w.text) }

// splitWords splits a line into words. Signs are words of their own.
func splitWords(text string) (words []word, err error) {
	for {
		text = strings.TrimLeft(text, " \t")
		switch {
		case text == "":
			return words, nil
		case strings.ContainsRune(",|>", rune(text[0])):
			words = append(words, word{text: text[:1]})
			text = text[1:]
		case text[0] == '"':
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, fmt.Errorf("a quoted name has no closing quote, or is not quoted as in Go: %s", text)
			}
			name, _ := strconv.Unquote(quoted)
			words = append(words, word{name, true})
			text = text[len(quoted):]
		default:
			n := strings.IndexAny(text, " \t,|>\"")
			if n < 0 {
				n = len(text)
			}
			words = append(words, word{text: text[:n]})
			text = text[n:]
		}
	}
}
