// Package chrome runs a page in a real browser and observes it.
package chrome

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A Tab is a page in a browser of its own.
type Tab struct {
	ctx context.Context // for chromedp

	mu       sync.Mutex
	problems []string // errors and warnings of the console, and exceptions
	requests []string // requested addresses, except that of the page itself
	page     string
}

// Find returns the browser's path: from the environment variable CHROME, or the path of
// Chromium or Chrome.
func Find() (string, error) {
	if path := os.Getenv("CHROME"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("chromium is missing: install it (apt-get install chromium), or name a browser in the environment variable CHROME")
}

// Open starts a browser with an empty tab, and returns a function that ends it.
func Open(width, height int) (*Tab, func(), error) {
	path, err := Find()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.WindowSize(width, height))
	allocator, endBrowser := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endTab := chromedp.NewContext(allocator)
	tab := &Tab{ctx: ctx}
	end := func() { endTab(); endBrowser() }
	err = chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), int64(height)))
	if err == nil {
		err = chromedp.Listen(ctx, tab.listen)
	}
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	}
	if err != nil {
		end()
		return nil, nil, fmt.Errorf("the browser %s does not start: %w", path, err)
	}
	return tab, end, nil
}

func (t *Tab) listen(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		t.problems = append(t.problems, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeLog {
			text := string(e.Type)
			for _, arg := range e.Args {
				text += " " + string(arg.Value)
			}
			t.problems = append(t.problems, text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			t.problems = append(t.problems, e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if e.Request.URL != t.page && !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "blob:") {
			t.requests = append(t.requests, e.Request.URL)
		}
	}
}

// Load opens a file and waits until the page has drawn it.
func (t *Tab) Load(file string) error {
	t.mu.Lock()
	t.page = "file://" + file
	t.mu.Unlock()
	return t.Do(chromedp.Navigate("file://"+file), chromedp.WaitReady("html[data-loaded]"))
}

// limit is the maximum time of any action.
const limit = time.Minute

// Do runs actions in the tab.
func (t *Tab) Do(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// Get runs an action in the tab that has a result.
func Get[T any](t *Tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// Call calls a command of the DevTools protocol.
func Call[P, R any](t *Tab, command cdp.Command[P, R], params P) error {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	_, err := chromedp.Call(ctx, command, params)
	return err
}

// Busy returns the processor time that the page's thread has used so far: for functions
// that the browser calls (timers, frames and events), and for everything, which includes
// other script, style, layout, and painting if there is no GPU. It does not grow while
// other programs use the processor.
func (t *Tab) Busy() (script, all time.Duration, err error) {
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	metrics, err := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		return 0, 0, err
	}
	values := map[string]time.Duration{}
	for _, m := range metrics.Metrics {
		values[m.Name] = time.Duration(m.Value * float64(time.Second))
	}
	script, all = values["ScriptDuration"], values["TaskDuration"]
	if script == 0 || all == 0 {
		return 0, 0, errors.New("the browser reports no ScriptDuration or no TaskDuration")
	}
	return script, all, nil
}

// Dark sets the system's color scheme to dark or light.
func (t *Tab) Dark(dark bool) error {
	value := "light"
	if dark {
		value = "dark"
	}
	return Call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
}

// Problems returns the errors so far.
func (t *Tab) Problems() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.problems...)
}

// Requests returns the requested addresses.
func (t *Tab) Requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.requests...)
}
