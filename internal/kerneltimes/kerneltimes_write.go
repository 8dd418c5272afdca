package kerneltimes

import (
	"slices"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Columns are the columns of a table.
var Columns = []string{
	"cell", "down_bps", "up_bps", "oneway_ms", "queue_down_bytes", "queue_up_bytes", "loss", "duplicate", "reorder",
	"jitter_ms", "jitter_distribution", "body_bytes", "congestion_control", "runs", "connect_p50_s", "first_byte_p50_s",
	"total_p10_s", "total_p50_s", "total_p90_s", "total_mean_s",
}

// Record returns the table row of a transfer with the given times of its steps.
func (t *Transfer) Record(connects, firstBytes, totals []time.Duration) []string {
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	ms := func(d time.Duration) string { return number(float64(d) / float64(time.Millisecond)) }
	seconds := func(d time.Duration) string { return number(d.Round(100 * time.Microsecond).Seconds()) }
	distribution := ""
	if t.Down.Jitter.Distribution == netem.Normal {
		distribution = "normal"
	}
	var sum time.Duration
	for _, total := range totals {
		sum += total
	}
	return []string{
		t.Cell, number(float64(t.Down.Rate)), number(float64(t.Up.Rate)), ms(t.Down.Latency),
		strconv.Itoa(t.Down.Queue.Bytes), strconv.Itoa(t.Up.Queue.Bytes), number(t.Down.Loss.Random),
		number(t.Down.Duplicate.Probability), number(t.Down.Reorder.Probability), ms(t.Down.Jitter.Deviation), distribution, strconv.Itoa(t.Body), t.Congestion.String(),
		strconv.Itoa(len(totals)), seconds(Quantile(connects, 0.5)), seconds(Quantile(firstBytes, 0.5)),
		seconds(Quantile(totals, 0.1)), seconds(Quantile(totals, 0.5)), seconds(Quantile(totals, 0.9)),
		seconds(sum / time.Duration(max(1, len(totals)))),
	}
}

// Quantile returns a quantile, or 0 for no values.
func Quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
