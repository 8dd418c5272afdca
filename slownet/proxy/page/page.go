// Package page is a page for a browser that uses a proxy's API. It shows proxies, their
// live connections and rates, and sets links, toxics and faults.
//
//	api := &proxy.API{Server: server}
//	page.Add(api)
//
// The page is one document that makes no requests except to the API. Names are always
// rendered as text. Its Content-Security-Policy forbids other scripts, and framing by
// other pages.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"

	"github.com/slowpoetry/slowpoetry/slownet/proxy"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/capture"
)

var (
	//go:embed assets/page.html
	document string
	//go:embed assets/style.css
	style string
	//go:embed assets/script.js
	script string
)

// Add gives an API the page at / and packet captures of recordings. It must be
// called before the API handles its first request.
func Add(api *proxy.API) {
	api.Page = Handler()
	api.Capture = func(w io.Writer, h trace.Header, events iter.Seq2[trace.Event, error]) error {
		return capture.WritePCAPNG(w, events, capture.Options{Header: h})
	}
}

// Handler answers every request with the page.
func Handler() http.Handler { return http.HandlerFunc(serve) }

// whole is the document with its style and script, and the policy that allows only
// these two.
var whole = sync.OnceValues(func() (text, policy string) {
	text = strings.NewReplacer("/*style*/", style, "/*script*/", script).Replace(document)
	policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; img-src data:; " +
		"script-src " + source(script) + "; style-src " + source(style) + "; require-trusted-types-for 'script'"
	return text, policy
})

// source returns the policy source for an inline script or style.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func serve(w http.ResponseWriter, _ *http.Request) {
	text, policy := whole()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(w, text)
}
