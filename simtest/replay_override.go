package simtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// overrides replace random decisions of the seed. They are used to shrink a failure. A
// tie at an instant without events, and a draw about a packet that is never sent, have
// no effect: after a change, a program has other instants and packets. An override that
// names a host that does not exist fails the test, as in a schedule.
type overrides struct {
	natural       bool // the order is natural at all instants that are not in ties
	noImpairments bool // packets have no random impairments except those in draws
	ties          []tieOverride
	draws         []drawOverride
}

func (o *overrides) isNone() bool {
	return !o.natural && !o.noImpairments && len(o.ties)+len(o.draws) == 0
}

// A tieOverride sets the order of events at one instant: the natural one, or one drawn
// from another number.
type tieOverride struct {
	at      time.Duration
	natural bool
	round   uint64
}

// String returns the value of the line in a replay file.
func (o tieOverride) String() string {
	if o.natural {
		return fmt.Sprint(o.at, " ", naturalTies)
	}
	return fmt.Sprintf("%v %016x", o.at, o.round)
}

// A drawOverride sets a draw about a packet on the link between two hosts, or on a
// host's access; see netem.Overrides.
type drawOverride struct {
	lineName
	draw netem.Draw
	roll uint64
}

// A lineName names a line by its source and its destination. If one of them is empty,
// the line is the access line of the other host, to or from all hosts.
type lineName struct{ from, to string }

// fixedRolls are the rolls, by line and draw, that override the drawn ones.
type fixedRolls map[lineName]map[netem.Draw]uint64

// anyHost means all other hosts in a replay file.
const anyHost = "*"

// String returns the name in the syntax of a replay file.
func (n lineName) String() string {
	quote := func(name string) string {
		if name == "" {
			return anyHost
		}
		return quoteName(name)
	}
	return quote(n.from) + " > " + quote(n.to)
}

// drawWords are the words for the kinds of draws.
var drawWords = func() (words []string) {
	for what := netem.DrawnLoss; what <= netem.DrawnFlip; what++ {
		words = append(words, what.String())
	}
	return words
}()

// String returns the value of the line in a replay file.
func (o drawOverride) String() string {
	return fmt.Sprintf("%v %016x %d %v %016x", o.lineName, o.draw.ID.Flow, o.draw.ID.Number, o.draw.Kind, o.roll)
}

// noDraws is the word for packets without random impairments.
const noDraws = "none"

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
		return fmt.Errorf("%q is not a tie: it must be a time from 0s on, and then \"natural\" or 16 digits from 0 to f, as in %q", value, tieExample)
	}
	p.ties = append(p.ties, tie)
	return p.once(fmt.Sprint(keyTie, " ", tie.at))
}

func (p *replayParser) readDraw(value string) error {
	words, err := splitWords(value)
	if err != nil {
		return err
	}
	wrong := fmt.Errorf("%q is not a draw: write it as in %q, of one of %s", value, drawExample, strings.Join(drawWords, ", "))
	if len(words) != 7 || !words[1].is(">") || slices.ContainsFunc(words[3:], func(w word) bool { return w.quoted }) {
		return wrong
	}
	var draw drawOverride
	from, to := words[0].readHost(&draw.from), words[2].readHost(&draw.to)
	what := slices.Index(drawWords, words[5].text)
	draw.draw.Kind = netem.DrawnLoss + netem.DrawKind(what)
	var errs [3]error
	draw.draw.ID.Flow, errs[0] = parseHex(words[3].text)
	draw.draw.ID.Number, errs[1] = strconv.ParseUint(words[4].text, 10, 64)
	draw.roll, errs[2] = parseHex(words[6].text)
	if errs != [3]error{} || !from || !to || what < 0 || draw.from+draw.to == "" {
		return wrong
	}
	p.draws = append(p.draws, draw)
	draw.roll = 0
	return p.once(fmt.Sprint(keyDraw, " ", draw))
}

// readHost parses a host's name, or anyHost.
func (w word) readHost(name *string) (ok bool) {
	if w.is(anyHost) {
		return true
	}
	*name = w.text
	return w.isName() && checkHostName(w.text) == nil
}

// parseHex parses 16 hexadecimal digits.
func parseHex(text string) (uint64, error) {
	if !replayDigest.MatchString(text) {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(text, 16, 64)
}

// overrideLocked overrides and records the draws on a line, as the Config says.
func (s *Sim) overrideLocked(line *netem.Line, name lineName) {
	o := &netem.Overrides{Rolls: s.rolls[name], NoImpairments: s.noImpairments}
	if s.ties.decided != nil {
		o.OnImpairment = func(d netem.Draw) { s.ties.decided.draw(name, d) }
	}
	if o.Rolls != nil || o.NoImpairments || o.OnImpairment != nil {
		line.Override(o)
	}
}

// useRolls overrides draws. The hosts that they name must exist when the simulation's
// function has ended.
func (s *Sim) useRolls(calm bool, draws []drawOverride) {
	s.noImpairments = calm
	s.rolls = make(fixedRolls)
	told := map[string]bool{"": true}
	for _, draw := range draws {
		if s.rolls[draw.lineName] == nil {
			s.rolls[draw.lineName] = make(map[netem.Draw]uint64)
		}
		s.rolls[draw.lineName][draw.draw] = draw.roll
		for _, name := range []string{draw.from, draw.to} {
			if !told[name] {
				told[name] = true
				s.expected[namedHost{call: fmt.Sprintf("the replay's %q", keyDraw+" "+draw.String()), name: name}] = struct{}{}
			}
		}
	}
}
