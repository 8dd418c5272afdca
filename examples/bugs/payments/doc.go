// Package payments pays invoices: shops send payments to a ledger, repeatedly until it
// has answered, and the ledger books each idempotency key once.
//
// The key must belong to the payment, and not to the attempt. If it is created
// together with the request, each attempt has another key, and a payment whose answer
// was lost is booked twice.
package payments
