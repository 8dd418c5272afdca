package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/chromedp/chromedp"
)

// A bug is a bug in examples/bugs, with the picture of its replay.
type bug struct {
	name     string
	from, to float64 // in seconds
	search   string
	height   int
}

// bugs makes a picture of the replay of each bug, as a user who sees its failure would:
// it runs the test with its bug and SIMTEST_TRACE, makes a page of the resulting trace,
// and searches for a text.
func bugs(to, work string) error {
	for _, b := range []bug{
		{"register", 10.13, 11.36, `"Number":10`, 760},
		{"payments", 49.8, 59, "invoice 21", 460},
		{"pool", 28, 62, "reset", 620},
	} {
		file, err := replay(b.name, filepath.Join(work, b.name))
		if err == nil {
			err = shoot(filepath.Join(to, "bug-"+b.name+".png"), file, 1100, b.height, false, []chromedp.Action[chromedp.Void]{
				chromedp.Focus("#query"), chromedp.KeyEvent(b.search), chromedp.WaitVisible("#hits"),
				chromedp.Focus("#plot"), chromedp.Evaluate[chromedp.Void](fmt.Sprintf("(timeline.show(%ge9, %ge9), {})", b.from, b.to)),
			})
		}
		if err != nil {
			return fmt.Errorf("the bug of %s: %w", b.name, err)
		}
	}
	return nil
}

// replay runs the replay of a bug, which fails, and returns a page of its trace.
func replay(name, work string) (file string, err error) {
	folder := filepath.Join("..", "examples", "bugs", name)
	replays, err := filepath.Glob(filepath.Join(folder, "testdata", "simtest", "*", "*.replay"))
	if err != nil || len(replays) != 1 {
		return "", fmt.Errorf("it has %d replays: %w", len(replays), err)
	}
	path, err := filepath.Abs(replays[0])
	if err != nil {
		return "", err
	}
	test := exec.Command("go", "test", "-count=1", "-run", "^"+filepath.Base(filepath.Dir(path))+"$", ".")
	test.Dir = folder
	test.Env = append(os.Environ(), "EXAMPLE_BUG=1", "SIMTEST_REPLAY="+path, "SIMTEST_TRACE="+work)
	output, _ := test.CombinedOutput() // it fails
	traces, err := filepath.Glob(filepath.Join(work, "*.trace.gz"))
	if err != nil || len(traces) != 1 {
		return "", fmt.Errorf("there are %d traces (%v): %s", len(traces), err, output)
	}
	file = filepath.Join(work, name+".html")
	report := exec.Command("go", "run", "github.com/slowpoetry/slowpoetry/cmd/slownet", "report", traces[0], "-o", file)
	report.Dir = ".."
	if output, err := report.CombinedOutput(); err != nil {
		return "", fmt.Errorf("slownet report: %w: %s", err, output)
	}
	return file, nil
}
