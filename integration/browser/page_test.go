package browser_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/browser/chrome"
	"github.com/slowpoetry/slowpoetry/integration/browser/traces"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	tracepage "github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

// where returns the position of the first event of the first run that matches a
// condition, a JavaScript expression.
func where(t *testing.T, tab *chrome.Tab, condition string) (x0, y0, x1, y1 float64) {
	t.Helper()
	p := eval[[]float64](t, tab, `(() => {
		const r = timeline.view.runs[0], i = Array.from({length: r.count}, (_, i) => i).find(i => `+condition+`);
		return timeline.where(0, i);
	})()`)
	return p[0], p[1], p[2], p[3]
}

func wheel(t *testing.T, tab *chrome.Tab, x, y, dx, dy float64, modifiers int64) {
	t.Helper()
	require.NoError(t, chrome.Call(tab, input.DispatchMouseEvent, input.DispatchMouseEventParams{
		Type: input.DispatchMouseEventTypeMouseWheel, X: x, Y: y, DeltaX: dx + 1e-6, DeltaY: dy + 1e-6, Modifiers: modifiers, // 0 would be left out
	}))
	settle(t, tab)
}

func zoom(t *testing.T, tab *chrome.Tab) float64 {
	t.Helper()
	return eval[float64](t, tab, `timeline.view.transform.k`)
}

// left is the time at the left edge, as a fraction of the whole.
func left(t *testing.T, tab *chrome.Tab) float64 {
	t.Helper()
	return eval[float64](t, tab, `Math.abs(timeline.view.transform.x / timeline.view.transform.k / timeline.view.width)`)
}

// The wheel zooms at the pointer, dragging pans, and neither leaves the trace.
func TestZoomAndPanByMouse(t *testing.T) {
	tab := openRuns(t, run("faults", traces.Faults()))
	x0, _, x, y := where(t, tab, `r.kind[i] === 5`)
	wheel(t, tab, x, y, 0, -300, 0)
	assert.Greater(t, zoom(t, tab), 1.2)
	_, _, after, _ := where(t, tab, `r.kind[i] === 5`)
	assert.InDelta(t, x, after, 1)
	zoomed := zoom(t, tab)
	wheel(t, tab, x, y, 0, -300, 2) // with Ctrl
	assert.Greater(t, zoom(t, tab), zoomed)

	was := left(t, tab)
	do(t, tab, chromedp.DragAndDropXY(600, 300, 700, 300))
	settle(t, tab)
	assert.Less(t, left(t, tab), was)
	for range 5 {
		do(t, tab, chromedp.DragAndDropXY(300, 300, 1190, 300))
	}
	settle(t, tab)
	assert.InDelta(t, 0, left(t, tab), 0.001)
	wheel(t, tab, x, y, 200, 0, 0)
	assert.Greater(t, left(t, tab), 0.01)
	for range 4 {
		wheel(t, tab, x, y, 0, 5000, 2)
	}
	assert.EqualValues(t, 1, zoom(t, tab))
	do(t, tab, chromedp.MouseClickXY(x0, y, func(p *input.DispatchMouseEventParams) { p.ClickCount = 2 }))
	settle(t, tab)
	assert.Greater(t, zoom(t, tab), 3.)
}

// Two fingers zoom, one finger pans.
func TestTouch(t *testing.T) {
	tab := open(t, write(t, run("faults", traces.Faults())), chromedp.EmulateViewport(width, height, chromedp.EmulateTouch))
	touch := func(kind input.DispatchTouchEventType, points ...[2]float64) {
		p := input.DispatchTouchEventParams{Type: kind, TouchPoints: []*input.TouchPoint{}}
		for i, point := range points {
			id := float64(i)
			p.TouchPoints = append(p.TouchPoints, &input.TouchPoint{X: point[0], Y: point[1], ID: &id})
		}
		require.NoError(t, chrome.Call(tab, input.DispatchTouchEvent, p))
	}
	touch(input.DispatchTouchEventTypeTouchStart, [2]float64{500, 300}, [2]float64{700, 300})
	for d := range 10 {
		touch(input.DispatchTouchEventTypeTouchMove, [2]float64{500 - float64(d)*15, 300}, [2]float64{700 + float64(d)*15, 300})
	}
	touch(input.DispatchTouchEventTypeTouchEnd)
	settle(t, tab)
	assert.InDelta(t, 2.35, zoom(t, tab), 0.2)
	was := left(t, tab)
	touch(input.DispatchTouchEventTypeTouchStart, [2]float64{700, 300})
	for d := range 10 {
		touch(input.DispatchTouchEventTypeTouchMove, [2]float64{700 - float64(d)*20, 300})
	}
	touch(input.DispatchTouchEventTypeTouchEnd)
	settle(t, tab)
	assert.Greater(t, left(t, tab), was+0.01)
}

