package proxy

import "time"

// slowCloseStage delays the end of the stream.
type slowCloseStage struct {
	passing
	SlowClose
}

func (a SlowClose) newStage(setting) stage { return &slowCloseStage{SlowClose: a} }

func (s *slowCloseStage) due() (time.Duration, bool) {
	at, ok := s.passing.due()
	if ok && s.queue.items[0].kind == endItem {
		at += s.Delay
	}
	return at, ok
}

func (s *slowCloseStage) change(_ time.Duration, a Attributes) { s.SlowClose = a.(SlowClose) }

// timeoutStage drops all bytes, and ends the connection after a timeout.
type timeoutStage struct {
	passing
	Timeout
	since time.Duration
}

func (a Timeout) newStage(s setting) stage { return &timeoutStage{Timeout: a, since: s.now} }

func (t *timeoutStage) push(_ time.Duration, it item) {
	if it.kind != bytesItem {
		t.queue.push(it)
	}
}

func (t *timeoutStage) alarm() (time.Duration, itemKind, bool) {
	return t.since + t.After, finishItem, t.After > 0
}

// ends implements ending: without the dropped bytes, the connection cannot continue.
func (t *timeoutStage) ends() {}

func (t *timeoutStage) change(_ time.Duration, a Attributes) { t.Timeout = a.(Timeout) }

// resetPeerStage resets the connection after a delay, and lets nothing pass
// until then.
type resetPeerStage struct {
	passing
	ResetPeer
	since time.Duration
}

func (a ResetPeer) newStage(s setting) stage { return &resetPeerStage{ResetPeer: a, since: s.now} }

func (r *resetPeerStage) due() (time.Duration, bool) { return 0, false }

func (r *resetPeerStage) alarm() (time.Duration, itemKind, bool) {
	return r.since + r.After, resetItem, true
}

func (r *resetPeerStage) change(_ time.Duration, a Attributes) { r.ResetPeer = a.(ResetPeer) }

// limitDataStage ends the connection after a number of bytes. Datagrams beyond it are
// dropped.
type limitDataStage struct {
	passing
	LimitData
	datagrams bool
	count     *sharedState
	ended     bool
}

func (a LimitData) newStage(s setting) stage {
	l := &limitDataStage{LimitData: a, datagrams: s.datagrams, count: s.shared}
	if l.count == nil {
		l.count = new(sharedState)
	}
	return l
}

func (l *limitDataStage) push(_ time.Duration, it item) {
	if l.ended {
		return
	}
	l.count.mu.Lock()
	defer l.count.mu.Unlock()
	left := max(0, l.Bytes-l.count.passed)
	if l.datagrams && int64(len(it.data)) > left {
		return
	}
	if int64(len(it.data)) > left {
		it.data = it.data[:left]
	}
	l.count.passed += int64(len(it.data))
	if len(it.data) > 0 || it.kind != bytesItem {
		l.queue.push(it)
	}
	if l.count.passed >= l.Bytes && !l.datagrams && it.kind == bytesItem {
		l.queue.push(item{at: it.at, kind: finishItem})
		l.ended = true
	}
}

func (l *limitDataStage) change(_ time.Duration, a Attributes) { l.LimitData = a.(LimitData) }

func (a Noop) newStage(setting) stage { return new(passing) }
