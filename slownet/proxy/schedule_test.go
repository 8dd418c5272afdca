package proxy

import (
	"encoding/json"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSchedule(t *testing.T) {
	p, conn := echoProxy(t)
	off := false
	var s Schedule
	require.NoError(t, json.Unmarshal([]byte(`{"steps": [
		{"at": "0s", "up": {"latency": "50ms"}},
		{"at": "150ms", "toxics": [{"type": "noop"}], "reset": true},
		{"at": "200ms", "enabled": false}
	]}`), &s))
	p.setSchedule(s)
	assert.Eventually(t, func() bool { _, ok := p.Toxic("up"); return ok }, 5*time.Second, ms)
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Eventually(t, func() bool { return p.Config().Disabled }, 5*time.Second, ms)
	_, ok := p.Toxic("noop_downstream")
	assert.True(t, ok)
	assert.Equal(t, &off, p.Config().Schedule.Steps[2].Enabled)

	for text, want := range map[string]string{
		`{"steps": [{"at": "2s"}, {"at": "1s"}]}`:              "schedule: step 2 is at 1s: steps must be in order of time, from 0 on",
		`{"steps": [{"at": "2s"}], "repeat": "2s"}`:            "schedule: repeat is 2s, but the last step is at 2s: repeat must be later",
		`{"repeat": "2s"}`:                                     "schedule: repeat is set, but there are no steps: give some",
		`{"steps": [{"at": "1s", "down": {"latencu": "1s"}}]}`: "schedule: step 1: down: there is no field \"latencu\"",
		`{"steps": [{"at": "soon"}]}`:                          `schedule: step 1: duration "soon" cannot be read: write it like "40ms" or "1.5s"`,
		`{"repeat": "soon"}`:                                   `schedule: duration "soon" cannot be read: write it like "40ms" or "1.5s"`,
		`{"steps": [{}, {"att": "1s"}]}`:                       `schedule: step 2: unknown field "att"`,
	} {
		var s Schedule
		err := json.Unmarshal([]byte(text), &s)
		if err == nil {
			err = s.validate()
		}
		assert.ErrorContains(t, err, want)
	}
}

// The steps of a repeating schedule are due at multiples of its period, however late
// earlier steps were. The error of a step that fails names the step.
func TestRepeatingSchedulesDoNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		s := &Server{Observer: func(e ServerEvent) {
			at = append(at, time.Since(start))
			assert.EqualError(t, e.Err, `schedule: step 2: there is no bottleneck "x": give its rate, such as {"name": "x", "rate": "10Mbit/s"}`)
			time.Sleep(7 * ms) // a slow step
		}}
		p, err := newProxy(s, Config{Name: "p", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
		require.NoError(t, err)
		p.setSchedule(Schedule{Repeat: 30 * ms, Steps: []Step{
			{At: 5 * ms, Remove: []string{"none"}},
			{At: 29 * ms, Set: []Toxic{{Toxicity: 1, Attributes: Link{Bottleneck: "x"}}}},
		}})
		time.Sleep(120 * ms)
		p.setSchedule(Schedule{})
		assert.Equal(t, []time.Duration{29 * ms, 59 * ms, 89 * ms, 119 * ms}, at)
	})
}