// Pointing at an event describes it, and a click shows its payload, as text and as hex.
func TestHover(t *testing.T) {
	tab := openRuns(t, run("faults", traces.Faults()))
	x0, y0, x1, y1 := where(t, tab, `r.kind[i] === 3`)
	do(t, tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, (x0+x1)/2, (y0+y1)/2))
	settle(t, tab)
	assert.Equal(t, "bytes arrived\nTime\n0.065 s\nLeft at\n0.045 s, 20 ms before\nFrom\nreader\nTo\npoet\nConnection\nreader/tcp#1\nBytes\n36\nOffset\n0\nGET /poem/7 HTTP/1.1\nHost: poet\n\n", text(t, tab, "tip"))
	do(t, tab, chromedp.MouseClickXY((x0+x1)/2, (y0+y1)/2))
	settle(t, tab)
	assert.True(t, eval[bool](t, tab, `document.getElementById("tip").hidden`))
	assert.Contains(t, text(t, tab, "event"), "Payload\nText\nHex\nGET /poem/7 HTTP/1.1\nHost: poet")
	do(t, tab, chromedp.Click(chromedp.CSS(".payloadbar button:nth-of-type(2)")))
	assert.Contains(t, text(t, tab, "event"), "0000  47 45 54 20 2f 70 6f 65  6d 2f 37 20 48 54 54 50  GET /poem/7 HTTP")

	x0, y0, x1, y1 = where(t, tab, `r.kind[i] === 6`)
	do(t, tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x1, y1))
	settle(t, tab)
	assert.Contains(t, text(t, tab, "tip"), "lost\nTime\n0.575 s\n")
	assert.Contains(t, text(t, tab, "tip"), "Note\npartition")
	x0, y0, x1, y1 = where(t, tab, `r.kind[i] === 8`)
	do(t, tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x0, y0))
	settle(t, tab)
	assert.Contains(t, text(t, tab, "tip"), "crash\nTime\n0.960 s\nTo\npoet")
	do(t, tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 5, 5))
	settle(t, tab)
	assert.True(t, eval[bool](t, tab, `document.getElementById("tip").hidden`))
}

// Everything can be reached with the keyboard, and the selected event is announced.
func TestKeyboard(t *testing.T) {
	tab := openRuns(t, run("faults", traces.Faults()))
	do(t, tab, chromedp.Focus("#plot"))
	key(t, tab, kb.Tab)
	assert.Equal(t, "0.020 s, waits for Accept, reader → poet", text(t, tab, "spoken"))
	key(t, tab, kb.Tab)
	assert.Equal(t, "0.040 s, connected, poet → reader", text(t, tab, "spoken"))
	key(t, tab, kb.Tab, chromedp.KeyModifiers(kb.ModifierShift))
	assert.Equal(t, "0.020 s, waits for Accept, reader → poet", text(t, tab, "spoken"))
	key(t, tab, kb.Escape)
	assert.Empty(t, text(t, tab, "spoken"))
	assert.Equal(t, "plot", eval[string](t, tab, `document.activeElement.id`))

	// After the last event, Tab leaves the diagram.
	for range 41 {
		do(t, tab, chromedp.KeyEvent(kb.Tab))
	}
	assert.Equal(t, "1.245 s, end of the stream arrived, poet → reader, 20 ms under way", text(t, tab, "spoken"))
	key(t, tab, kb.Tab)
	assert.NotEqual(t, "plot", eval[string](t, tab, `document.activeElement.id`))
	key(t, tab, kb.Tab, chromedp.KeyModifiers(kb.ModifierShift))

	do(t, tab, chromedp.Focus("#plot"))
	key(t, tab, "+")
	key(t, tab, "+")
	assert.InDelta(t, 4, zoom(t, tab), 0.01)
	was := left(t, tab)
	key(t, tab, kb.ArrowRight)
	assert.Greater(t, left(t, tab), was)
	key(t, tab, kb.End)
	assert.InDelta(t, 0.75, left(t, tab), 0.001)
	key(t, tab, kb.Home)
	assert.InDelta(t, 0, left(t, tab), 0.001)
	key(t, tab, "-")
	assert.InDelta(t, 2, zoom(t, tab), 0.01)
	key(t, tab, "0")
	assert.InDelta(t, 1, zoom(t, tab), 0.01)
	tall := eval[float64](t, tab, `timeline.layout.tall`)
	key(t, tab, "]")
	assert.InDelta(t, 1.5*tall, eval[float64](t, tab, `timeline.layout.tall`), 0.01)
	key(t, tab, "?")
	assert.True(t, eval[bool](t, tab, `document.getElementById("help").open`))
	key(t, tab, kb.Escape)
	assert.False(t, eval[bool](t, tab, `document.getElementById("help").open`))
	if eval[bool](t, tab, `document.getElementById("panel").hidden`) {
		key(t, tab, "l")
	}
	assert.Contains(t, text(t, tab, "listed"), "in view")
	assert.Greater(t, eval[int](t, tab, `document.querySelectorAll("#events button").length`), 10)
}

