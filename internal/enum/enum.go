// Package enum names the constants of a type.
package enum

import "fmt"

// Name returns the i-th name, or "Type(i)" if there is none.
func Name(typ string, i int, names ...string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", typ, i)
	}
	return names[i]
}
