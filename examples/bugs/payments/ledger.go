package payments

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// A Payment pays an invoice.
type Payment struct {
	Invoice string
	Cents   int
}

// keyHeader is the request header with the idempotency key.
const keyHeader = "Idempotency-Key"

// syncing is the time that a write to the ledger's disk takes.
const syncing = 5 * time.Millisecond

// A Ledger books payments, at most one for each idempotency key. It stands for
// data on a disk, so it survives a crash of its host.
type Ledger struct {
	mu     sync.Mutex
	booked []Payment
	keys   map[string]bool
}

// ServeHTTP books a payment.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var p Payment
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	time.Sleep(syncing)
	l.book(r.Header.Get(keyHeader), p)
	w.WriteHeader(http.StatusCreated)
}

// book books a payment, unless its key is known.
func (l *Ledger) book(key string, p Payment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys[key] {
		return
	}
	if l.keys == nil {
		l.keys = make(map[string]bool)
	}
	l.keys[key] = true
	l.booked = append(l.booked, p)
}

// Booked returns the number of times that each invoice was paid.
func (l *Ledger) Booked() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := make(map[string]int)
	for _, p := range l.booked {
		times[p.Invoice]++
	}
	return times
}
