package simtest

import (
	"fmt"
	"testing"
)

func rerunLine(t *testing.T, seed uint64) string   { return fmt.Sprint(t.Name(), seed) }
func seedFromEnvironment(c uint64) (uint64, error) { return c, nil }
