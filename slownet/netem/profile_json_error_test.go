package netem

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseProfileErrors(t *testing.T) {
	t.Parallel()
	const linkFields = "latency, jitter, rate, replay, pace, queue, mtu, dropOversize, loss, duplicate, corrupt and reorder"
	for in, want := range map[string]string{
		// The text.
		"\ufeff{}":               `line 1: there is a byte order mark: save the text as UTF-8 without one`,
		"{\n\"name\": \"\xff\"}": `line 2: this is not UTF-8: save the text as UTF-8`,

		// The whole.
		"\n\n[]":                                `line 3: it is an array: it must be an object, such as {"name": "my/slow", "down": {"latency": "40ms"}}`,
		`null`:                                  `line 1: it is null: it must be an object, such as {"name": "my/slow", "down": {"latency": "40ms"}}`,
		"{\n\"Name\": 1}":                       `line 2: there is no field "Name": the fields are name, source, down, up and lookup`,
		"{\"name\": \"a\",\n\n\"name\": \"b\"}": `line 3: the field "name" appears twice, first in line 1: remove one`,
		`{"name": 7}`:                           `line 1: name: it is a number: it must be a string`,
		`{"source": null}`:                      `line 1: source: it is null: it must be a string`,
		"{\"lookup\":\n3}":                      `line 2: lookup: duration 3 has no unit: write it like "40ms"`,
		`{"lookup": "-3s"}`:                     `line 1: lookup: it is -3s: it must be 0 (none) or more`,

		// A link.
		`{"down": "40ms"}`:                      `line 1: down: it is a string: it must be an object, such as {"latency": "40ms", "rate": "250kbit/s"}`,
		`{"down": null}`:                        `line 1: down: it is null: it must be an object, such as {"latency": "40ms", "rate": "250kbit/s"}`,
		"{\"up\": {\n\"latencie\": \"40ms\"}}":  `line 2: up: there is no field "latencie": the fields are ` + linkFields,
		"{\"up\": {\n\"mtu\": 1,\n\"mtu\": 1}}": `line 3: up: the field "mtu" appears twice, first in line 2: remove one`,

		// Quantities.
		`{"up": {"latency": "40"}}`:                           `line 1: up.latency: duration "40" has no unit: write it like "40ms"`,
		`{"up": {"latency": "-40ms"}}`:                        `line 1: up.latency: it is -40ms: it must be 0 or more`,
		`{"up": {"latency": "soon"}}`:                         `line 1: up.latency: duration "soon" cannot be read: write it like "40ms" or "1.5s"`,
		`{"up": {"latency": ["40ms"]}}`:                       `line 1: up.latency: it is an array: it must be a string, such as "40ms"`,
		"{\n\"down\": {\n\"rate\": \"250\"}}":                 `line 3: down.rate: rate "250" has no unit: write it like "250kbit/s"`,
		`{"down": {"rate": 250}}`:                             `line 1: down.rate: rate 250 has no unit: write it like "250kbit/s"`,
		`{"down": {"rate": true}}`:                            `line 1: down.rate: it is true: it must be a string, such as "250kbit/s"`,
		`{"down": {"rate": ""}}`:                              `line 1: down.rate: the rate is empty: write it like "250kbit/s"`,
		`{"down": {"loss": 1.5}}`:                             `line 1: down.loss: percentage 1.5 has no unit: write it like "1.5%"`,
		`{"down": {"loss": "101%"}}`:                          `line 1: down.loss: percentage "101%" is too large: it must be between 0% and 100%`,
		`{"down": {"queue": 1.5}}`:                            `line 1: down.queue: 1.5 cannot be used: it must be a whole number of bytes, a string such as "64kB" or "100 packets", or an object, such as {"packets": 100, "discipline": "codel"}`,
		`{"down": {"queue": 1e99999999}}`:                     `line 1: down.queue: 1e99999999 cannot be used: it must be a whole number of bytes, a string such as "64kB" or "100 packets", or an object, such as {"packets": 100, "discipline": "codel"}`,
		`{"down": {"queue": -1}}`:                             `line 1: down.queue: it is -1: it must be 0 (the default) or more`,
		`{"down": {"queue": "64"}}`:                           `line 1: down.queue: size "64" has no unit: write it like "1500B", or as a number of bytes without quotes`,
		`{"down": {"queue": "64 pkts"}}`:                      `line 1: down.queue: queue "64 pkts" has the unknown unit "pkts": it must be packets, B, kB, MB, GB, KiB, MiB or GiB`,
		`{"down": {"queue": "FQ-CoDel"}}`:                     `line 1: down.queue: queue "FQ-CoDel" names a discipline: write {"discipline": "fq_codel"}`,
		`{"down": {"queue": "many packets"}}`:                 `line 1: down.queue: queue "many packets" does not begin with a number: write it like "64kB" or "100 packets"`,
		`{"down": {"queue": "1.5 packets"}}`:                  `line 1: down.queue: queue "1.5 packets" cannot be used: it must be a whole number of packets, such as "100 packets"`,
		`{"down": {"queue": "99999999999999999999 packets"}}`: `line 1: down.queue: queue "99999999999999999999 packets" cannot be used: it must be a whole number of packets, such as "100 packets"`,
		`{"down": {"queue": "-1 packets"}}`:                   `line 1: down.queue: queue "-1 packets" cannot be used: it must be a whole number of packets, such as "100 packets"`,
		`{"down": {"queue": "0.5B"}}`:                         `line 1: down.queue: size "0.5B" is not a whole number of bytes: round it`,
		`{"down": {"queue": "1e3 packets"}}`:                  `line 1: down.queue: queue "1e3 packets" has an exponent: write out the number, such as "64kB"`,
		`{"down": {"queue": "1.5E+3kB"}}`:                     `line 1: down.queue: queue "1.5E+3kB" has an exponent: write out the number, such as "64kB"`,
		`{"down": {"rate": "1e3kbit/s"}}`:                     `line 1: down.rate: rate "1e3kbit/s" has an exponent: write out the number, such as "250kbit/s"`,
		`{"down": {"loss": "1e-1%"}}`:                         `line 1: down.loss: percentage "1e-1%" has an exponent: write out the number, such as "1.5%"`,
		`{"down": {"latency": "1e3ms"}}`:                      `line 1: down.latency: duration "1e3ms" has an exponent: write out the number, such as "40ms"`,
		`{"down": {"queue": "64 eB"}}`:                        `line 1: down.queue: queue "64 eB" has the unknown unit "eB": it must be packets, B, kB, MB, GB, KiB, MiB or GiB`,
		`{"up": {"jitter": "-1ms"}}`:                          `line 1: up.jitter: the deviation is -1ms: it must be between 0 (none) and 320255h58m24.606846975s`,
		`{"up": {"jitter": {"deviation": "-1ms"}}}`:           `line 1: up.jitter: the deviation is -1ms: it must be between 0 (none) and 320255h58m24.606846975s`,
		`{"up": {"pace": {"wait": "-1s"}}}`:                   `line 1: up.pace.wait: it is -1s: it must be 0 or more`,
		`{"up": {"mtu": -1}}`:                                 `line 1: up.mtu: it is -1: it must be 0 (the default) or more bytes`,
		`{"up": {"loss": {"model": "markov", "p13": "10%", "p31": "60%", "p32": "50%"}}}`: `line 1: up.loss: p31 + p32 is 110%: it must be at most 100%`,
		`{"down": {"queue": true}}`:                                    `line 1: down.queue: it is true: it must be a whole number of bytes, a string such as "64kB" or "100 packets", or an object, such as {"packets": 100, "discipline": "codel"}`,
		"{\"down\": {\"queue\": {\n\"packets\": -1}}}":                 `line 2: down.queue.packets: it is -1: it must be 0 (the default) or more`,
		`{"down": {"queue": {"packets": "5"}}}`:                        `line 1: down.queue.packets: it is a string: it must be a whole number of packets`,
		`{"down": {"queue": {"bytes": "5"}}}`:                          `line 1: down.queue.bytes: size "5" has no unit: write it like "1500B", or as a number of bytes without quotes`,
		`{"down": {"queue": {"countDelayed": 1}}}`:                     `line 1: down.queue.countDelayed: it is a number: it must be true or false`,
		`{"down": {"queue": {"discipline": "red"}}}`:                   `line 1: down.queue.discipline: there is no discipline "red": it must be "fifo", "codel" or "fq_codel"`,
		`{"down": {"queue": {"discipline": 1}}}`:                       `line 1: down.queue.discipline: it is a number: it must be "fifo", "codel" or "fq_codel"`,
		`{"down": {"queue": {"limit": 1}}}`:                            `line 1: down.queue: there is no field "limit": the fields are bytes, packets, countDelayed and discipline`,
		"{\"down\": {\"queue\": {\"packets\": 1,\n\"packets\": 1}}}":   `line 2: down.queue: the field "packets" appears twice, first in line 1: remove one`,
		"{\n\"down\": {\"latency\": \"1s\",\n\"dropOversize\": true}}": `line 2: down: dropOversize is true and there is no mtu: give the size of the largest packet that is not dropped`,
		`{"down": {"dropOversize": 1}}`:                                `line 1: down.dropOversize: it is a number: it must be true or false`,
		`{"down": {"mtu": {}}}`:                                        `line 1: down.mtu: it is an object: it must be a whole number of bytes, or a string such as "64kB"`,

		// Jitter.
		`{"up": {"jitter": 10}}`:                                         `line 1: up.jitter: duration 10 has no unit: write it like "40ms"`,
		`{"up": {"jitter": []}}`:                                         `line 1: up.jitter: it is an array: it must be a string, such as "10ms", or an object, such as {"deviation": "10ms", "distribution": "normal"}`,
		`{"up": {"jitter": {"correlation": "1%"}}}`:                      `line 1: up.jitter: there is no deviation: give one, such as {"deviation": "10ms"}`,
		`{"up": {"jitter": {"deviation": "0s", "correlation": "1%"}}}`:   `line 1: up.jitter: the deviation is 0: it must be more, or be the only field`,
		`{"up": {"jitter": {"dev": "1s"}}}`:                              `line 1: up.jitter: there is no field "dev": the fields are deviation, distribution and correlation`,
		"{\"up\": {\"jitter\": {\n\"distribution\": \"gauss\"}}}":        `line 2: up.jitter.distribution: there is no distribution "gauss": it must be "uniform", "normal", "pareto", "paretonormal" or an array of whole numbers`,
		`{"up": {"jitter": {"distribution": 5}}}`:                        `line 1: up.jitter.distribution: it is a number: it must be "uniform", "normal", "pareto", "paretonormal" or an array of whole numbers`,
		`{"up": {"jitter": {"distribution": []}}}`:                       `line 1: up.jitter.distribution: the table is empty: it must have one value or more`,
		"{\"up\": {\"jitter\": {\"distribution\": [1,\n2,\n32768, 4]}}}": `line 3: up.jitter.distribution[2]: 32768 cannot be used: it must be a whole number between -32768 and 32767, 8192 of which are one deviation`,
		`{"up": {"jitter": {"distribution": ["1"]}}}`:                    `line 1: up.jitter.distribution[0]: it is a string: it must be a whole number between -32768 and 32767, 8192 of which are one deviation`,

		// Replay and pace.
		`{"up": {"replay": {}}}`:                           `line 1: up.replay: it is an object: it must be an array of whole numbers, milliseconds at which 1500 bytes may pass`,
		`{"up": {"replay": []}}`:                           `line 1: up.replay: it is empty: it must have one number of milliseconds or more`,
		`{"up": {"replay": [0, 0]}}`:                       `line 1: up.replay: it takes no time: the last number must be 1 or more`,
		"{\"up\": {\"replay\": [\n5,\n4]}}":                `line 3: up.replay[1]: 4 comes after 5: they must be in order`,
		`{"up": {"replay": [-1]}}`:                         `line 1: up.replay[0]: -1 cannot be used: it must be a whole number of milliseconds since the start`,
		`{"up": {"replay": [9000000000000]}}`:              `line 1: up.replay[0]: 9000000000000 cannot be used: it must be a whole number of milliseconds since the start`,
		`{"up": {"replay": [1.5]}}`:                        `line 1: up.replay[0]: 1.5 cannot be used: it must be a whole number of milliseconds since the start`,
		"{\"up\": {\"rate\": \"1bps\",\n\"replay\": [1]}}": `line 2: up.replay: there are a rate and a replay: only one of them can say how much passes`,
		`{"up": {"pace": "10B"}}`:                          `line 1: up.pace: it is a string: it must be an object, such as {"bytes": 10, "wait": "100ms"}`,
		`{"up": {"pace": {"wait": 5}}}`:                    `line 1: up.pace.wait: duration 5 has no unit: write it like "40ms"`,
		`{"up": {"pace": {"bytes": -5}}}`:                  `line 1: up.pace.bytes: it is -5: it must be 0 (no limit) or more`,

		// Loss and chances.
		`{"up": {"loss": {}}}`:                                              `line 1: up.loss: there is no model: give one, such as {"model": "gilbert-elliott", "p": "1%"}`,
		`{"up": {"loss": false}}`:                                           `line 1: up.loss: it is false: it must be a string, such as "1.5%", or an object, such as {"model": "gilbert-elliott", "p": "1%", "r": "10%"}`,
		`{"up": {"loss": {"model": "random"}}}`:                             `line 1: up.loss.model: there is no model "random": it must be "gilbert-elliott" or "markov"`,
		`{"up": {"loss": {"model": 4}}}`:                                    `line 1: up.loss.model: it is a number: it must be "gilbert-elliott" or "markov"`,
		`{"up": {"loss": {"model": "gilbert-elliott"}}}`:                    `line 1: up.loss: there is no p: give one, such as {"model": "gilbert-elliott", "p": "1%"}`,
		`{"up": {"loss": {"model": "markov"}}}`:                             `line 1: up.loss: there is no p13: give one, such as {"model": "markov", "p13": "1%"}`,
		`{"up": {"loss": {"model": "markov", "p": "1%"}}}`:                  `line 1: up.loss: there is no field "p": the fields are model, p13, p31, p32, p23 and p14`,
		`{"up": {"loss": {"model": "markov", "p13": 1}}}`:                   `line 1: up.loss.p13: percentage 1 has no unit: write it like "1.5%"`,
		`{"up": {"loss": {"model": "markov", "p13": "60%", "p14": "50%"}}}`: `line 1: up.loss: p13 + p14 is 110%: it must be at most 100%`,
		`{"up": {"reorder": {}}}`:                                           `line 1: up.reorder: there is no probability: give one, such as {"probability": "2%"}`,
		`{"up": {"reorder": {"correlation": 0.5}}}`:                         `line 1: up.reorder.correlation: percentage 0.5 has no unit: write it like "1.5%"`,
	} {
		_, err := ParseProfile([]byte(in))
		assert.EqualError(t, err, "netem: profile, "+want, in)
	}
}

func TestEmptyProfileIsRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", " \n \n"} {
		_, err := ParseProfile([]byte(in))
		assert.EqualError(t, err, "netem: profile, line 1: the text is empty: it must be JSON, such as {}", "%q", in)
	}
}

func TestInvalidJSONIsRefusedWithItsLine(t *testing.T) {
	t.Parallel()
	for in, line := range map[string]string{
		"{":                               "line 1",
		"{\n\"name\": \"a\",\n":           "line 2",
		"{\n\"name\": \"a\",\n}":          "line 3",
		"\n{\"name\":\n\"a\nb\"}":         "line 3",
		"{\n\"name\": \"\\x\"}":           "line 2",
		"{\"mtu\":\ntru e}":               "line 2",
		"{}\n{}":                          "line 2",
		"{}\n\n,":                         "line 3",
		"{\n\"up\": {\"mtu\": 05}}":       "line 2",
		"{\n// a comment\n}":              "line 2",
		"\n\n" + strings.Repeat("[", 1e6): "line 3",
		"{\n'name': 1}":                   "line 2",
		"{\"name\"\n\n: NaN}":             "line 3",
	} {
		_, err := ParseProfile([]byte(in))
		require.Error(t, err, "%.100q", in)
		assert.Contains(t, err.Error()+":", "netem: profile, "+line+": this is not JSON (which allows no comments, needs double quotes, and has no comma after the last item): ", "%.100q", in)
	}
}

func TestTooDeepNestingIsRefused(t *testing.T) {
	t.Parallel()
	const depth = 9000
	deep := `{"up": {"loss": {"model": ` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}}}`
	_, err := ParseProfile([]byte(deep))
	require.EqualError(t, err, `netem: profile, line 1: up.loss.model: it is an array: it must be "gilbert-elliott" or "markov"`)
}

func TestUnmarshalCountsLinesFromTheValue(t *testing.T) {
	t.Parallel()
	var file struct {
		Profile Profile
		Link    Link
	}
	err := json.Unmarshal([]byte("{\n\n\"profile\": {\n\"up\": 5}}"), &file)
	require.ErrorContains(t, err, `netem: profile, line 2: up: it is a number: it must be an object`)
	err = json.Unmarshal([]byte("{\n\n\"link\": {\n\"rate\": 5}}"), &file)
	require.ErrorContains(t, err, `netem: link, line 2: rate: rate 5 has no unit: write it like "250kbit/s"`)
	err = json.Unmarshal([]byte(`{"profile": {"extra": 1}}`), &file)
	require.ErrorContains(t, err, `netem: profile, line 1: there is no field "extra"`)
}
