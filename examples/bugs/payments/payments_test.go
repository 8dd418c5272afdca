package payments

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/bugtest"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var link = netem.Link{Latency: 20 * time.Millisecond}

// Connecting takes 40 ms, the request and its answer 40 ms, and the ledger's disk 5 ms.
func TestPay(t *testing.T) {
	simtest.Config{Link: link}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		ledger := &Ledger{}
		serve(sim.Host("ledger"), ledger)
		shop := newShop(sim.Host("shop"))
		require.NoError(t, shop.Pay(t.Context(), NewOrder(Payment{Invoice: "invoice 1", Cents: 995})))
		assert.Equal(t, 85*time.Millisecond, sim.Elapsed())
		assert.Equal(t, map[string]int{"invoice 1": 1}, ledger.Booked())
		shop.HTTP.CloseIdleConnections()
	})
}

// Two shops pay an invoice every few seconds. Each invoice is paid once, whatever the
// network does.
func TestInvoicesArePaidOnce(t *testing.T) {
	search := simtest.Search{
		Seeds:  20,
		Config: simtest.Config{Link: link},
		Chaos:  simtest.DefaultChaos(),
	}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		ledger := &Ledger{}
		serve(sim.Host("ledger"), ledger)
		shops := make([]*till, 2)
		for i := range shops {
			shops[i] = &till{host: sim.Host(fmt.Sprintf("shop%d", i+1))}
			shops[i].host.Run(shops[i].run)
		}

		<-sim.Quiet()
		time.Sleep(40 * time.Second)
		sim.Settle()
		booked := ledger.Booked()
		for _, shop := range shops {
			for i, order := range shop.outbox {
				invoice := order.Payment.Invoice
				switch times := booked[invoice]; {
				case times > 1:
					t.Errorf("%s was paid %d times", invoice, times)
				case order.Paid && times == 0:
					t.Errorf("%s was not paid", invoice)
				case !order.Paid && i < len(shop.outbox)-1:
					t.Errorf("%s is still to be paid", invoice) // the last one may be under way
				}
			}
		}
	})
}

// serve runs the ledger on a host.
func serve(host *simtest.Host, ledger *Ledger) {
	host.Run(func(ctx context.Context) error {
		listener, err := host.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: ledger}
		context.AfterFunc(ctx, func() { _ = server.Close() })
		if err := server.Serve(listener); ctx.Err() == nil {
			return err
		}
		return nil
	})
}

// newShop returns the shop of a host.
func newShop(host *simtest.Host) *Shop {
	return &Shop{
		HTTP:          &http.Client{Transport: &http.Transport{DialContext: host.DialContext}, Timeout: 5 * time.Second},
		Ledger:        "http://ledger/payments",
		KeyPerAttempt: bugtest.HasBug(),
	}
}

// A till is the program of a shop, with its disk.
type till struct {
	host   *simtest.Host
	outbox []*Order
}

// run pays the orders in the outbox, and then new purchases.
func (s *till) run(ctx context.Context) error {
	shop := newShop(s.host)
	defer shop.HTTP.CloseIdleConnections()
	for {
		for _, order := range s.outbox {
			if !order.Paid && shop.Pay(ctx, order) != nil {
				return nil
			}
		}
		select {
		case <-time.After(time.Duration(1000+s.host.Rand().IntN(3000)) * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
		invoice := fmt.Sprintf("%s's invoice %d", s.host.Name(), len(s.outbox)+1)
		s.outbox = append(s.outbox, NewOrder(Payment{Invoice: invoice, Cents: 100 + s.host.Rand().IntN(10000)}))
	}
}

// A payment that is sent again with a new key, after its answer was lost, is booked
// twice.
func TestBugIsFound(t *testing.T) { bugtest.Find(t, "TestInvoicesArePaidOnce", "was paid 2 times") }
