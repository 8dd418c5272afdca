package simtest

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A replay file has a key and a value on each line. The first line is the version of
// the format, and the last one the run's digest, which reveals a truncated file.
//
//	simtest-replay 1
//	go go1.26.8
//	test TestElection
//	seed 42
//	overlay time,order,net
//	schedule 7
//	quiet 1m0s
//	fault 12.5s partition a,b | c for 3s
//	ties natural
//	tie 13.1s 0102030405060708
//	draws none
//	draw a > b 00000000000000a1 17 loss 0000000000000000
//	message two leaders of term 3
//	digest 5f2a9c0317be44d1
//
// docs/replay.md describes the values. A reader accepts the keys in any order, empty
// lines, lines that begin with '#', a carriage return at the end of a line, and a last
// line without a newline. A writer writes none of these.

// The keys of a replay file.
const (
	keyFormat  = "simtest-replay"
	keyGo      = "go"
	keyTest    = "test"
	keySearch  = "search"
	keySeed    = "seed"
	keyOverlay = "overlay"
	keyOrder   = "schedule"
	keyQuiet   = "quiet"
	keyFault   = "fault"
	keyTies    = "ties"
	keyTie     = "tie"
	keyDraws   = "draws"
	keyDraw    = "draw"
	keyMessage = "message"
	keyDigest  = "digest"
)

// replayKeys are the keys of all lines except the first.
var replayKeys = []string{keyGo, keyTest, keySearch, keySeed, keyOverlay, keyOrder, keyQuiet, keyFault, keyTies, keyTie, keyDraws, keyDraw, keyMessage, keyDigest}

// replayVersion is the version of the format.
const replayVersion = 1

// unknownDigest is the digest in a file that was written by hand.
const unknownDigest = "unknown"

// text returns the file's text, which is the same for equal replays.
func (r *replay) text() string {
	var text strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&text, "%s %v\n", key, value) }
	line(keyFormat, replayVersion)
	line(keyGo, quoteText(r.goVersion))
	if r.test != "" {
		line(keyTest, quoteText(r.test))
	}
	if r.search > 1 {
		line(keySearch, r.search)
	}
	line(keySeed, r.seed)
	if r.layers.On() {
		line(keyOverlay, r.layers)
	}
	if r.order != 0 {
		line(keyOrder, r.order)
	}
	if r.quiet != 0 {
		line(keyQuiet, r.quiet)
	}
	for _, f := range r.schedule {
		line(keyFault, f.words())
	}
	if r.natural {
		line(keyTies, naturalTies)
	}
	for _, tie := range r.ties {
		line(keyTie, tie)
	}
	if r.noImpairments {
		line(keyDraws, noDraws)
	}
	for _, draw := range r.draws {
		line(keyDraw, draw)
	}
	if r.message != "" {
		for message := range strings.SplitSeq(r.message, "\n") {
			line(keyMessage, quoteText(message))
		}
	}
	line(keyDigest, cmp.Or(r.digest, unknownDigest))
	return text.String()
}

// quoteText returns a text that fits on a line, unchanged or quoted as in Go.
func quoteText(text string) string {
	plain := text != "" && utf8.ValidString(text) && text[0] != '"' && strings.TrimSpace(text) == text &&
		strings.IndexFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
	if plain {
		return text
	}
	return strconv.Quote(text)
}

func unquoteText(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, nil
	}
	unquoted, err := strconv.Unquote(text)
	if err != nil {
		return "", fmt.Errorf("it begins with a quote but is not quoted as in Go: quote the whole value, or remove the quote")
	}
	return unquoted, nil
}

