// Package proxypage_test checks the page of slownet/proxy/page in a real browser. It
// needs Chromium or Chrome, and fails without it.
package proxypage_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/browser/chrome"
	"github.com/slowpoetry/slowpoetry/integration/internal/apitest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
	"github.com/slowpoetry/slowpoetry/slownet/proxy/page"
)

// serve serves the API with its page, for a server with a proxy for an echo server.
func serve(t *testing.T, name string) (at string, p *proxy.Proxy) {
	api := &proxy.API{Server: &proxy.Server{Seed: 1}}
	page.Add(api)
	at, echo := apitest.Serve(t, api)
	p, err := api.Server.Add(proxy.Config{Name: name, Listen: "127.0.0.1:0", Upstream: echo})
	require.NoError(t, err)
	return at, p
}

// open opens the page. By the end of the test, the page must not have logged an error, or
// requested anything except the API.
func open(t *testing.T, at string, width, height int) *chrome.Tab {
	t.Helper()
	tab, end, err := chrome.Open(width, height)
	require.NoError(t, err)
	t.Cleanup(end)
	load(t, tab, at)
	t.Cleanup(func() {
		assert.Empty(t, tab.Problems(), "in the console")
		for _, request := range tab.Requests() {
			assert.True(t, strings.HasPrefix(request, at+"/"), request)
		}
	})
	return tab
}

func load(t *testing.T, tab *chrome.Tab, at string) {
	t.Helper()
	do(t, tab, chromedp.Navigate(at+"/"), chromedp.WaitReady("html[data-loaded]"))
}

func do(t *testing.T, tab *chrome.Tab, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, tab.Do(actions...))
}

// eval returns the value of a JavaScript expression, or of its promise.
func eval[T any](t *testing.T, tab *chrome.Tab, expression string) T {
	t.Helper()
	value, err := chrome.Get(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err, expression)
	return value
}

// text returns the text of the first element that a selector finds, or "" if there is none
// yet.
func text(t *testing.T, tab *chrome.Tab, selector string) string {
	t.Helper()
	return eval[string](t, tab, fmt.Sprintf(`document.querySelector(%q)?.textContent ?? ""`, selector))
}

// becomes waits until an element has a text.
func becomes(t *testing.T, tab *chrome.Tab, selector, want string) {
	t.Helper()
	is := ""
	require.Eventually(t, func() bool { is = text(t, tab, selector); return strings.Contains(is, want) }, 10*time.Second, 20*time.Millisecond, "%s becomes %q", selector, want)
}

// reach presses Tab until an element has the focus, which must be visible.
func reach(t *testing.T, tab *chrome.Tab, selector string) {
	t.Helper()
	for range 60 {
		if eval[bool](t, tab, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			assert.NotEqual(t, "none", eval[string](t, tab, `getComputedStyle(document.activeElement).outlineStyle`), selector)
			return
		}
		do(t, tab, chromedp.KeyEvent(kb.Tab))
	}
	require.Fail(t, "the Tab key does not reach "+selector)
}

func dial(t *testing.T, p *proxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Config().Listen)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// roundTrip returns the round-trip time of a byte.
func roundTrip(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	require.NoError(t, conn.SetDeadline(start.Add(10*time.Second)))
	_, err := conn.Write([]byte{1})
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	require.NoError(t, err)
	return time.Since(start)
}

