package sweep

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// Distinct counts distinct values in little memory. The counts of several
// machines can be joined even if they have values in common. Up to maxLeast
// values the count is exact. Beyond that only the smallest hashes are kept,
// whose density gives the number to within about 5 % (Bar-Yossef and others,
// "Counting Distinct Elements in a Data Stream", 2002).
//
// The zero Distinct is empty.
type Distinct struct {
	least []uint64 // hashes, sorted
}

// maxLeast is the number of hashes kept.
const maxLeast = 512

// Add adds a value.
func (d *Distinct) Add(value uint64) { d.add(scatter(value)) }

func (d *Distinct) add(hash uint64) {
	i, found := slices.BinarySearch(d.least, hash)
	if found || i == maxLeast {
		return
	}
	if len(d.least) == maxLeast {
		d.least = d.least[:maxLeast-1]
	}
	d.least = slices.Insert(d.least, i, hash)
}

// Join adds all values of another Distinct.
func (d *Distinct) Join(other Distinct) {
	for _, hash := range other.least {
		d.add(hash)
	}
}

// Count returns the number of values, and whether it is exact.
func (d *Distinct) Count() (n int, exact bool) {
	if len(d.least) < maxLeast {
		return len(d.least), true
	}
	share := float64(d.least[maxLeast-1]) / math.MaxUint64
	return int(math.Round((maxLeast - 1) / share)), false
}

// String returns the count, such as "12" or "about 4100".
func (d Distinct) String() string {
	n, exact := d.Count()
	if exact {
		return strconv.Itoa(n)
	}
	digits := max(0, len(strconv.Itoa(n))-2) // two digits match its precision
	unit := int(math.Pow10(digits))
	return fmt.Sprintf("about %d", (n+unit/2)/unit*unit)
}

// MarshalJSON writes the hashes.
func (d Distinct) MarshalJSON() ([]byte, error) {
	words := make([]string, len(d.least))
	for i, hash := range d.least {
		words[i] = fmt.Sprintf("%016x", hash)
	}
	return json.Marshal(words)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Distinct) UnmarshalJSON(text []byte) error {
	var words []string
	if err := json.Unmarshal(text, &words); err != nil {
		return err
	}
	d.least = nil
	for _, word := range words {
		hash, err := strconv.ParseUint(word, 16, 64)
		if err != nil {
			return fmt.Errorf("%q is no hash", word)
		}
		d.add(hash)
	}
	return nil
}

// scatter spreads values evenly over all numbers, and is a bijection.
func scatter(x uint64) uint64 {
	x ^= bits.RotateLeft64(x, 25) ^ bits.RotateLeft64(x, 47)
	x *= 0x9e6c63d0676a9a99
	x ^= x>>23 ^ x>>51
	x *= 0x9e6d62d06f6a9a9b
	x ^= x>>23 ^ x>>51
	return x
}
