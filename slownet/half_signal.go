package slownet

// A signal wakes all goroutines that wait for a change. It is guarded by the lock
// of the data that changes, and costs nothing while none waits.
type signal struct{ changed chan struct{} }

// wait returns a channel that is closed by the next wake.
func (s *signal) wait() <-chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *signal) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
