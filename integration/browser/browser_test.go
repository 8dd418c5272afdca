// Package browser_test checks the pages of slownet/trace/page in a real browser. It
// needs Chromium or Chrome, and fails without it.
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

const width, height = 1200, 700

// open opens a page in a browser. By the end of the test it must not have logged an error
// or requested anything.
func open(t *testing.T, file string, before ...chromedp.Action[chromedp.Void]) *chrome.Tab {
	t.Helper()
	tab, end, err := chrome.Open(width, height)
	require.NoError(t, err)
	t.Cleanup(end)
	require.NoError(t, tab.Do(before...))
	require.NoError(t, tab.Load(file))
	t.Cleanup(func() {
		assert.Empty(t, tab.Problems(), "in the console")
		assert.Empty(t, tab.Requests(), "requests")
	})
	return tab
}

// openRuns opens a page of the runs.
func openRuns(t *testing.T, runs ...page.Run) *chrome.Tab {
	t.Helper()
	return open(t, write(t, runs...))
}

// write writes a page and returns its file.
func write(t *testing.T, runs ...page.Run) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, page.WriteHTML(f, page.Options{}, runs...))
	require.NoError(t, f.Close())
	return name
}

func run(title string, events []trace.Event) page.Run {
	return page.Run{Title: title, Events: traces.All(events)}
}

// do runs actions in the tab.
func do(t *testing.T, tab *chrome.Tab, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, tab.Do(actions...))
}

// eval returns the value of a JavaScript expression.
func eval[T any](t *testing.T, tab *chrome.Tab, expression string) T {
	t.Helper()
	value, err := chrome.Get(tab, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return value
}

// settle waits until the page has drawn the diagram and filled its list of events.
func settle(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	_, err := chrome.Get(tab, chromedp.Evaluate[bool](
		`new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => done(true))), 350))`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
}

// text returns the text of an element.
func text(t *testing.T, tab *chrome.Tab, id string) string {
	t.Helper()
	return eval[string](t, tab, `document.getElementById("`+id+`").innerText`)
}

// key presses a key.
func key(t *testing.T, tab *chrome.Tab, keys string, options ...chromedp.KeyOption) {
	t.Helper()
	do(t, tab, chromedp.KeyEvent(keys, options...))
	settle(t, tab)
}

// pixels is an expression for the contents of the diagram: red, green, blue and alpha of
// each pixel, row by row.
const pixels = `(() => {
	const plot = document.getElementById("plot"), copy = new OffscreenCanvas(plot.width, plot.height);
	const c = copy.getContext("2d", {willReadFrequently: true});
	c.drawImage(plot, 0, 0);
	return c.getImageData(0, 0, plot.width, plot.height).data;
})()`
