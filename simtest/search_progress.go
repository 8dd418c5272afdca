package simtest

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A searchProgress shows the progress of a search: as a bar on a terminal, line by line
// elsewhere. It shows nothing for the first two seconds.
type searchProgress struct {
	file     *os.File
	terminal bool
	bar      *progressbar.ProgressBar
	last     time.Duration // time of the last printed line
}

const (
	quietFor    = 2 * time.Second
	barEvery    = 200 * time.Millisecond
	lineEvery   = 10 * time.Second
	progressMax = 1000 // of the bar
)

// newProgress returns the progress of a search.
func newProgress(file *os.File) *searchProgress {
	return &searchProgress{file: file, terminal: term.IsTerminal(int(file.Fd()))}
}

// every returns the interval at which to call show.
func (p *searchProgress) every() time.Duration {
	if p.terminal {
		return barEvery
	}
	return time.Second
}

// show shows the progress of the search.
func (p *searchProgress) show(s searchStanding) {
	switch {
	case s.took < quietFor:
	case !p.terminal:
		if p.last == 0 || s.took-p.last >= lineEvery-time.Second/2 {
			p.last = s.took
			fmt.Fprintf(p.file, "simtest: %s: %v\n", s.test, s)
		}
	default:
		if p.bar == nil {
			p.bar = progressbar.NewOptions(progressMax,
				progressbar.OptionSetWriter(p.file), progressbar.OptionClearOnFinish(),
				progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
				progressbar.OptionSetWidth(20))
		}
		p.bar.Describe(s.String())
		_ = p.bar.Set(int(s.share * (progressMax - 1))) // the last step would end the bar
	}
}

// end removes the bar.
func (p *searchProgress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
