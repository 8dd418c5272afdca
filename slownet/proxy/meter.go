package proxy

import (
	"math"
	"sync/atomic"
	"time"
)

// A meter counts bytes, and estimates their recent rate.
type meter struct {
	total atomic.Int64  // may be read without the lock
	rate  float64       // in bytes per second, as of at
	at    time.Duration // of the last change
}

// meterWindow is the time constant of the recent rate.
const meterWindow = time.Second

// add counts bytes.
func (m *meter) add(now time.Duration, n int) {
	if n > 0 {
		m.rate = m.rateAt(now) + float64(n)/meterWindow.Seconds()
		m.total.Add(int64(n))
		m.at = now
	}
}

// rateAt returns the rate, which decays when nothing comes.
func (m *meter) rateAt(now time.Duration) float64 {
	return m.rate * math.Exp(-float64(now-m.at)/float64(meterWindow))
}
