package page

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Options configure a page. The zero Options are fine.
type Options struct {
	// Title is the page's title. Empty means the titles of its runs.
	Title string

	// PayloadBytes is the maximum number of payload bytes to keep for each event, if the
	// trace has payload. 0 means 1024; a negative number means none. A page contains at
	// most 32 MiB of payload; later events have none, and the page says so.
	PayloadBytes int

	// Compare marks in each run the first event that differs from the other runs, says how
	// many events the runs have in common, and links to the marks. Events are equal if everything
	// that [trace.Digest] covers is equal; packets are not compared. The runs are read in
	// parallel, so their Events must be independent of each other. Compare has no effect
	// on fewer than two runs.
	Compare bool
}

// A Run is one trace on a page.
type Run struct {
	Title  string       // such as the file's name
	Header trace.Header // describes the run below the title; may be zero

	// Events yields the events in order, as [trace.Reader.All] does. No events are read
	// after an error.
	Events iter.Seq2[trace.Event, error]

	// Names returns the display name of a connection, or "" for its own name, such as
	// "poet/tcp#3". If Names is nil, all connections have their own names.
	Names func(trace.Conn) string

	// Failed returns the time of a failure, which the page marks, if there was one. It is
	// called after all events have been read, and may be [trace.Reader.Failed]. Nil means
	// none.
	Failed func() (at time.Duration, ok bool)
}

// assets are the parts of the page that are always the same.
//
//go:embed assets
var assets embed.FS

// libraries are the files of d3, in the order of their dependencies.
var libraries = []string{"dispatch", "selection", "drag", "color", "interpolate", "timer", "ease", "transition", "zoom"}

// programs are the files of the page's program, which share one scope, in this order.
var programs = []string{"decode", "model", "lanes", "time", "view", "thin", "draw", "marks", "find", "words", "search", "panel", "legend", "compare", "main"}

// page is the fixed part of the page.
type page struct {
	style, library, program, body, policy, licences string
}

// fixed assembles the fixed part, once.
var fixed = sync.OnceValue(func() (p page) {
	text := func(name string) string {
		data, err := assets.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // the file is embedded
		}
		return string(data)
	}
	p.style, p.body = text("page.css"), text("page.html")
	for _, name := range libraries {
		p.library += text("d3/d3-"+name+".min.js") + "\n"
	}
	p.program = "(() => {\n\"use strict\";\n"
	for _, name := range programs {
		p.program += text("page_" + name + ".js")
	}
	p.program += "})();\n"
	p.licences = "d3 (https://d3js.org), all modules but d3-ease:\n\n" + text("d3/LICENSE.txt") + "\nd3-ease:\n\n" + text("d3/LICENSE-d3-ease.txt")
	p.policy = fmt.Sprintf("default-src 'none'; style-src %s; script-src %s %s; img-src data:; base-uri 'none'; form-action 'none'",
		hashOf(p.style), hashOf(p.library), hashOf(p.program))
	return p
})

// hashOf returns a text's hash in the form of a content security policy.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// WriteHTML writes a page that shows the runs stacked on one time scale. If the events of
// a run end with an error, the page shows the events before it and the error, and
// WriteHTML returns the error after it has written the whole page. An error of w is
// returned immediately.
func WriteHTML(w io.Writer, o Options, runs ...Run) error {
	if o.Title == "" {
		var titles []string
		for _, run := range runs {
			titles = append(titles, run.Title)
		}
		o.Title = strings.Join(titles, ", ")
	}
	switch {
	case o.PayloadBytes == 0:
		o.PayloadBytes = 1024
	case o.PayloadBytes < 0:
		o.PayloadBytes = 0
	}
	p := fixed()
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>%s</title>
<style>%s</style>
</head>
<body>
%s`, p.policy, html.EscapeString(o.Title), p.style, p.body)

	e := encoder{out: out, o: o, left: maxPayload}
	damage := e.runs(runs)
	fmt.Fprintf(out, "<script type=\"text/plain\" id=\"licences\">%s</script>\n<script>%s</script>\n<script>%s</script>\n</body>\n</html>\n",
		p.licences, p.library, p.program)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return errors.Join(damage...)
}
