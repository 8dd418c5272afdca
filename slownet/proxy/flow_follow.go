package proxy

import "time"

func (f *flow) lock() { f.followLock.lock(f) }

func (f *flow) unlock() { f.followLock.unlock(f) }

func (f *flow) tryFollow() bool { return f.try(f) }

// isBehind reports whether the proxy's toxics or the connection's path have changed.
func (f *flow) isBehind() bool {
	c := f.conn
	return (f.toxics.Load() != c.proxy.set.Load() || !f.wraps.Load() && c.wrapped.Load() != nil) && !c.isClosed() && !c.isFinished.Load()
}

// followLocked puts the flow on the connection's path, and its bytes through the proxy's
// current toxics.
func (f *flow) followLocked() {
	if !f.isBehind() {
		return
	}
	if wrapped := f.conn.wrapped.Load(); wrapped != nil && !f.wraps.Swap(true) {
		f.wrapLocked(wrapped)
	}
	set := f.conn.proxy.set.Load()
	if f.toxics.Swap(set) == set {
		return
	}
	had := len(f.line.stages) > 0
	changed, ends := f.line.restage(restaging{f.now(), set.all, f.conn.number, f.stream, false})
	if !changed {
		return
	}
	if !had && len(f.line.stages) > 0 {
		f.interruptLocked()
	}
	if !f.line.isEmpty() {
		f.wakeWriterLocked()
	}
	signalTo(f.room)
	if ends {
		f.discards = true
		f.conn.run(f.conn.finish)
	}
	f.setAlarmLocked()
}

// setAlarmLocked sets the timer for the next time at which a toxic acts by itself.
func (f *flow) setAlarmLocked() {
	if f.alarm != nil {
		f.alarm.Stop()
		f.alarm = nil
	}
	if at, _, ok := f.nextAlarmLocked(); ok && !f.conn.isClosed() {
		f.alarm = time.AfterFunc(max(0, at-f.now()), f.alarmed)
	}
}

func (f *flow) nextAlarmLocked() (at time.Duration, what itemKind, ok bool) {
	at, what, ok = f.line.nextAlarm()
	return max(at, f.conn.resettableAt), what, ok
}

// alarmed performs the action that is due.
func (f *flow) alarmed() {
	f.lock()
	at, what, ok := f.nextAlarmLocked()
	due := ok && at <= f.now()
	if !due {
		f.setAlarmLocked()
	}
	f.unlock()
	if due {
		f.conn.handle(what)
	}
}