// A user without a mouse sets a link, a partition and a toxic, and removes all of
// them. They affect an existing connection.
func TestKeyboard(t *testing.T) {
	at, p := serve(t, "db")
	conn := dial(t, p)
	roundTrip(t, conn)
	tab := open(t, at, 1200, 800)
	assert.Equal(t, "db", text(t, tab, "section.proxy h2"))
	assert.Equal(t, "1", text(t, tab, ".live"))

	reach(t, tab, "[name=latency]")
	do(t, tab, chromedp.KeyEvent("150ms"+kb.Enter))
	becomes(t, tab, "#said", "db: the link is set.")
	assert.Equal(t, proxy.Link{Link: netem.Link{Latency: 150 * time.Millisecond}}, p.Config().Toxics[0].Attributes)
	took := roundTrip(t, conn)
	assert.GreaterOrEqual(t, took, 300*time.Millisecond)
	assert.Less(t, took, 3*time.Second)
	becomes(t, tab, ".links", "both: latency 150ms")

	reach(t, tab, "[data-do=removeLinks]")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, "#said", "db: the link is removed.")
	assert.Empty(t, p.Config().Toxics)

	reach(t, tab, "[data-do=partition]")
	do(t, tab, chromedp.KeyEvent(" "))
	becomes(t, tab, ".state", "partitioned")
	_, err := conn.Write([]byte("held"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err, "nothing passes")
	becomes(t, tab, "[data-do=partition]", "End the partition")
	do(t, tab, chromedp.KeyEvent(" ")) // the focus is still on the button
	becomes(t, tab, "#said", "db: the partition is over.")
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	held := make([]byte, 4)
	_, err = io.ReadFull(conn, held)
	require.NoError(t, err)
	assert.Equal(t, "held", string(held))

	reach(t, tab, ".toxics summary")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	reach(t, tab, "[name=type]")
	do(t, tab, chromedp.KeyEvent("slicer"))
	reach(t, tab, "[name=average_size]")
	do(t, tab, chromedp.KeyEvent("70"+kb.Enter)) // the old value is selected, and replaced
	becomes(t, tab, ".toxics .count", "1")
	assert.Equal(t, proxy.Slicer{AverageSize: 70, SizeVariation: 16, Delay: time.Millisecond}, p.Config().Toxics[0].Attributes)
	reach(t, tab, "[data-do=editToxic]")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	reach(t, tab, "[name=size_variation]")
	do(t, tab, chromedp.KeyEvent("3"+kb.Enter))
	becomes(t, tab, "#said", "slicer_downstream is changed.")
	assert.Equal(t, proxy.Slicer{AverageSize: 70, SizeVariation: 3, Delay: time.Millisecond}, p.Config().Toxics[0].Attributes)
	do(t, tab, chromedp.Focus(".toxics summary"))
	reach(t, tab, "[data-do=removeToxic]")
	do(t, tab, chromedp.KeyEvent(" "))
	becomes(t, tab, ".toxics .count", "0")

	reach(t, tab, ".connections summary")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, ".connections tbody", conn.LocalAddr().String())
	reach(t, tab, "[data-do=resetConn]")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, "#said", "db: connection 1 was reset.")
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)

	reach(t, tab, "[data-do=enable]")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, ".state", "disabled")
	assert.True(t, p.Config().Disabled)

	reach(t, tab, "#adding summary")
	do(t, tab, chromedp.KeyEvent(kb.Enter+kb.Tab+"second"+kb.Tab+"127.0.0.1:0"+kb.Tab+"127.0.0.1:1"+kb.Enter))
	becomes(t, tab, "#said", "second is added.")
	becomes(t, tab, "section.proxy:nth-of-type(2) h2", "second")
	reach(t, tab, "#reset")
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, "#said", "All proxies are enabled")
	assert.False(t, p.Config().Disabled)
	do(t, tab, chromedp.Focus("section.proxy:nth-of-type(2) [data-do=remove]"), chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, "#said", "second: removed.")
	assert.Eventually(t, func() bool {
		return eval[int](t, tab, `document.querySelectorAll("section.proxy").length`) == 1
	}, 10*time.Second, 50*time.Millisecond, "the page shows one proxy when it is drawn next")
}

// A profile is chosen by name, errors are shown, rates are shown, and a recording gives
// a trace and a capture.
func TestProfilesAndRecordings(t *testing.T) {
	at, p := serve(t, "db")
	conn := dial(t, p)
	tab := open(t, at, 1200, 800)
	set := func(field, value string) {
		t.Helper()
		eval[bool](t, tab, fmt.Sprintf(`((e, v) => { e.value = v; e.dispatchEvent(new Event("change")); return true; })(document.querySelector("form.link").elements[%q], %q)`, field, value))
	}
	click := func(selector string) { t.Helper(); do(t, tab, chromedp.Click(chromedp.CSS(selector))) }
	set("profile", "webpagetest/3gfast")
	assert.True(t, eval[bool](t, tab, `document.querySelector("[name=latency]").disabled`))
	click("form.link .bar button")
	becomes(t, tab, "#said", "the link is set")
	becomes(t, tab, ".links", "profile webpagetest/3gfast")
	assert.Equal(t, "webpagetest/3gfast", p.Config().Toxics[0].Attributes.(proxy.Link).Profile.Name)
	assert.GreaterOrEqual(t, roundTrip(t, conn), 150*time.Millisecond)

	// Fields replace the profile in the same toxic, and fields for one direction replace
	// fields for both.
	set("profile", "")
	set("rate", "8Mbit/s")
	click("form.link .bar button")
	becomes(t, tab, ".links", "both: rate 8Mbit/s")
	set("stream", "downstream")
	set("rate", "16Mbit/s")
	set("latency", "5ms")
	click("form.link .bar button")
	becomes(t, tab, ".links", "downstream: latency 5ms, rate 16Mbit/s")
	require.Len(t, p.Config().Toxics, 1)
	assert.Equal(t, "down", p.Config().Toxics[0].Name)

	click("[data-do=removeLinks]")
	becomes(t, tab, ".links", "There is none")
	click(".recording summary")
	eval[bool](t, tab, `(document.querySelector("[name=payloads]").value = "-1", true)`)
	click("[data-do=record]")
	becomes(t, tab, ".recorded", "running")
	fresh := dial(t, p)
	_, err := fresh.Write(make([]byte, 300_000))
	require.NoError(t, err)
	_, err = io.ReadFull(fresh, make([]byte, 300_000))
	require.NoError(t, err)
	assert.Regexp(t, `^[\d.]+ kB, [\d.]+ kB/s$`, func() string { becomes(t, tab, ".up", "kB/s"); return text(t, tab, ".up") }())
	becomes(t, tab, "[data-do=record]", "Stop")
	click("[data-do=record]")
	becomes(t, tab, "[data-do=record]", "Record")
	for kind, begins := range map[string]string{"trace": `{"format"`, "capture": "\n\r\r\n"} {
		got := eval[string](t, tab, `fetch(document.querySelector("a.`+kind+`").href).then(r => r.ok ? r.text() : r.status + "")`)
		assert.Equal(t, begins, got[:min(len(begins), len(got))], kind)
	}
	click("[data-do=forget]")
	becomes(t, tab, "#said", "the recording is deleted")
	assert.Zero(t, p.Recording().Events)
}

