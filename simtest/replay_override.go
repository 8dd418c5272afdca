package simtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Overrides say what is otherwise than the seed has it. A simulation that is made
// smaller step by step has them. A tie at whose instant nothing is due, and a draw
// about a packet that is not sent, have no effect: a program that was changed has
// other instants and packets. That a host of theirs does not exist fails the test, as
// with a schedule's.
type overrides struct {
	natural bool // the order is natural at all instants that ties do not name
	ties    []tieOverride
	draws   []drawOverride
}

func (o *overrides) isNone() bool { return !o.natural && len(o.ties)+len(o.draws) == 0 }

// A tieOverride is in which order happens what happens at one instant: the
// natural one, or one that is drawn from another number.
type tieOverride struct {
	at      time.Duration
	natural bool
	round   uint64
}

// String returns the value of a line of a replay file.
func (o tieOverride) String() string {
	if o.natural {
		return fmt.Sprint(o.at, " ", naturalTies)
	}
	return fmt.Sprintf("%v %016x", o.at, o.round)
}

// A drawOverride is what a link draws about a packet: one with a number of one flow;
// see netem.PacketID.
type drawOverride struct {
	from, to     string
	flow, number uint64
	what         string // one of drawWords
	roll         uint64 // the greatest is for what does not happen
}

// drawWords say what is drawn about packets.
var drawWords = []string{"state", "loss", "duplicate", "corrupt", "reorder", "jitter", "flip"}

// String returns the value of a line of a replay file.
func (o drawOverride) String() string {
	return fmt.Sprintf("%s > %s %016x %d %s %016x", quoteName(o.from), quoteName(o.to), o.flow, o.number, o.what, o.roll)
}

// naturalTies is the word for the natural order.
const naturalTies = "natural"

const (
	tieExample  = "tie 12.5s natural"
	drawExample = "draw a > b 00000000000000a1 17 loss ffffffffffffffff"
)

func (p *replayParser) readTie(value string) (err error) {
	at, round, _ := strings.Cut(value, " ")
	tie := tieOverride{natural: round == naturalTies}
	if tie.at, err = parseDuration(word{text: at}); err != nil {
		return err
	}
	if !tie.natural {
		tie.round, err = parseHex(round)
	}
	if err != nil || tie.at < 0 {
		return fmt.Errorf("%q is no tie: it is a time from 0s on and \"natural\", or 16 digits from 0 to f, as in %q", value, tieExample)
	}
	p.ties = append(p.ties, tie)
	return p.once(fmt.Sprint(keyTie, " ", tie.at))
}

func (p *replayParser) readDraw(value string) error {
	words, err := splitWords(value)
	if err != nil {
		return err
	}
	wrong := fmt.Errorf("%q is no draw: write it as in %q, of one of %s", value, drawExample, strings.Join(drawWords, ", "))
	if len(words) != 7 || !words[0].isName() || !words[1].is(">") || !words[2].isName() ||
		slices.ContainsFunc(words[3:], func(w word) bool { return w.quoted }) || !slices.Contains(drawWords, words[5].text) {
		return wrong
	}
	draw := drawOverride{from: words[0].text, to: words[2].text, what: words[5].text}
	var errs [3]error
	draw.flow, errs[0] = parseHex(words[3].text)
	draw.number, errs[1] = strconv.ParseUint(words[4].text, 10, 64)
	draw.roll, errs[2] = parseHex(words[6].text)
	if errs != [3]error{} || checkHostName(draw.from) != nil || checkHostName(draw.to) != nil {
		return wrong
	}
	p.draws = append(p.draws, draw)
	draw.roll = 0
	return p.once(fmt.Sprint(keyDraw, " ", draw))
}

// parseHex reads 16 digits.
func parseHex(text string) (uint64, error) {
	if !replayDigest.MatchString(text) {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(text, 16, 64)
}
