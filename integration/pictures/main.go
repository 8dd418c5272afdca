// Command pictures makes the pictures of the documentation: it opens pages in a real
// browser. Run it in integration/:
//
//	go run ./pictures
//
// It writes to docs/pictures of the repository, or to the directory given as its
// argument.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/slowpoetry/slowpoetry/integration/browser/chrome"
	"github.com/slowpoetry/slowpoetry/integration/browser/traces"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

func main() {
	to := filepath.Join("..", "docs", "pictures")
	if len(os.Args) > 1 {
		to = os.Args[1]
	}
	if err := make(to); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func make(to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "pictures")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	file := func(name string) string { return filepath.Join(work, name+".html") }

	demo := exec.Command("go", "run", "github.com/slowpoetry/slowpoetry/cmd/slownet", "demo", "--html", file("demo"))
	demo.Dir, demo.Stderr = "..", os.Stderr
	if err := demo.Run(); err != nil {
		return fmt.Errorf("slownet demo: %w", err)
	}
	for name, run := range map[string]page.Run{
		"faults":  {Title: "A crash and a partition", Events: traces.All(traces.Faults())},
		"packets": {Title: "A lost packet", Events: traces.All(traces.Packets())},
		"many":    {Title: "10,000 connections", Events: traces.Many(1_000_000, 10_000)},
	} {
		if err := write(file(name), page.Options{}, run); err != nil {
			return err
		}
	}
	first, second := traces.Parted()
	if err := write(file("compare"), page.Options{Compare: true},
		page.Run{Title: "first run", Events: traces.All(first)}, page.Run{Title: "second run", Events: traces.All(second)}); err != nil {
		return err
	}
	for _, p := range []struct {
		name, file    string
		width, height int
		dark          bool
		actions       []chromedp.Action[chromedp.Void]
	}{
		{"demo", "demo", 1100, 620, false, nil},
		{"demo-dark", "demo", 1100, 620, true, nil},
		{"faults", "faults", 1100, 520, false, []chromedp.Action[chromedp.Void]{chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 690, 316)}},
		{"packets", "packets", 1100, 400, false, nil},
		{"many", "many", 900, 420, false, nil},
		{"compare", "compare", 1100, 700, false, nil},
	} {
		if err := shoot(filepath.Join(to, p.name+".png"), file(p.file), p.width, p.height, p.dark, p.actions); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return bugs(to, work)
}

func write(name string, o page.Options, runs ...page.Run) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return page.WriteHTML(f, o, runs...)
}

// shoot makes a picture of a page.
func shoot(name, file string, width, height int, dark bool, actions []chromedp.Action[chromedp.Void]) error {
	tab, end, err := chrome.Open(width, height)
	if err != nil {
		return err
	}
	defer end()
	if err := tab.Dark(dark); err != nil {
		return err
	}
	if err := tab.Load(file); err != nil {
		return fmt.Errorf("%w %q", err, tab.Problems())
	}
	if err := tab.Do(append(actions, chromedp.Sleep(500*time.Millisecond))...); err != nil {
		return err
	}
	png, err := chrome.Get(tab, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	if problems := tab.Problems(); len(problems) > 0 {
		return fmt.Errorf("the page says: %q", problems)
	}
	return os.WriteFile(name, png, 0o644)
}