// An error is shown, and stays until the next action.
func TestErrors(t *testing.T) {
	at, _ := serve(t, "db")
	tab, end, err := chrome.Open(800, 600)
	require.NoError(t, err)
	defer end()
	load(t, tab, at)
	do(t, tab, chromedp.Focus("[name=latency]"), chromedp.KeyEvent("soon"+kb.Enter))
	becomes(t, tab, "#failed", `latency: duration "soon" cannot be read`)
	time.Sleep(1500 * time.Millisecond)
	becomes(t, tab, "#failed", "soon")
	problems := tab.Problems()
	require.Len(t, problems, 1, "the browser's own note about the status")
	assert.Contains(t, problems[0], "400")
	do(t, tab, chromedp.Focus("[name=rate]"), chromedp.KeyEvent("1Mbit/s"))
	eval[string](t, tab, `document.querySelector("[name=latency]").value = ""`)
	do(t, tab, chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, "#said", "the link is set")
	assert.Empty(t, text(t, tab, "#failed"))
}

// The page shows what happens to clients when the upstream is dead, and that it is dead.
func TestDeadUpstream(t *testing.T) {
	at, p := serve(t, "db")
	tab := open(t, at, 800, 600)
	becomes(t, tab, ".dead", "When the upstream is dead, clients are reset.")
	status := eval[int](t, tab, `fetch("/proxies/db", {method: "PATCH", body: '{"upstream": "127.0.0.1:1", "deadUpstream": "refuse"}'}).then(r => r.status)`)
	require.Equal(t, 200, status)
	becomes(t, tab, ".dead", "When the upstream is dead, clients are refused.")
	_, err := dial(t, p).Read(make([]byte, 1))
	require.Error(t, err)
	becomes(t, tab, ".dead", "The upstream is dead, and clients are refused: dial tcp 127.0.0.1:1: ")
}

const hostile = `</script><script>hacked=1</script><img src=x onerror=hacked=2><svg onload=hacked=3>"'><!--` + "\u202e\u2028/?#%2e"

