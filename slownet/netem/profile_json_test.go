package netem

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// transparent is a profile in which values replace pointers to them, so that it can be
// compared.
type transparent struct {
	Profile
	replays, tables [2]any
	names           [2]string
}

func transparentProfile(p Profile) transparent {
	t := transparent{Profile: p}
	for i, l := range []*Link{&t.Down, &t.Up} {
		if l.Replay != nil {
			t.replays[i] = l.Replay.slots
		}
		if d := l.Jitter.Distribution; d != nil {
			t.tables[i], t.names[i] = d.table(), d.name
		}
		l.Replay, l.Jitter.Distribution = nil, nil
	}
	return t
}

// again returns the profile after writing and reading it.
func again(t *testing.T, p Profile) (Profile, string) {
	text, err := json.Marshal(p)
	require.NoError(t, err)
	read, err := ParseProfile(text)
	require.NoError(t, err, "%s", text)
	return read, string(text)
}

func TestPresetsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		read, _ := again(t, p)
		assert.Equal(t, p, read)
	}
}

func TestLinksInJSON(t *testing.T) {
	t.Parallel()
	replay, err := ParseReplay(strings.NewReader("0\n20\n20\n1000\n"))
	require.NoError(t, err)
	for _, test := range []struct {
		in   string // input and output
		link Link
	}{
		{`{}`, Link{}},
		{`{"latency":"40ms"}`, Link{Latency: 40 * time.Millisecond}},
		{`{"latency":"92.5ms"}`, Link{Latency: 92500 * time.Microsecond}},
		{`{"jitter":"10ms"}`, Link{Jitter: Jitter{Deviation: 10 * time.Millisecond}}},
		{`{"jitter":{"deviation":"10ms","correlation":"25%"}}`, Link{Jitter: Jitter{Deviation: 10 * time.Millisecond, Correlation: 0.25}}},
		{`{"jitter":{"deviation":"10ms","distribution":"normal","correlation":"25%"}}`, Link{Jitter: Jitter{10 * time.Millisecond, Normal, 0.25}}},
		{`{"jitter":{"deviation":"10ms","distribution":"pareto"}}`, Link{Jitter: Jitter{10 * time.Millisecond, Pareto, 0}}},
		{`{"jitter":{"deviation":"10ms","distribution":"paretonormal"}}`, Link{Jitter: Jitter{10 * time.Millisecond, ParetoNormal, 0}}},
		{`{"jitter":{"deviation":"10ms","distribution":[-32768,0,32767]}}`,
			Link{Jitter: Jitter{10 * time.Millisecond, NewDistribution([]int16{-32768, 0, 32767}), 0}}},
		{`{"rate":"1500kbit/s"}`, Link{Rate: 1500 * Kbps}},
		{`{"replay":[0,20,20,1000]}`, Link{Replay: replay}},
		{`{"pace":{"bytes":10,"wait":"100ms"}}`, Link{Pace: Pace{10, 100 * time.Millisecond}}},
		{`{"pace":{"bytes":10}}`, Link{Pace: Pace{Bytes: 10}}},
		{`{"queue":"100 packets"}`, Link{Queue: Queue{Packets: 100}}},
		{`{"queue":"1 packet"}`, Link{Queue: Queue{Packets: 1}}},
		{`{"queue":{"bytes":64000,"packets":100}}`, Link{Queue: Queue{Bytes: 64000, Packets: 100}}},
		{`{"queue":{"packets":1000,"countDelayed":true}}`, Link{Queue: Queue{Packets: 1000, CountDelayed: true}}},
		{`{"queue":{"discipline":"codel"}}`, Link{Queue: Queue{Discipline: CoDel}}},
		{`{"queue":{"bytes":1,"packets":2,"countDelayed":true,"discipline":"fq_codel"}}`, Link{Queue: Queue{1, 2, true, FQCoDel}}},
		{`{"queue":64000,"mtu":1400}`, Link{Queue: Queue{Bytes: 64000}, MTU: 1400}},
		{`{"mtu":1400,"dropOversize":true}`, Link{MTU: 1400, DropOversize: true}},
		{`{"loss":"33.3%"}`, Link{Loss: Loss{Random: 0.333}}},
		{`{"loss":{"model":"gilbert-elliott","p":"1%","r":"10%","1-h":"70%","1-k":"0.1%"}}`,
			Link{Loss: Loss{GilbertElliott: GilbertElliott{P: 0.01, R: 0.1, LossBad: 0.7, LossGood: 0.001}}}},
		{`{"loss":{"model":"markov","p13":"1%","p31":"60%","p32":"20%","p23":"30%","p14":"0.5%"}}`,
			Link{Loss: Loss{Markov: Markov{P13: 0.01, P31: 0.6, P32: 0.2, P23: 0.3, P14: 0.005}}}},
		{`{"duplicate":"2%","corrupt":"0.1%","reorder":{"probability":"2%","correlation":"25%"}}`,
			Link{Duplicate: Chance{Probability: 0.02}, Corrupt: Chance{Probability: 0.001}, Reorder: Chance{0.02, 0.25}}},
	} {
		var link Link
		require.NoError(t, json.Unmarshal([]byte(test.in), &link), test.in)
		assert.Equal(t, transparentProfile(Profile{Up: test.link}), transparentProfile(Profile{Up: link}), test.in)
		text, err := json.Marshal(test.link)
		require.NoError(t, err)
		assert.Equal(t, test.in, string(text))
	}
}

