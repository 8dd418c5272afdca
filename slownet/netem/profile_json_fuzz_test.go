package netem

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzParseProfile(f *testing.F) {
	for _, p := range Profiles() {
		text, err := json.Marshal(p)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, text := range []string{
		"", "{}", "null", "[]", "{\n", "\ufeff{}", "\xff", `{"name":"\ud800"}`, `{"lookup":"-1s"}`,
		`{"down":{"latency":"1.5h","rate":"1.5 Mbps","queue":"64KiB","mtu":1400,"pace":{"bytes":10,"wait":"100ms"}}}`,
		`{"up":{"jitter":{"deviation":"10ms","distribution":"normal","correlation":"33.3%"},"replay":[0,1,1,20]}}`,
		`{"up":{"jitter":{"deviation":"10ms","distribution":[-8192,0,8192]},"loss":"0.1%","duplicate":"2%"}}`,
		`{"up":{"loss":{"model":"gilbert-elliott","p":"70%"},"reorder":{"probability":"1%","correlation":"25%"}}}`,
		`{"up":{"loss":{"model":"markov","p13":"1%","p14":"0.5%"},"corrupt":{"probability":"0%","correlation":"1%"}}}`,
		`{"up":{"queue":{"bytes":1,"packets":2,"countDelayed":true,"discipline":"fq_codel"}},"down":{"queue":"100 packets"}}`,
		`{"up":{"mtu":1e9,"queue":99999999999999999999}}`, `{"name":"a","name":"b"}`, `{} {}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProfile(text)
		if err != nil {
			assert.Regexp(t, `^netem: profile, line [1-9][0-9]*: `, err.Error())
			return
		}
		require.NoError(t, p.Validate())
		read, _ := again(t, p)
		assert.Equal(t, transparentProfile(p), transparentProfile(read))
	})
}
