package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// lookupRetries is the time for which failed lookups are retried. A process without
// free file descriptors cannot look up names either, and the errors do not say why:
// the net package reports "no such host" when it could not open the hosts file, and
// remembers for five seconds that it found no name servers.
const lookupRetries = 10 * time.Second

// explainLookup returns the result of a dial function. The error of a lookup that
// failed while the process had no descriptors also says so.
func explainLookup(conn net.Conn, err error) (net.Conn, error) {
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

// lookups is the state of a queue whose lookups failed for lack of file descriptors.
type lookups struct {
	until time.Time // end of the retries; zero before a lookup has failed
	again *Timer    // for the next retry; nil if none waits
}

func (l *lookups) isWaiting() bool { return l.again != nil }

// mayLookUpAgain reports whether a failed lookup may succeed later.
func (q *dialQueue) mayLookUpAgain(err error) bool {
	r := q.reactor
	starved := r.starvation.most > 0 || isOutOfDescriptors(err)
	return isLookup(err) && starved && (q.lookups.until.IsZero() || r.Now().Before(q.lookups.until))
}

// retryLookup delays the dials of the queue after such a failed lookup. Run does not
// return before the retry.
func (q *dialQueue) retryLookup(err error) {
	r, l := q.reactor, &q.lookups
	if isOutOfDescriptors(err) {
		r.limitDials(err)
	}
	if l.until.IsZero() {
		l.until = r.Now().Add(lookupRetries)
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

// endLookups ends the wait of retryLookup.
func (q *dialQueue) endLookups() {
	if l := &q.lookups; l.again != nil {
		q.reactor.jobs--
		q.reactor.starvation.lookups--
		l.again.Stop()
		l.again = nil
	}
}
