package tutorial

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/markdown"
	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runs are what the pages show as outputs, by name.
var runs = map[string]func(t *testing.T) string{
	"timings":   timings,
	"oneServer": oneServer,
	"now": func(t *testing.T) (text string) {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			addresses := Serve(sim, Lesson())
			client := &clients.Client{Dial: sim.Host(Reader).DialContext}
			var loop reactor.Reactor
			text = "got " + string('0'+rune(len(getPoetryNow(client, &loop, addresses[0])))) + " bytes\n"
			require.NoError(t, loop.Run())
		})
		return text
	},
	"wait": func(t *testing.T) string {
		var out strings.Builder
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			addresses := Serve(sim, Lesson())
			assert.NoError(t, waitOnTheLoop(&clients.Client{Dial: sim.Host(Reader).DialContext}, addresses, &out))
		})
		return out.String()
	},
	"later": func(t *testing.T) string {
		var out strings.Builder
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			addresses := append(Serve(sim, Lesson()), "poet1:9")
			assert.NoError(t, getPoetryLater(&clients.Client{Dial: sim.Host(Reader).DialContext}, addresses, &out))
		})
		return out.String()
	},
	"reactor": readAllRun,
	"seeds":   seeds,
	"faults":  faults,
}

// The pages show the code that is here, and what it prints. Commands are run by the tests
// of package cmd.
func TestPages(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	outputs := make(map[string]string) // a page and its translation show the same
	for _, page := range pages {
		markdown.Check(t, page, map[string]func(t *testing.T, arguments string) string{
			"show": markdown.Source("."),
			"run": func(t *testing.T, name string) string {
				if _, ok := outputs[name]; !ok {
					require.Contains(t, runs, name, page)
					outputs[name] = runs[name](t)
				}
				return outputs[name]
			},
		})
	}
}
