package register

import (
	"fmt"
	"time"
)

// An operation is an operation of one client.
type operation struct {
	client string
	write  bool
	number int           // of the value that was written or read
	call   time.Duration // when it was called
	back   time.Duration // when it returned
	failed bool          // it never returned: a write may or may not have happened
}

func (o operation) String() string {
	verb := "reads"
	if o.write {
		verb = "writes"
	}
	return fmt.Sprintf("%s %s value %d from %v to %v", o.client, verb, o.number, o.call, o.back)
}

// violation returns two operations that cannot belong to one register, if there are
// any: a read of a value before it is written, or a read of a value that is older than
// a value read or written before. With one writer whose values have increasing numbers,
// a history without violations is linearizable: the operations can have happened one
// after another, each at some time between its call and its return.
func violation(history []operation) (earlier, later operation, found bool) {
	for _, read := range history {
		if read.write || read.failed {
			continue
		}
		for _, o := range history {
			switch {
			case o.write && o.number == read.number && read.back < o.call:
				return read, o, true
			case !o.failed && o.back < read.call && o.number > read.number:
				return o, read, true
			}
		}
	}
	return operation{}, operation{}, false
}
