package simtest

import (
	"fmt"
	"strings"
)

// maxTold is the maximum number of faults that a failure's report lists.
const maxTold = 200

// text returns the faults that happened, as lines of a schedule, so that they can be copied
// from a failure's report. It is empty if there is no Chaos.
func (r *chaosRun) text() string {
	if r == nil {
		return ""
	}
	out := r.outcome()
	var text strings.Builder
	if len(out.schedule) == 0 {
		text.WriteString("no fault of Chaos was carried out.\n")
	} else {
		text.WriteString("these faults were carried out, as in Chaos.Schedule:\n")
	}
	for i := range out.schedule {
		if i == maxTold {
			fmt.Fprintf(&text, "  # and %d more\n", len(out.schedule)-i)
			break
		}
		text.WriteString("  " + out.schedule[i].String() + "\n")
	}
	text.WriteString(out.skippedText())
	return text.String()
}

// skippedText lists the faults of a given schedule that did not happen.
func (out *chaosOutcome) skippedText() string {
	var text strings.Builder
	for i := range out.skipped {
		if i == maxLines {
			fmt.Fprintf(&text, "  # and %d more\n", len(out.skipped)-i)
			break
		}
		fmt.Fprintf(&text, "  # a host did not exist yet: %v\n", out.skipped[i])
	}
	return text.String()
}

// lines describes the faults that are in effect, and says when faults are over.
func (c *chaosState) lines() (lines []string) {
	if c == nil {
		return nil
	}
	for _, f := range c.active {
		lines = append(lines, fmt.Sprintf("%v, until %v", f.scheduledFault, f.end()))
	}
	if !c.isQuiet {
		lines = append(lines, fmt.Sprintf("faults are over at %v", c.quietAt))
	}
	return lines
}
