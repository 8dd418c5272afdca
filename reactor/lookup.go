package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// A process without descriptors cannot look up names either, and the errors do
// not say why: the net package reports "no such host" when it could not open
// the hosts file, and remembers for five seconds that it found no name servers.
// So a lookup that fails then is retried for longer than that.
const lookupsFor = 10 * time.Second

// tellStarvation returns the error of a dial function. If that is a failed
// lookup, and the process has no descriptors, it names that as the reason.
func tellStarvation(conn net.Conn, err error) (net.Conn, error) {
	if !isLookup(err) {
		return conn, err
	}
	file, openErr := os.Open(os.DevNull)
	if openErr == nil {
		_ = file.Close()
	}
	if isOutOfDescriptors(openErr) {
		return nil, &starvedLookup{err, openErr}
	}
	return conn, err
}

// isLookup reports whether a dial has failed because of its lookup.
func isLookup(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

// A starvedLookup is a lookup that has failed while the process had no
// descriptors.
type starvedLookup struct{ err, why error }

// Error returns both errors' texts.
func (e *starvedLookup) Error() string { return fmt.Sprintf("%v (%v)", e.err, e.why) }

// Unwrap returns both errors.
func (e *starvedLookup) Unwrap() []error { return []error{e.err, e.why} }

// lookups are a queue's lookups that have failed while descriptors had run out.
type lookups struct {
	until time.Time // they are retried until then; zero before one has failed
	again *Timer    // retries them; nil when none waits for that
}

func (l *lookups) isWaiting() bool { return l.again != nil }

// mayLookUpAgain reports whether a failed lookup may succeed later.
func (q *dialQueue) mayLookUpAgain(err error) bool {
	r := q.reactor
	starved := r.starvation.most > 0 || isOutOfDescriptors(err)
	return isLookup(err) && starved && (q.lookups.until.IsZero() || r.Now().Before(q.lookups.until))
}

// lookUpLater makes the dials of the queue wait for a while after such a failed
// lookup. The loop runs until then.
func (q *dialQueue) lookUpLater(err error) {
	r, l := q.reactor, &q.lookups
	if isOutOfDescriptors(err) {
		r.limit(err)
	}
	if l.until.IsZero() {
		l.until = r.Now().Add(lookupsFor)
	}
	if l.isWaiting() {
		return
	}
	r.jobs++
	r.starvation.lookups++
	l.again = r.AfterFunc(retryInterval, func() {
		q.endLookups()
		q.start()
	})
}

// endLookups ends the wait of lookUpLater.
func (q *dialQueue) endLookups() {
	if l := &q.lookups; l.again != nil {
		q.reactor.jobs--
		q.reactor.starvation.lookups--
		l.again.Stop()
		l.again = nil
	}
}