// search types into the search box.
func search(t *testing.T, tab *chrome.Tab, query string) {
	t.Helper()
	eval[bool](t, tab, `(document.getElementById("query").value = "", true)`)
	do(t, tab, chromedp.Focus("#query"), chromedp.KeyEvent(query))
	settle(t, tab)
}

// The search finds hosts, connections, kinds, notes and payload.
func TestSearch(t *testing.T) {
	tab := openRuns(t, run("one", traces.Faults()), run("two", traces.Faults()))
	do(t, tab, chromedp.Focus("#plot"))
	key(t, tab, "/")
	assert.Equal(t, "query", eval[string](t, tab, `document.activeElement.id`))
	for _, test := range []struct{ query, found string }{
		{"heart leaps", "12 found"}, // in payloads
		{"WRITER/tcp", "32 found"},
		{"crash", "2 found"},
		{"reset", "2 found"},
		{"nobody", "nothing found"},
		{"stale", "2 found"},
	} {
		search(t, tab, test.query)
		assert.Equal(t, test.found, text(t, tab, "found"), test.query)
	}
	key(t, tab, kb.Enter)
	assert.Equal(t, "1 of 2", text(t, tab, "found"))
	assert.Contains(t, text(t, tab, "event"), "stale")
	assert.Equal(t, 0, eval[int](t, tab, `timeline.view.selected.run.number`))
	key(t, tab, kb.Enter)
	assert.Equal(t, "2 of 2", text(t, tab, "found"))
	assert.Equal(t, 1, eval[int](t, tab, `timeline.view.selected.run.number`))
	key(t, tab, kb.Escape)
	assert.Empty(t, text(t, tab, "found"))
}

// The page is light or dark like the system, until its own switch is used.
func TestDark(t *testing.T) {
	tab := openRuns(t, run("faults", traces.Faults()))
	paper := func() string {
		settle(t, tab)
		return eval[string](t, tab, `timeline.view.theme.paper + " " + getComputedStyle(document.body).backgroundColor`)
	}
	light := paper()
	require.NoError(t, tab.Dark(true))
	dark := paper()
	assert.NotEqual(t, light, dark)
	key(t, tab, "d")
	assert.Equal(t, light, paper())
	key(t, tab, "d")
	assert.Equal(t, dark, paper())
	require.NoError(t, tab.Dark(false))
	assert.Equal(t, dark, paper())
}

// Everything that occurs is in the legend, and can be hidden there.
func TestLegend(t *testing.T) {
	tab := openRuns(t, run("faults", traces.Faults()), run("packets", traces.Packets()))
	assert.Equal(t, []string{"forth", "back", "packet", "again", "window", "wait", "connect", "accept", "close", "reset", "drop", "lost", "fault", "host"},
		eval[[]string](t, tab, `[...document.querySelectorAll("#legend button")].map(b => b.dataset.look)`))
	ink := func() int {
		settle(t, tab)
		return eval[int](t, tab, `(() => {
			const d = `+pixels+`;
			let n = 0;
			for (let i = 0; i < d.length; i += 4) if (d[i] - d[i + 2] > 60) n++;
			return n;
		})()`)
	}
	all := ink()
	do(t, tab, chromedp.Click(chromedp.CSS(`#legend [data-look="back"]`)))
	assert.Less(t, ink(), all*3/4)
	do(t, tab, chromedp.Click(chromedp.CSS(`#legend [data-look="back"]`)))
	assert.Equal(t, all, ink())
}

// The page of a failed run extends to the time at which the failure was found, and
// marks that time.
func TestFailure(t *testing.T) {
	failed := run("faults", traces.Faults())
	failed.Failed = func() (time.Duration, bool) { return time.Minute, true }
	tab := openRuns(t, failed)
	assert.Equal(t, 60.0, eval[float64](t, tab, `timeline.view.runs[0].end / 1e9`))
	assert.Equal(t, "the failure was found", eval[string](t, tab, `document.querySelector("#legend [data-look=failed]").textContent`))
	red := func() int {
		settle(t, tab)
		return eval[int](t, tab, `(() => {
			const d = `+pixels+`, w = timeline.view.width, x = Math.round(w - w * 0.015 / 1.03);
			let n = 0;
			for (let i = 0; i < d.length; i += 4) if (Math.abs(i / 4 % w - x) < 4 && d[i] - d[i + 1] > 90) n++;
			return n;
		})()`)
	}
	assert.Greater(t, red(), 200)
	do(t, tab, chromedp.Click(chromedp.CSS(`#legend [data-look="failed"]`)))
	assert.Zero(t, red())
}

