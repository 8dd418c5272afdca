package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Durations that are numbers of units in JSON; fractions are allowed.
type (
	milliseconds time.Duration
	microseconds time.Duration
)

func (m milliseconds) MarshalJSON() ([]byte, error) {
	return marshalUnits(time.Duration(m), time.Millisecond)
}
func (m *milliseconds) UnmarshalJSON(data []byte) error {
	return unmarshalUnits((*time.Duration)(m), data, time.Millisecond, reflect.TypeFor[milliseconds]())
}
func (m microseconds) MarshalJSON() ([]byte, error) {
	return marshalUnits(time.Duration(m), time.Microsecond)
}
func (m *microseconds) UnmarshalJSON(data []byte) error {
	return unmarshalUnits((*time.Duration)(m), data, time.Microsecond, reflect.TypeFor[microseconds]())
}

func marshalUnits(d, unit time.Duration) ([]byte, error) {
	if d%unit == 0 {
		return json.Marshal(int64(d / unit))
	}
	return json.Marshal(float64(d) / float64(unit))
}

// unmarshalUnits reads a number of units. An error about the value's type names t.
func unmarshalUnits(d *time.Duration, data []byte, unit time.Duration, t reflect.Type) error {
	var n float64
	if err := json.Unmarshal(data, &n); err != nil {
		if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
			kind.Type = t
		}
		return err
	}
	if n *= float64(unit); math.Abs(n) > math.MaxInt64/4 {
		n = math.Copysign(math.MaxInt64/4, n) // 73 years
	}
	if string(data) != "null" {
		*d = time.Duration(math.Round(n))
	}
	return nil
}

// notNegative returns an error if a field of a toxic, with the name that it has in JSON,
// is negative.
func notNegative[T time.Duration | int64 | int | netem.Rate](name string, value T) error {
	if value < 0 {
		return fmt.Errorf("%s is %v: it must be 0 or more", name, value)
	}
	return nil
}

type latencyJSON struct {
	Latency milliseconds `json:"latency"`
	Jitter  milliseconds `json:"jitter"`
}

func (Latency) kind() string { return "latency" }
func (a Latency) validate() error {
	return cmp.Or(notNegative("latency", a.Latency), notNegative("jitter", a.Jitter))
}
func (a Latency) fields() any { return &latencyJSON{milliseconds(a.Latency), milliseconds(a.Jitter)} }
func (Latency) with(f any) Attributes {
	j := f.(*latencyJSON)
	return Latency{time.Duration(j.Latency), time.Duration(j.Jitter)}
}

// A bandwidth's rate in JSON is in units of 1,000 bytes per second.
type bandwidthJSON struct {
	Rate int64 `json:"rate"`
}

const kilobytes = 8 * netem.Kbps

func (Bandwidth) kind() string      { return "bandwidth" }
func (a Bandwidth) validate() error { return notNegative("rate", a.Rate) }
func (a Bandwidth) fields() any     { return &bandwidthJSON{int64(a.Rate / kilobytes)} }
func (Bandwidth) with(f any) Attributes {
	const most = math.MaxInt64 / int64(kilobytes)
	return Bandwidth{netem.Rate(min(max(f.(*bandwidthJSON).Rate, -most), most)) * kilobytes}
}

type slowCloseJSON struct {
	Delay milliseconds `json:"delay"`
}

func (SlowClose) kind() string          { return "slow_close" }
func (a SlowClose) validate() error     { return notNegative("delay", a.Delay) }
func (a SlowClose) fields() any         { return &slowCloseJSON{milliseconds(a.Delay)} }
func (SlowClose) with(f any) Attributes { return SlowClose{time.Duration(f.(*slowCloseJSON).Delay)} }

type timeoutJSON struct {
	Timeout milliseconds `json:"timeout"`
}

func (Timeout) kind() string          { return "timeout" }
func (a Timeout) validate() error     { return notNegative("timeout", a.After) }
func (a Timeout) fields() any         { return &timeoutJSON{milliseconds(a.After)} }
func (Timeout) with(f any) Attributes { return Timeout{time.Duration(f.(*timeoutJSON).Timeout)} }

func (ResetPeer) kind() string          { return "reset_peer" }
func (a ResetPeer) validate() error     { return notNegative("timeout", a.After) }
func (a ResetPeer) fields() any         { return &timeoutJSON{milliseconds(a.After)} }
func (ResetPeer) with(f any) Attributes { return ResetPeer{time.Duration(f.(*timeoutJSON).Timeout)} }

type slicerJSON struct {
	AverageSize   int          `json:"average_size"`
	SizeVariation int          `json:"size_variation"`
	Delay         microseconds `json:"delay"`
}

func (Slicer) kind() string { return "slicer" }
func (a Slicer) validate() error {
	if a.AverageSize < 0 || a.SizeVariation < 0 || a.SizeVariation > 0 && a.SizeVariation >= a.AverageSize {
		return fmt.Errorf("average_size is %d and size_variation is %d: both must be 0 or more, and size_variation less than average_size", a.AverageSize, a.SizeVariation)
	}
	return notNegative("delay", a.Delay)
}
func (a Slicer) fields() any {
	return &slicerJSON{a.AverageSize, a.SizeVariation, microseconds(a.Delay)}
}
func (Slicer) with(f any) Attributes {
	j := f.(*slicerJSON)
	return Slicer{j.AverageSize, j.SizeVariation, time.Duration(j.Delay)}
}

type limitDataJSON struct {
	Bytes int64 `json:"bytes"`
}

func (LimitData) kind() string          { return "limit_data" }
func (a LimitData) validate() error     { return notNegative("bytes", a.Bytes) }
func (a LimitData) fields() any         { return &limitDataJSON{a.Bytes} }
func (LimitData) with(f any) Attributes { return LimitData{f.(*limitDataJSON).Bytes} }

func (Noop) kind() string        { return "noop" }
func (Noop) validate() error     { return nil }
func (Noop) fields() any         { return &struct{}{} }
func (Noop) with(any) Attributes { return Noop{} }