// Names are always shown as text, never as HTML, and the whole page works with unusual
// names. On a narrow screen nothing is cut off; in light and dark mode everything is
// legible and labelled.
func TestHostileNamesNarrowAndDark(t *testing.T) {
	at, p := serve(t, hostile)
	_, err := p.AddToxic(proxy.Toxic{Name: hostile, Toxicity: 1, Attributes: proxy.Latency{}})
	require.NoError(t, err)
	conn := dial(t, p)
	roundTrip(t, conn)
	p.Record(proxy.Recording{Enabled: true})
	roundTrip(t, conn)
	tab := open(t, at, 400, 800)
	eval[int](t, tab, `(document.querySelectorAll("details").forEach(d => d.open = true), 0)`)
	becomes(t, tab, ".connections tbody", conn.LocalAddr().String())
	assert.Equal(t, hostile, text(t, tab, "section.proxy h2"))
	assert.Contains(t, text(t, tab, ".toxics li"), "<img src=x onerror=hacked=2>")
	assert.Empty(t, eval[[]string](t, tab, `[...document.querySelectorAll("body *")].filter(e =>
		!e.parentElement.closest(".table, .hidden") && e.getBoundingClientRect().right > 400).map(e => e.outerHTML.slice(0, 80))`), "cut off")
	assert.LessOrEqual(t, eval[int](t, tab, `document.documentElement.scrollWidth`), 400)

	unlabelled := eval[[]string](t, tab, `[...document.querySelectorAll("input, select, button, a, [role=region]")].filter(e =>
		!(e.getAttribute("aria-label") ?? (e.labels?.length ? e.labels[0].textContent : e.textContent)).trim()).map(e => e.outerHTML)`)
	assert.Empty(t, unlabelled)
	low := `(() => {
		const luminance = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
		const color = s => s.match(/[\d.]+/g).map(Number);
		const behind = e => { for (; e; e = e.parentElement) { const c = color(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
		return [...document.querySelectorAll("body *")].filter(e => e.offsetParent && !e.disabled && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).filter(e => {
			const [a, b] = [color(getComputedStyle(e).color), behind(e)].map(c => luminance(c.slice(0, 3))).sort((a, b) => b - a);
			return (a + 0.05) / (b + 0.05) < 4.5;
		}).map(e => e.outerHTML.slice(0, 80));
	})()`
	light := eval[string](t, tab, `getComputedStyle(document.body).backgroundColor`)
	assert.Empty(t, eval[[]string](t, tab, low))
	require.NoError(t, tab.Dark(true))
	assert.NotEqual(t, light, eval[string](t, tab, `getComputedStyle(document.body).backgroundColor`))
	assert.Empty(t, eval[[]string](t, tab, low))

	do(t, tab, chromedp.Focus("[data-do=removeToxic]"), chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, ".toxics .count", "0")
	assert.Empty(t, p.Config().Toxics)
	do(t, tab, chromedp.Focus("[name=latency]"), chromedp.KeyEvent("2ms"+kb.Enter))
	becomes(t, tab, ".links", "latency 2ms")
	assert.Equal(t, 200, eval[int](t, tab, `fetch(document.querySelector("a.trace").href).then(r => r.status)`))
	do(t, tab, chromedp.Focus("[data-do=remove]"), chromedp.KeyEvent(kb.Enter))
	becomes(t, tab, "#none", "There are no proxies")
	assert.Equal(t, "undefined", eval[string](t, tab, `typeof hacked`))
	assert.Equal(t, "0 1", eval[string](t, tab, `document.querySelectorAll("img, svg, iframe").length + " " + document.querySelectorAll("script").length`))
}

// Pages of other origins are refused, and so is the API's own address under an unknown
// name, as with DNS rebinding.
func TestOtherOrigins(t *testing.T) {
	at, p := serve(t, "db")
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!DOCTYPE html><title>stranger</title><iframe id=f src="`+at+`/"></iframe>
<form id=form method=post enctype="text/plain" target=g action="`+at+`/proxies/db"><input name='{"enabled":false,"x":"' value='"}'></form><iframe name=g></iframe>`)
	}))
	defer stranger.Close()
	tab, end, err := chrome.Open(800, 600)
	require.NoError(t, err)
	defer end()
	u, err := url.Parse(stranger.URL)
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost"} { // of the same site, and of another
		do(t, tab, chromedp.Navigate("http://"+host+":"+u.Port()+"/"), chromedp.WaitReady("#form"))
		for _, request := range []string{
			`{}`, `{mode: "no-cors"}`, `{method: "POST", mode: "no-cors", body: '{"enabled":false}'}`, `{method: "DELETE"}`,
			`{method: "POST", headers: {"Content-Type": "application/json"}, body: '{"enabled":false}'}`,
		} {
			got := eval[string](t, tab, `fetch("`+at+`/proxies/db", `+request+`).then(r => r.text(), e => "refused")`)
			assert.NotContains(t, got, "upstream", "%s: %s", host, request)
		}
		eval[int](t, tab, `(document.getElementById("form").submit(), 0)`)
		assert.Never(t, func() bool { return p.Config().Disabled }, 300*time.Millisecond, 20*time.Millisecond, "a form of another site")
	}
	require.NotNil(t, proxyOf(t, at), "the proxy still exists")

	rebound := strings.Replace(at, "127.0.0.1", "rebound.localhost", 1) // browsers resolve this to this machine
	do(t, tab, chromedp.Navigate(rebound+"/"))
	body := eval[string](t, tab, `document.body.textContent`)
	assert.Contains(t, body, `"status":403`)
	assert.Contains(t, body, "rebound.localhost")
	got := eval[string](t, tab, `fetch("/proxies/db", {method: "DELETE"}).then(r => r.text())`)
	assert.Contains(t, got, `"status":403`)
	require.NotNil(t, proxyOf(t, at))

	load(t, tab, strings.Replace(at, "127.0.0.1", "localhost", 1))
	assert.Equal(t, "db", text(t, tab, "section.proxy h2"))
}

// proxyOf requests the proxies as a client that is not a browser.
func proxyOf(t *testing.T, at string) any {
	t.Helper()
	answer, err := http.Get(at + "/proxies")
	require.NoError(t, err)
	defer answer.Body.Close()
	var all map[string]any
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&all))
	return all["db"]
}
