package main

import (
	"fmt"
	"math"
	"time"
)

// A meter measures a rate, with more weight on recent bytes.
type meter struct {
	start time.Time
	at    time.Time // time of the last add
	sum   float64   // bytes, weighted by age
}

const (
	meterTime = 3 * time.Second        // time in which the weight of a byte falls to 1/e
	meterMin  = 500 * time.Millisecond // minimum time over which a rate is computed
)

// add adds bytes that have arrived now.
func (m *meter) add(bytes int, now time.Time) {
	m.sum = m.sumAt(now) + float64(bytes)
	m.at = now
}

// sumAt returns the sum, decayed until now.
func (m *meter) sumAt(now time.Time) float64 {
	return m.sum * math.Exp(-now.Sub(m.at).Seconds()/meterTime.Seconds())
}

// rate returns the present rate in bytes per second.
func (m *meter) rate(now time.Time) float64 {
	age := max(now.Sub(m.start), meterMin).Seconds() / meterTime.Seconds()
	return m.sumAt(now) / meterTime.Seconds() / (1 - math.Exp(-age))
}

// formatBytes writes a number of bytes in at most seven characters: "3003 B",
// "12.3 kB", "100 MB".
func formatBytes(bytes float64) string {
	if bytes < 9999.5 {
		return fmt.Sprintf("%.0f B", bytes)
	}
	unit := 0
	for ; bytes >= 999.5 && unit < len(byteUnits)-1; unit++ {
		bytes /= 1000
	}
	if bytes < 99.95 {
		return fmt.Sprintf("%.1f %s", bytes, byteUnits[unit])
	}
	return fmt.Sprintf("%.0f %s", bytes, byteUnits[unit])
}

var byteUnits = []string{"B", "kB", "MB", "GB", "TB", "PB"}
