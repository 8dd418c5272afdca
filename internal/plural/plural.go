// Package plural formats counts.
package plural

import "fmt"

// Of returns a count with its noun, such as "0 bytes", "1 byte" and "2 bytes".
// The noun is given in the singular, and must have a regular plural.
func Of[N ~int | ~int64](n N, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
