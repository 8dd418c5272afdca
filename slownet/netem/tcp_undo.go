package netem

import "time"

// An undo is what is needed to undo the reduction of the window if it turns out that
// nothing was lost.
type undo struct {
	canUndo     bool
	start       int64         // the oldest byte that was not acknowledged at the reduction
	retransmits int           // sent since the reduction or in flight then, and not known to be spurious
	firstResent time.Duration // time of the first of them that may be in flight; 0 for none
	window      int           // before the reduction
	threshold   int           // before the reduction
}

// undoable returns the undo of a reduction that is about to be made.
func (s *sender) undoable() undo {
	u := undo{
		canUndo: true, start: s.una, retransmits: int(s.queue.resent), firstResent: s.episode.firstResent,
		window: s.window.size, threshold: s.window.threshold,
	}
	if s.probe.end != 0 && s.probe.resent {
		u.retransmits++
	}
	return u
}

// duplicated processes the report that a segment has arrived twice (RFC 2883). It returns
// false if the network must have duplicated it: there are more such reports than
// retransmissions.
func (s *sender) duplicated(b Block) bool {
	board := s.queue.ensureScoreboard()
	if board.duplicates++; board.duplicates > board.resends {
		return false
	}
	if b.End != s.probe.end { // loss probes are not sent because of RACK
		s.rack.duplicated(b.Start, s.nxt)
	}
	e := s.episode
	if b.End > s.una {
		n := s.queue.find(b.Start)
		if n == s.queue.last || !s.queue.at(n).again {
			return true // it was sent once
		}
		if s.queue.at(n).state == isSacked {
			s.rack.reordered = true
		}
	} else if e != nil && b.End <= e.start {
		return true // it was retransmitted before the reduction, if at all
	}
	if e != nil && e.canUndo && e.retransmits > 0 {
		e.retransmits--
	}
	return true
}

// reconsider ends recovery when everything that was sent before it is acknowledged, and
// undoes a reduction when nothing was lost: either all retransmissions are reported as
// duplicates (RFC 3708), or an acknowledgement that makes progress was triggered by a
// segment sent before the first retransmission (RFC 3522).
func (s *sender) reconsider(p *Segment, progress bool) {
	s.onlyNew = false
	e := s.episode
	if e == nil || !e.canUndo {
		return
	}
	allTwice := e.retransmits == 0
	isLate := progress && e.firstResent > 0 && p.TSEcr < e.firstResent
	isOver := s.una >= e.end
	switch {
	case s.recovery == open:
		if allTwice {
			s.undo()
		}
	case s.recovery == inLoss && progress && (allTwice || isLate):
		s.recoverAll()
		s.undo()
	case isOver && (allTwice || isLate):
		s.undo()
	case isOver:
		if s.recovery == recovering {
			s.window.size = s.window.threshold
		}
		s.recovery = open
		s.rack.recovered()
	case s.recovery == recovering && isLate:
		s.rack.reordered = true
		if s.onlyNew = s.queue.resent > 0; !s.onlyNew {
			s.recoverAll()
			s.undo()
		}
	case s.recovery == recovering && allTwice:
		s.undo()
	}
}

// recoverAll considers no segment lost.
func (s *sender) recoverAll() {
	for n := s.queue.first; n < s.queue.last; n++ {
		s.queue.recover(n)
	}
}

// undo undoes the last reduction of the window, and ends recovery.
func (s *sender) undo() {
	e := s.episode
	s.window.size = max(s.window.size, e.window)
	s.window.threshold = max(s.window.threshold, e.threshold)
	s.recovery, e.canUndo = open, false
}
