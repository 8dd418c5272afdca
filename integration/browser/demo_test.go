package browser_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The demonstration's page: two runs of three lanes on one scale, 23 s and 10 s long.
func TestDemo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "demo.html")
	command := exec.Command("go", "run", "./cmd/slownet", "demo", "--html", file)
	command.Dir = filepath.Join("..", "..")
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	tab := open(t, file)
	assert.Equal(t, 6, eval[int](t, tab, `timeline.layout.rows.filter(r => r.lane?.type === "conn").length`))
	assert.Equal(t, []string{"Blocking: one after another, 0:00:23", "Asynchronous: all at once, 0:00:10.100000"},
		eval[[]string](t, tab, `timeline.view.runs.map(r => r.about.title)`))
	assert.Equal(t, []float64{23, 10.1}, eval[[]float64](t, tab, `timeline.view.runs.map(r => r.end / 1e9)`))
	assert.Empty(t, text(t, tab, "thinned"))
	tasks := []string{"Task 1: ecstasy", "Task 2: fascination", "Task 3: science"}
	assert.Equal(t, append(tasks, tasks...), eval[[]string](t, tab, `timeline.layout.rows.filter(r => r.lane).map(r => r.lane.name)`))

	// In each lane the pieces end where the poem ends, and so do the pixels.
	ends := eval[[]float64](t, tab, `(() => {
		const d = `+pixels+`, {view, layout} = timeline, width = view.width;
		return layout.rows.filter(r => r.lane).map(r => {
			const y = Math.round(30 + r.y + r.h / 2);
			let last = 0;
			for (let x = 0; x < width; x++) if (d[4 * (y * width + x)] - d[4 * (y * width + x) + 2] > 60) last = x; // orange
			return (last / width * (view.high - view.low) + view.low) / 1e9;
		});
	})()`)
	require.Len(t, ends, 6)
	for i, want := range []float64{10, 16.3, 22.9, 10, 6.2, 6.5} {
		assert.InDelta(t, want, ends[i], 0.15, "lane %d", i+1)
	}
}