func TestLinksInJSONMayBeWrittenInOtherWays(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"latency":"0s","rate":"0bit/s","queue":0,"loss":"0%","jitter":"0s","pace":{}}`: `{}`,
		`{"rate":"1.5 Mbps"}`:                                              `{"rate":"1500kbit/s"}`,
		`{"queue":"64KiB","mtu":"1.4 kB"}`:                                 `{"queue":65536,"mtu":1400}`,
		`{"dropOversize":true,"mtu":5}`:                                    `{"mtu":5,"dropOversize":true}`,
		`{"queue":{"bytes":"64KiB"}}`:                                      `{"queue":65536}`,
		`{"queue":{"packets":7,"discipline":"fifo","countDelayed":false}}`: `{"queue":"7 packets"}`,
		`{"queue":"100packets"}`:                                           `{"queue":"100 packets"}`,
		`{"queue":{}}`:                                                     `{}`,
		`{"queue":"0 packets"}`:                                            `{}`,
		`{"pace":{"bytes":"1kB"}}`:                                         `{"pace":{"bytes":1000}}`,
		`{"jitter":{"deviation":"10ms"}}`:                                  `{"jitter":"10ms"}`,
		`{"reorder":{"probability":"2%"}}`:                                 `{"reorder":"2%"}`,
		`{"jitter":{"distribution":"uniform","deviation":"10ms"}}`:         `{"jitter":"10ms"}`,
		`{"loss":{"model":"gilbert-elliott","p":"70%"}}`:                   `{"loss":{"model":"gilbert-elliott","p":"70%","r":"30%","1-h":"100%","1-k":"0%"}}`,
		`{"loss":{"mod\u0065l":"gilbert-elliott","p":"70%"}}`:              `{"loss":{"model":"gilbert-elliott","p":"70%","r":"30%","1-h":"100%","1-k":"0%"}}`,
		`{"loss":{"p13":"1%","model":"markov"}}`:                           `{"loss":{"model":"markov","p13":"1%","p31":"99%","p32":"0%","p23":"100%","p14":"0%"}}`,
	} {
		var link Link
		require.NoError(t, json.Unmarshal([]byte(in), &link), in)
		text, err := json.Marshal(link)
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
}

func TestProfilesInJSON(t *testing.T) {
	t.Parallel()
	p := Profile{Name: "<my> & slow", Source: "ünïcode \n \"quoted\"", Down: Link{Rate: Kbps}, Lookup: 90 * time.Second}
	read, text := again(t, p)
	assert.Equal(t, p, read)
	assert.Equal(t, `{"name":"\u003cmy\u003e \u0026 slow","source":"ünïcode \n \"quoted\"","down":{"rate":"1kbit/s"},"lookup":"1m30s"}`, text)

	read, text = again(t, Profile{})
	assert.Equal(t, Profile{}, read)
	assert.Equal(t, `{}`, text)
}

func TestJSONReplacesAllOfAProfile(t *testing.T) {
	t.Parallel()
	profiles := []Profile{{Name: "old", Lookup: time.Second}}
	require.NoError(t, json.Unmarshal([]byte(`[{"up": {"mtu": 5}}, {"name": "b"}]`), &profiles))
	assert.Equal(t, []Profile{{Up: Link{MTU: 5}}, {Name: "b"}}, profiles)

	p, l := Profile{Name: "old"}, Link{MTU: 5}
	require.NoError(t, json.Unmarshal([]byte(`null`), &p))
	require.NoError(t, json.Unmarshal([]byte(`null`), &l))
	require.Error(t, json.Unmarshal([]byte(`{"name": "new", "lookup": 3}`), &p))
	require.Error(t, json.Unmarshal([]byte(`{"mtu": 6, "rate": 3}`), &l))
	assert.Equal(t, Profile{Name: "old"}, p)
	assert.Equal(t, Link{MTU: 5}, l)
}

func TestProfileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	const bottleneck = "a Bottleneck cannot be written, because it is shared with other links: set it to nil, and Rate to its rate"
	for want, link := range map[string]Link{
		bottleneck:                             {Bottleneck: NewBottleneck(Kbps)},
		"Latency is -1s: it must be 0 or more": {Latency: -time.Second},
		"the Replay is empty: it must come from ParseReplay":                             {Replay: &Replay{}},
		"the Jitter.Distribution is empty: it must come from NewDistribution":            {Jitter: Jitter{Deviation: 1, Distribution: &Distribution{}}},
		"Jitter.Deviation is 0: it must be more, or the rest of Jitter must be zero too": {Jitter: Jitter{Distribution: Normal}},
	} {
		_, err := link.MarshalJSON()
		require.EqualError(t, err, "netem: link: "+want)
		_, err = Profile{Name: "a", Up: link}.MarshalJSON()
		require.EqualError(t, err, `netem: profile "a": Up: `+want)
	}
}

// A discipline may be spelled in several ways.
func TestDisciplinesInAnySpelling(t *testing.T) {
	for spelling, want := range map[string]Discipline{"codel": CoDel, "CoDel": CoDel, "fq_codel": FQCoDel, "FQ-CoDel": FQCoDel, "fqcodel": FQCoDel, "FIFO": FIFO} {
		p, err := ParseProfile([]byte(`{"down": {"queue": {"packets": 5, "discipline": "` + spelling + `"}}}`))
		require.NoError(t, err, spelling)
		assert.Equal(t, Queue{Packets: 5, Discipline: want}, p.Down.Queue, spelling)
	}
}
