// Package payments pays invoices: shops send payments to a ledger, again and again
// until it has answered, and the ledger books each idempotency key once.
//
// The key must be the payment's, not the attempt's: if it is made where the request is
// made, each attempt has another one, and a payment whose answer was lost is booked
// twice.
package payments
