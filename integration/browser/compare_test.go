package browser_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/browser/chrome"
	"github.com/slowpoetry/slowpoetry/integration/browser/traces"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

// openCompared opens a page that compares two runs.
func openCompared(t *testing.T, first, second []trace.Event) *chrome.Tab {
	t.Helper()
	name := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, page.WriteHTML(f, page.Options{Compare: true}, run("first", first), run("second", second)))
	require.NoError(t, f.Close())
	return open(t, name)
}

// marked counts the pixels in the mark's color around the first differing event of a run.
func marked(t *testing.T, tab *chrome.Tab, run string) int {
	t.Helper()
	settle(t, tab)
	return eval[int](t, tab, `(() => {
		const d = `+pixels+`, plot = document.getElementById("plot"), box = plot.getBoundingClientRect();
		const run = timeline.view.runs[`+run+`], [, , x, y] = timeline.where(run.number, run.mark);
		let n = 0;
		for (let dy = -11; dy <= 11; dy++) for (let dx = -11; dx <= 11; dx++) {
			const i = 4 * ((Math.round(y - box.y) + dy) * plot.width + Math.round(x - box.x) + dx);
			if (Math.abs(d[i] - 0xb3) + Math.abs(d[i + 1] - 0x26) + Math.abs(d[i + 2] - 0x1e) < 60) n++;
		}
		return n;
	})()`)
}

// The first event that differs is marked in both runs, the page names the last event
// that is the same, and the button and the key zoom to the difference.
func TestCompare(t *testing.T) {
	first, second := traces.Faults(), traces.Faults()
	for i := 20; i < len(second); i++ {
		second[i].At += 5e6
	}
	tab := openCompared(t, first, second)
	compared := text(t, tab, "compared")
	assert.Contains(t, compared, "The runs are the same up to event 20, at 0.425 s. Then they differ:\n\n"+
		"first: 0.441 s, bytes arrived, poet → writer, 27 bytes, offset 123, 35 ms under way, writer/tcp#1\n"+
		"second: 0.446 s, bytes arrived, poet → writer, 27 bytes, offset 123, 35 ms under way, writer/tcp#1\n")
	assert.Contains(t, eval[[]string](t, tab, `[...document.querySelectorAll("#legend button")].map(b => b.dataset.look)`), "differs")
	for _, run := range []string{"0", "1"} {
		assert.Greater(t, marked(t, tab, run), 60, run)
	}
	hide := chromedp.Click(chromedp.CSS(`#legend [data-look="differs"]`))
	do(t, tab, hide)
	for _, run := range []string{"0", "1"} {
		assert.Less(t, marked(t, tab, run), 10, run)
	}
	do(t, tab, hide)

	do(t, tab, chromedp.Click(chromedp.CSS("#compared button")))
	settle(t, tab)
	assert.Equal(t, "0.441 s, bytes arrived, poet → writer, 27 bytes, offset 123, 35 ms under way, first difference", text(t, tab, "spoken"))
	assert.Contains(t, text(t, tab, "event"), "Comparison\nthe first event that differs")
	assert.Greater(t, zoom(t, tab), 1.5)
	key(t, tab, "f")
	assert.Contains(t, text(t, tab, "spoken"), "0.446 s, bytes arrived")
	assert.Equal(t, 1, eval[int](t, tab, `timeline.view.selected.run.number`))
	key(t, tab, "f")
	assert.Equal(t, 0, eval[int](t, tab, `timeline.view.selected.run.number`))
}

// A run that is the beginning of the other, runs that differ only in bytes, and runs that
// are the same.
func TestCompareEnds(t *testing.T) {
	events := traces.Faults()
	tab := openCompared(t, events[:30], events)
	assert.Contains(t, text(t, tab, "compared"), "up to event 30, at ")
	assert.Contains(t, text(t, tab, "compared"), "first: nothing more\nsecond: ")
	assert.Greater(t, marked(t, tab, "1"), 60)
	key(t, tab, "f")
	assert.Equal(t, 1, eval[int](t, tab, `timeline.view.selected.run.number`))

	bytes := traces.Faults()
	bytes[5].Hash++
	tab = openCompared(t, bytes, events)
	assert.Contains(t, text(t, tab, "compared"), "20 ms under way, reader/tcp#1, with other bytes\nsecond: ")

	tab = openCompared(t, events, events)
	assert.Equal(t, "The runs are the same: 41 events.", text(t, tab, "compared"))
	key(t, tab, "f")
	assert.Empty(t, text(t, tab, "spoken"))
}
