package payments

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// A Shop pays its invoices one after another.
type Shop struct {
	HTTP   *http.Client
	Ledger string // its URL

	// KeyPerAttempt is the bug: each attempt has a new key, instead of the payment's key.
	KeyPerAttempt bool
}

// An Order is a payment in the shop's outbox. The outbox is on a disk, so the
// payment is made even if the shop crashes.
type Order struct {
	Payment Payment
	Key     string // its idempotency key
	Paid    bool
}

// NewOrder returns an order to make a payment.
func NewOrder(p Payment) *Order { return &Order{Payment: p, Key: rand.Text()} }

// Pay sends a payment repeatedly, until the ledger has answered or ctx ends.
func (s *Shop) Pay(ctx context.Context, order *Order) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := s.post(ctx, order)
		if err == nil {
			order.Paid = true
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("paying %s: %w", order.Payment.Invoice, err)
		}
	}
}

// post is one attempt.
func (s *Shop) post(ctx context.Context, order *Order) error {
	body, err := json.Marshal(order.Payment)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Ledger, bytes.NewReader(body))
	if err != nil {
		return err
	}
	key := order.Key
	if s.KeyPerAttempt {
		key = rand.Text()
	}
	request.Header.Set(keyHeader, key)
	response, err := s.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("the ledger says %s", response.Status)
	}
	return nil
}
