package netem

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// jsonOf returns what stands for a link in JSON. Fields that are zero are left
// out.
func jsonOf(l Link) any {
	return struct {
		Latency   jsonDuration `json:"latency,omitzero"`
		Jitter    any          `json:"jitter,omitempty"`
		Rate      Rate         `json:"rate,omitzero"`
		Replay    []int64      `json:"replay,omitempty"`
		Pace      jsonPace     `json:"pace,omitzero"`
		Queue     any          `json:"queue,omitempty"`
		MTU       int          `json:"mtu,omitzero"`
		Oversize  bool         `json:"dropOversize,omitzero"`
		Loss      any          `json:"loss,omitempty"`
		Duplicate any          `json:"duplicate,omitempty"`
		Corrupt   any          `json:"corrupt,omitempty"`
		Reorder   any          `json:"reorder,omitempty"`
	}{
		Latency: jsonDuration(l.Latency), Jitter: jsonOfJitter(l.Jitter),
		Rate: l.Rate, Replay: jsonOfReplay(l.Replay), Pace: jsonPace{l.Pace.Bytes, jsonDuration(l.Pace.Wait)},
		Queue: jsonOfQueue(l.Queue), MTU: l.MTU, Oversize: l.DropOversize, Loss: jsonOfLoss(l.Loss),
		Duplicate: jsonOfChance(l.Duplicate), Corrupt: jsonOfChance(l.Corrupt), Reorder: jsonOfChance(l.Reorder),
	}
}

// unwritable reports what of a link JSON has no words for.
func unwritable(l Link) error {
	if l.Bottleneck != nil {
		return errors.New("there is a Bottleneck, which cannot be written, as it is shared with other links: set it to nil, and Rate to its rate")
	}
	return l.invalid()
}

// A jsonDuration is written as a program would.
type jsonDuration time.Duration

func (d jsonDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// A jsonPercent is between 0 and 1.
type jsonPercent float64

func (p jsonPercent) MarshalText() ([]byte, error) { return []byte(formatPercent(float64(p))), nil }

type jsonPace struct {
	Bytes int          `json:"bytes,omitzero"`
	Wait  jsonDuration `json:"wait,omitzero"`
}

func jsonOfJitter(j Jitter) any {
	var distribution any
	switch d := j.Distribution; d {
	case nil:
		if j.Deviation == 0 {
			return nil
		}
		if j.Correlation == 0 {
			return jsonDuration(j.Deviation)
		}
	case Normal, Pareto, ParetoNormal:
		distribution = d.name
	default:
		distribution = d.table()
	}
	return struct {
		Deviation    jsonDuration `json:"deviation"`
		Distribution any          `json:"distribution,omitempty"`
		Correlation  jsonPercent  `json:"correlation,omitzero"`
	}{jsonDuration(j.Deviation), distribution, jsonPercent(j.Correlation)}
}

func jsonOfReplay(r *Replay) []int64 {
	if r == nil {
		return nil
	}
	all := make([]int64, len(r.slots))
	for i, slot := range r.slots {
		all[i] = slot.Milliseconds()
	}
	return all
}

func jsonOfChance(c Chance) any {
	switch {
	case c == Chance{}:
		return nil
	case c.Correlation == 0:
		return jsonPercent(c.Probability)
	}
	return struct {
		Probability jsonPercent `json:"probability"`
		Correlation jsonPercent `json:"correlation"`
	}{jsonPercent(c.Probability), jsonPercent(c.Correlation)}
}

func jsonOfLoss(l Loss) any {
	type p = jsonPercent
	switch {
	case l.GilbertElliott != GilbertElliott{}:
		g := l.GilbertElliott
		return struct {
			Model    string `json:"model"`
			P        p      `json:"p"`
			R        p      `json:"r"`
			LossBad  p      `json:"1-h"`
			LossGood p      `json:"1-k"`
		}{gilbertElliott, p(g.P), p(g.R), p(g.LossBad), p(g.LossGood)}
	case l.Markov != Markov{}:
		m := l.Markov
		return struct {
			Model string `json:"model"`
			P13   p      `json:"p13"`
			P31   p      `json:"p31"`
			P32   p      `json:"p32"`
			P23   p      `json:"p23"`
			P14   p      `json:"p14"`
		}{markov, p(m.P13), p(m.P31), p(m.P32), p(m.P23), p(m.P14)}
	case l.Random != 0:
		return p(l.Random)
	}
	return nil
}

// marshalJSON writes JSON. It leaves <, > and & to the caller's encoder.
func marshalJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}
