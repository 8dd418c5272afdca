// Package plural writes a number and what it counts.
package plural

import "fmt"

// Of returns a number of things, such as "0 bytes", "1 byte" and "2 bytes". The
// noun is the singular, of the regular kind.
func Of[N ~int | ~int64](n N, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
