package netem

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// Jitter varies the latency of a link, as tc netem does. Packets can overtake
// each other, unless there is a rate, a replay or a bottleneck: then each
// packet arrives after the one before, as in netem, where the rate comes after
// the delay. (For reordering in spite of a rate, use two lines in succession,
// the first with the rate and the second with the jitter.)
type Jitter struct {
	// Deviation scales the variation: with the uniform distribution it is the
	// largest change of the latency, up or down; with the others it is the
	// standard deviation, or close to it. Zero is no jitter. The latency is
	// never negative.
	Deviation time.Duration `json:"deviation"`

	// Distribution is the distribution of the variations. Nil is uniform.
	Distribution *Distribution `json:"distribution,omitzero"`

	// Correlation is between 0 and 1: the extent to which a packet's variation
	// depends on that of the packet before. Variations k packets apart are
	// correlated by the k-th power of Correlation. The distribution does not
	// change. (In netem, where this parameter comes from, a correlation also
	// narrows the distribution.)
	Correlation float64 `json:"correlation,omitzero"`
}

// maxDeviation leaves room for four times the deviation.
const maxDeviation = timeline.End / 8

func (j *Jitter) invalid() error {
	switch {
	case j.Deviation < 0 || j.Deviation > maxDeviation:
		rest := fmt.Sprintf("is %v: it must be between 0 (none) and %v", j.Deviation, maxDeviation)
		return &invalidError{"Jitter.Deviation " + rest, "the deviation " + rest}
	case j.Distribution != nil && j.Distribution.value == nil:
		return errors.New("the Jitter.Distribution is empty: it must come from NewDistribution")
	case j.Deviation == 0 && *j != Jitter{}:
		return &invalidError{
			"Jitter.Deviation is 0: it must be more, or the rest of Jitter must be zero too",
			"the deviation is 0: it must be more, or be the only field",
		}
	}
	return invalidShares(share{"Jitter.Correlation", j.Correlation})
}

// A Distribution is a table of equally likely variations, in units of 1/8192 of
// the deviation: the inverse of a cumulative distribution function, as in
// netem's .dist files.
type Distribution struct {
	name  string
	size  int               // of the table
	value func(i int) int16 // the i-th value
}

// The distributions of netem.
var (
	// Normal is the normal distribution, with mean 0 and standard deviation 1.
	Normal = &Distribution{"normal", tableSize, quantiles(normalQuantile)}

	// Pareto is a Pareto distribution of shape 3: most packets are a little
	// early and a few are very late. As netem defines it, it is shifted and
	// scaled, 4/3 (x - 1.5), and cut off at 4 deviations: its mean is -0.03 and
	// its standard deviation 0.82 times the configured deviation.
	Pareto = &Distribution{"pareto", tableSize, quantiles(paretoQuantile)}

	// ParetoNormal is a quarter of Normal and three quarters of Pareto, which
	// resembles measurements on the Internet: its mean is -0.02 and its
	// standard deviation 0.83 times the configured deviation.
	ParetoNormal = &Distribution{"paretonormal", tableSize, quantiles(func(p float64) float64 {
		return 0.25*normalQuantile(p) + 0.75*paretoQuantile(p)
	})}
)

// NewDistribution returns a distribution of equally likely variations, in units
// of 1/8192 of the deviation, as in netem's .dist files: 8192 is one deviation
// late, -4096 half a deviation early. It panics if the table is empty.
func NewDistribution(table []int16) *Distribution {
	if len(table) == 0 {
		panic("netem: NewDistribution: the table is empty: it must have one value or more")
	}
	table = append([]int16(nil), table...)
	return &Distribution{tableName, len(table), func(i int) int16 { return table[i] }}
}

// String returns the distribution's name: "normal", "pareto", "paretonormal",
// "table" for one made by NewDistribution, or "uniform" for nil.
func (d *Distribution) String() string {
	if d == nil {
		return uniform
	}
	return d.name
}

// distributionNamed returns the distribution with a name, and whether there is one.
func distributionNamed(name string) (*Distribution, bool) {
	for _, d := range []*Distribution{nil, Normal, Pareto, ParetoNormal} {
		if d.String() == name {
			return d, true
		}
	}
	return nil, false
}

// The names of distributions without a variable.
const (
	uniform   = "uniform"
	tableName = "table"
)

// The size and the scale of netem's tables.
const (
	tableSize  = 4096
	tableScale = 8192
)

// quantiles returns the table of an inverse distribution function. Its values
// are rounded so coarsely that they are the same on every platform.
func quantiles(quantile func(p float64) float64) func(i int) int16 {
	return func(i int) int16 {
		value := math.Round(tableScale * quantile((float64(i)+0.5)/tableSize))
		return int16(max(math.MinInt16, min(value, math.MaxInt16)))
	}
}

// table returns the whole table.
func (d *Distribution) table() []int16 {
	table := make([]int16, d.size)
	for i := range table {
		table[i] = d.value(i)
	}
	return table
}

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

func paretoQuantile(p float64) float64 {
	const shape, mean = 3, 1.5
	return min((math.Pow(1-p, -1.0/shape)-mean)*4/3, math.MaxInt16/float64(tableScale))
}

// vary returns the variation for a random number.
func (j *Jitter) vary(random uint64) time.Duration {
	if j.Distribution == nil {
		high, _ := bits.Mul64(random, 2*uint64(j.Deviation)+1)
		return time.Duration(high) - j.Deviation
	}
	index, _ := bits.Mul64(random, uint64(j.Distribution.size))
	value := time.Duration(j.Distribution.value(int(index)))
	return j.Deviation/tableScale*value + j.Deviation%tableScale*value/tableScale
}
