package netem

import (
	"math"
	"time"
)

// readLink reads a link. Each field is validated as soon as it is read.
func readLink(v jsonValue) (Link, error) {
	var l Link
	invalid := func() error {
		if l.MTU > 0 || !l.DropOversize {
			return l.invalid()
		}
		partial := l // the MTU may come after it
		partial.DropOversize = false
		return partial.invalid()
	}
	_, err := v.object(`an object, such as {"latency": "40ms", "rate": "250kbit/s"}`, invalid,
		jsonField{"latency", into(&l.Latency, readDuration)},
		jsonField{"jitter", into(&l.Jitter, readJitter)},
		jsonField{"rate", into(&l.Rate, readRate)},
		jsonField{"replay", into(&l.Replay, readReplay)},
		jsonField{"pace", into(&l.Pace, readPace)},
		jsonField{"queue", into(&l.Queue, readQueue)},
		jsonField{"mtu", into(&l.MTU, readBytes)},
		jsonField{"dropOversize", into(&l.DropOversize, readBool)},
		jsonField{"loss", into(&l.Loss, readLoss)},
		jsonField{"duplicate", into(&l.Duplicate, readChance)},
		jsonField{"corrupt", into(&l.Corrupt, readChance)},
		jsonField{"reorder", into(&l.Reorder, readChance)},
	)
	if err == nil {
		if err = l.invalid(); err != nil {
			err = v.invalid(err)
		}
	}
	return l, err
}

// readJitter reads a jitter: an object, or the deviation alone.
func readJitter(v jsonValue) (Jitter, error) {
	if v.isString() || v.isNumber() {
		deviation, err := readDuration(v)
		return Jitter{Deviation: deviation}, err
	}
	var j Jitter
	there, err := v.object(`a string, such as "10ms", or an object, such as {"deviation": "10ms", "distribution": "normal"}`, nil,
		jsonField{"deviation", into(&j.Deviation, readDuration)},
		jsonField{"distribution", into(&j.Distribution, readDistribution)},
		jsonField{"correlation", into(&j.Correlation, readPercent)},
	)
	if err == nil && !there["deviation"] {
		err = v.errorf(`there is no deviation: give one, such as {"deviation": "10ms"}`)
	}
	return j, err
}

// readDistribution reads a distribution: the name of one, or a table.
func readDistribution(v jsonValue) (*Distribution, error) {
	if v.isArray() {
		return readTable(v)
	}
	const what = `"uniform", "normal", "pareto", "paretonormal" or an array of whole numbers`
	name, err := v.text(what)
	if err != nil || name == uniform {
		return nil, err
	}
	for _, d := range []*Distribution{Normal, Pareto, ParetoNormal} {
		if d.name == name {
			return d, nil
		}
	}
	return nil, v.errorf("there is no distribution %.40q: it must be %s", name, what)
}

// uniform is the name of the distribution that a Jitter has by itself.
const uniform = "uniform"

func readTable(v jsonValue) (*Distribution, error) {
	const what = "a whole number between -32768 and 32767, 8192 of which are one deviation"
	table := make([]int16, 0, v.maxElements())
	err := v.elements("an array", func(v jsonValue) error {
		n, err := v.number(what)
		if err == nil && (n < math.MinInt16 || n > math.MaxInt16) {
			err = v.errorf("%d cannot be used: it must be %s", n, what)
		}
		table = append(table, int16(n))
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(table) == 0:
		return nil, v.errorf("the table is empty: it must have one value or more")
	}
	return NewDistribution(table), nil
}

// readReplay reads a recording, by the rules of ParseReplay.
func readReplay(v jsonValue) (*Replay, error) {
	r := Replay{slots: make([]time.Duration, 0, v.maxElements())}
	err := v.elements("an array of whole numbers, milliseconds at which 1500 bytes may pass", func(v jsonValue) error {
		ms, err := v.number(whatSlotIs)
		if err == nil {
			if err = r.add(ms); err != nil {
				err = v.errorf("%w", err)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, v.errorf("%w", err)
	}
	return &r, nil
}

func readPace(v jsonValue) (Pace, error) {
	var p Pace
	_, err := v.object(`an object, such as {"bytes": 10, "wait": "100ms"}`, p.invalid,
		jsonField{"bytes", into(&p.Bytes, readBytes)},
		jsonField{"wait", into(&p.Wait, readDuration)},
	)
	return p, err
}

// readChance reads a chance: an object, or the probability alone.
func readChance(v jsonValue) (Chance, error) {
	if v.isString() || v.isNumber() {
		probability, err := readPercent(v)
		return Chance{Probability: probability}, err
	}
	var c Chance
	there, err := v.object(`a string, such as "2%", or an object, such as {"probability": "2%", "correlation": "25%"}`, nil,
		jsonField{"probability", into(&c.Probability, readPercent)},
		jsonField{"correlation", into(&c.Correlation, readPercent)},
	)
	if err == nil && !there["probability"] {
		err = v.errorf(`there is no probability: give one, such as {"probability": "2%%"}`)
	}
	return c, err
}