// The page of a damaged trace shows the events that were read, and says that it is
// incomplete.
func TestDamage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(name)
	require.NoError(t, err)
	damage := errors.New("line 42: it is not JSON")
	require.ErrorIs(t, tracepage.WriteHTML(f, tracepage.Options{}, tracepage.Run{Title: "torn", Events: func(yield func(trace.Event, error) bool) {
		yield(trace.Event{At: time.Second, Kind: trace.Fault, Note: "partition"}, nil)
		yield(trace.Event{}, damage)
	}}), damage)
	require.NoError(t, f.Close())
	tab := open(t, name)
	assert.Equal(t, "The trace torn is damaged: line 42: it is not JSON. All events before the damage are shown.", text(t, tab, "warning"))
	assert.Equal(t, 1, eval[int](t, tab, `timeline.view.runs[0].count`))
}

// The page sorts events that are not in the order of time.
func TestOutOfOrder(t *testing.T) {
	events := traces.Faults()
	for i, j := 0, len(events)-1; i < j; i, j = i+1, j-1 {
		events[i], events[j] = events[j], events[i]
	}
	tab := openRuns(t, run("backwards", events))
	do(t, tab, chromedp.Focus("#plot"))
	for _, want := range []string{"0.020 s, waits for Accept, reader → poet", "0.040 s, connected, poet → reader", "0.045 s, waits for Accept, writer → poet"} {
		key(t, tab, kb.Tab)
		assert.Equal(t, want, text(t, tab, "spoken"))
	}
	search(t, tab, "partition")
	key(t, tab, kb.Enter)
	assert.Contains(t, text(t, tab, "spoken"), "0.520 s")
	x, y, _, _ := where(t, tab, `r.kind[i] === 8`)
	do(t, tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
	settle(t, tab)
	assert.Contains(t, text(t, tab, "tip"), "restart") // the first one in the file
}

func TestEmptyPage(t *testing.T) {
	tab := openRuns(t, run("nothing", nil))
	assert.Equal(t, "There are no events.", text(t, tab, "warning"))
	key(t, tab, "+")
	key(t, tab, kb.Tab)
}

// Everything in a trace is shown as text: nothing in a trace runs as script, wherever
// the page shows it.
func TestHostileTrace(t *testing.T) {
	const hostile = `</script><script>hacked=1</script><img src=x onerror=hacked=2><svg onload=hacked=3>"'><!--` + "\u202e\u2028\x00${hacked=4}"
	events := []trace.Event{
		{At: 1, Kind: trace.HostEvent, To: hostile, Note: hostile},
		{At: 2, Kind: trace.Fault, From: hostile, To: hostile, Note: hostile},
		{At: 3, Kind: trace.Data, From: hostile, To: "x" + hostile, Note: hostile, Length: 1000, Payload: hostile, Conn: trace.Conn{Host: hostile, Network: hostile, Number: 1}},
	}
	tab := openRuns(t, tracepage.Run{Title: hostile, Header: trace.Header{Test: hostile, Source: hostile, Go: hostile}, Events: traces.All(events)})
	require.NoError(t, chrome.Call(tab, page.Enable, page.EnableParams{}))
	elements := eval[int](t, tab, `document.querySelectorAll("script, img, svg, iframe").length`)
	do(t, tab, chromedp.Focus("#plot"))
	for range events {
		key(t, tab, kb.Tab)
	}
	assert.Contains(t, text(t, tab, "event"), "<img src=x onerror=hacked=2>")
	for i := range events {
		p := eval[[]float64](t, tab, `timeline.where(0, `+string(rune('0'+i))+`)`)
		do(t, tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, p[2], p[3]))
		settle(t, tab)
		assert.Contains(t, text(t, tab, "tip"), "<svg onload=hacked=3>")
	}
	search(t, tab, "<img src=x")
	assert.Equal(t, "3 found", text(t, tab, "found"))
	assert.Equal(t, "undefined", eval[string](t, tab, `typeof hacked`))
	assert.Equal(t, elements, eval[int](t, tab, `document.querySelectorAll("script, img, svg, iframe").length`))
	assert.Contains(t, eval[string](t, tab, `document.title`), "<script>")
}
