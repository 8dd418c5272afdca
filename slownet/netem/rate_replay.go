package netem

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Replay is a recording of the times at which a real link, such as a mobile
// phone's, passed bytes. It starts over at its end.
type Replay struct {
	slots []time.Duration // in which slotSize bytes may pass
}

// slotSize is the number of bytes that may pass in a slot.
const slotSize = 1500

// ParseReplay parses a recording in mahimahi's format: each line is a whole
// number of milliseconds since the start, at which 1,500 bytes may pass. A
// repeated number allows 1,500 bytes each time. The numbers must not decrease.
// The last number is the length of the recording. Empty lines and lines that
// begin with # are ignored.
//
// All bytes that wait at a number's time share its 1,500 bytes; the part that
// they leave unused is lost, as in mahimahi.
func ParseReplay(r io.Reader) (*Replay, error) {
	replay := &Replay{}
	lines := bufio.NewScanner(r)
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		ms, err := strconv.ParseUint(line, 10, 63)
		if err != nil {
			err = fmt.Errorf("%.40q cannot be used: it must be %s", line, validSlot)
		} else {
			err = replay.add(int64(ms))
		}
		if err != nil {
			return nil, fmt.Errorf("netem: replay, line %d: %w", number, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("netem: replay, line %d is longer than a number of milliseconds can be", number+1)
	case err != nil:
		return nil, fmt.Errorf("netem: replay, after line %d: %w", number, err)
	}
	if err := replay.end(); err != nil {
		return nil, fmt.Errorf("netem: replay: %w", err)
	}
	return replay, nil
}

const validSlot = "a whole number of milliseconds since the start"

// add adds a slot after all others.
func (r *Replay) add(ms int64) error {
	switch at := time.Duration(ms) * time.Millisecond; {
	case ms < 0 || ms > int64(timeline.End/2/time.Millisecond):
		return fmt.Errorf("%d cannot be used: it must be %s", ms, validSlot)
	case len(r.slots) > 0 && at < r.duration():
		return fmt.Errorf("%d comes after %d: they must be in order", ms, r.duration().Milliseconds())
	default:
		r.slots = append(r.slots, at)
		return nil
	}
}

// end is called after the last slot.
func (r *Replay) end() error {
	switch {
	case len(r.slots) == 0:
		return errors.New("it is empty: it must have one number of milliseconds or more")
	case r.duration() == 0:
		return errors.New("it takes no time: the last number must be 1 or more")
	case int64(len(r.slots)) > int64(r.duration()/2): // else the number of a slot could overflow
		return fmt.Errorf("it passes %d bytes %d times in %v: at most %d times are possible", slotSize, len(r.slots), r.duration(), int64(r.duration()/2))
	}
	r.slots = slices.Clip(r.slots)
	return nil
}

// duration returns the length of the recording.
func (r *Replay) duration() time.Duration { return r.slots[len(r.slots)-1] }

// milliseconds returns the slots as ParseReplay reads them.
func (r *Replay) milliseconds() []int64 {
	all := make([]int64, len(r.slots))
	for i, slot := range r.slots {
		all[i] = slot.Milliseconds()
	}
	return all
}

// MeanRate returns the average rate of the recording.
func (r *Replay) MeanRate() Rate {
	if len(r.slots) == 0 {
		return 0
	}
	return Rate(float64(len(r.slots)) * slotSize * 8 / r.duration().Seconds())
}

// at returns the time of a slot. Slots are numbered from 0 through all rounds.
func (r *Replay) at(slot int64) time.Duration {
	round, index := slot/int64(len(r.slots)), slot%int64(len(r.slots))
	if round > int64(timeline.End/r.duration())-1 {
		return timeline.End
	}
	return time.Duration(round)*r.duration() + r.slots[index]
}

// next returns the first slot at or after the given time.
func (r *Replay) next(now time.Duration) int64 {
	// A round ends with its last slot; bytes that come at that very time can
	// still use it.
	round := max(0, (now-1)/r.duration())
	within := now - round*r.duration()
	index := sort.Search(len(r.slots), func(i int) bool { return r.slots[i] >= within })
	return int64(round)*int64(len(r.slots)) + int64(index)
}
