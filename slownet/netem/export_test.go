package netem

// Repeated returns the number of segments that the sender has sent more than once and
// that are not acknowledged.
func (t *Transfer) Repeated() int { return int(t.ends[0].send.queue.again) }

// ProcessInFull makes each acknowledgement be processed in full, until the returned
// function is called.
func ProcessInFull() (restore func()) {
	alwaysInFull = true
	return func() { alwaysInFull = false }
}

// IsRecovering reports whether the end is recovering from losses.
func (e *End) IsRecovering() bool { return e.send.recovery != open }

// RecoveryEnd returns the sequence number that ends the last recovery. It tells one
// recovery from the next.
func (e *End) RecoveryEnd() int64 {
	if e.send.episode == nil {
		return 0
	}
	return e.send.episode.end
}

// IsInLoss reports whether the end is recovering from a timeout.
func (e *End) IsInLoss() bool { return e.send.recovery == inLoss }

// IsUndone reports whether the last recovery was undone.
func (e *End) IsUndone() bool { return e.send.episode != nil && !e.send.episode.canUndo }
