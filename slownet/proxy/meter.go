package proxy

import (
	"math"
	"time"
)

// A meter counts bytes, and knows at about which rate they have come of late.
type meter struct {
	total int64
	rate  float64       // bytes per second, at the time
	at    time.Duration // of the last change
}

// meterWindow is how long ago "of late" is.
const meterWindow = time.Second

// add counts bytes.
func (m *meter) add(now time.Duration, n int) {
	if n > 0 {
		m.rate = m.rateAt(now) + float64(n)/meterWindow.Seconds()
		m.total, m.at = m.total+int64(n), now
	}
}

// rateAt returns the rate, which dies away when nothing comes.
func (m *meter) rateAt(now time.Duration) float64 {
	return m.rate * math.Exp(-float64(now-m.at)/float64(meterWindow))
}