// parseReplay parses a replay file. Its errors name the file and the line, and say how
// to fix the file.
func parseReplay(name string, data []byte) (*replay, error) {
	p := &replayParser{replay: replay{schedule: chaosSchedule{}}, seen: make(map[string]int)}
	if err := p.parse(data); err != nil {
		if p.line > 0 {
			return nil, fmt.Errorf("%s:%d: %w", name, p.line, err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &p.replay, nil
}

// A replayParser parses a replay file line by line.
type replayParser struct {
	replay
	line     int            // the current one; 0 for the whole file
	seen     map[string]int // the line of each key that must not be repeated
	messages []string
}

func (p *replayParser) parse(data []byte) error {
	text := strings.TrimPrefix(string(data), "\ufeff")
	switch {
	case len(data) > maxReplay:
		return fmt.Errorf("it has more than %d bytes, more than a replay file can have: delete it", maxReplay)
	case strings.TrimSpace(text) == "":
		return errors.New("the file is empty: restore it from version control, or delete it")
	}
	for line := range strings.Lines(text) {
		p.line++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if err := p.readLine(line); err != nil {
			return err
		}
	}
	p.line = 0
	for _, key := range []string{keyGo, keySeed} {
		if p.seen[key] == 0 {
			return fmt.Errorf("there is no line %q: the file is damaged: restore it from version control, or delete it", key)
		}
	}
	if p.seen[keyDigest] == 0 {
		return fmt.Errorf("there is no line %q, which is the last one: the file is truncated: restore it from version control, or delete it; in a file written by hand, write %q", keyDigest, keyDigest+" "+unknownDigest)
	}
	p.schedule = p.schedule.sorted()
	p.message = strings.Join(p.messages, "\n")
	return nil
}

func (p *replayParser) readLine(line string) error {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' }) {
		return errors.New("the line is not text: the file is damaged: restore it from version control, or delete it")
	}
	line = strings.TrimRight(line, " \t")
	if p.line > 1 && (line == "" || line[0] == '#') {
		return nil
	}
	key, value, _ := strings.Cut(line, " ")
	if p.line == 1 {
		return p.readFormat(key, value)
	}
	value = strings.TrimLeft(value, " \t")
	return p.readValue(key, value)
}

// once records a key that must not be repeated.
func (p *replayParser) once(what string) error {
	if at := p.seen[what]; at > 0 {
		return fmt.Errorf("line %d has the same key: delete one of them", at)
	}
	p.seen[what] = p.line
	return nil
}

// readFormat parses the first line.
func (p *replayParser) readFormat(key, value string) error {
	if key != keyFormat {
		return fmt.Errorf("this %w: move it elsewhere, or delete it", &wrongFileError{fmt.Sprintf("is not a replay file, which begins with %q", fmt.Sprint(keyFormat, " ", replayVersion))})
	}
	version, err := strconv.ParseUint(value, 10, 32)
	switch {
	case err != nil || version == 0:
		return fmt.Errorf("the version of the format is %q, which is not a number from 1 on: the file is damaged: restore it from version control, or delete it", value)
	case version > replayVersion:
		return fmt.Errorf("the format is version %d, and this simtest knows up to %d: update github.com/slowpoetry/slowpoetry, or delete the file and find the failure again", version, replayVersion)
	}
	return nil
}

// replayDigest is a digest as Trace.Digest returns it.
var replayDigest = regexp.MustCompile(`^[0-9a-f]{16}$`)

func (p *replayParser) readValue(key, value string) (err error) {
	switch key {
	case keyGo:
		if p.goVersion, err = unquoteText(value); err == nil && p.goVersion == "" {
			err = errors.New("it is empty: write the version of Go, such as go1.26")
		}
	case keyTest:
		if p.test, err = unquoteText(value); err == nil && p.test == "" {
			err = errors.New("it is empty: write the full name of the test, or delete the line")
		}
	case keySearch:
		if p.search, err = strconv.Atoi(value); err != nil || p.search < 1 {
			err = fmt.Errorf("%q is not the number of a search: write its position among the test's searches, from 1 on", value)
		}
	case keySeed:
		if p.seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = fmt.Errorf("%q is not a seed: write a whole number from 0 to %d", value, uint64(1<<64-1))
		}
	case keyOverlay:
		if p.layers, err = parseLayers(value, true); err != nil {
			err = fmt.Errorf("%q is not a list of overlay layers: write a comma-separated list of time, order and net, or delete the line", value)
		}
	case keyOrder:
		if p.order, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = fmt.Errorf("%q is not a seed: write a whole number from 0 to %d", value, uint64(1<<64-1))
		}
	case keyQuiet:
		p.quiet, err = parseDuration(word{text: value})
		if err == nil && p.quiet <= 0 {
			err = fmt.Errorf("it is %v: write the time at which the faults are over, such as 1m0s", p.quiet)
		}
	case keyFault:
		var f scheduledFault
		if f, err = parseFault(value); err == nil {
			p.schedule = append(p.schedule, f)
		}
	case keyTies:
		if p.natural = value == naturalTies; !p.natural {
			err = fmt.Errorf("%q is not valid for all ties: write %q, or delete the line", value, keyTies+" "+naturalTies)
		}
	case keyTie:
		err = p.readTie(value)
	case keyDraws:
		if p.noImpairments = value == noDraws; !p.noImpairments {
			err = fmt.Errorf("%q is not valid for all draws: write %q, or delete the line", value, keyDraws+" "+noDraws)
		}
	case keyDraw:
		err = p.readDraw(value)
	case keyMessage:
		var message string
		message, err = unquoteText(value)
		p.messages = append(p.messages, message)
	case keyDigest:
		if p.digest = value; value != unknownDigest && !replayDigest.MatchString(value) {
			err = fmt.Errorf("%q is not a digest, which has 16 digits from 0 to f: the file is truncated or damaged: restore it, or write %q", value, keyDigest+" "+unknownDigest)
		}
	default:
		return unknownKey(key)
	}
	switch key {
	case keyGo, keyTest, keySearch, keySeed, keyOverlay, keyOrder, keyQuiet, keyTies, keyDraws, keyDigest:
		err = cmp.Or(err, p.once(key))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// unknownKey returns the error of a line without a known key.
func unknownKey(key string) error {
	switch {
	case strings.HasPrefix(key, "<<<<<<<"), strings.HasPrefix(key, "======="), strings.HasPrefix(key, ">>>>>>>"):
		return errors.New("two versions were merged here: keep one of them, or both in separate files")
	case key == keyFormat:
		return fmt.Errorf("%q is for the first line only: two files were joined: split them", key)
	}
	return fmt.Errorf("%q is not a key: it must be one of %s; if a newer simtest wrote the file, update github.com/slowpoetry/slowpoetry", key, strings.Join(replayKeys, ", "))
}
