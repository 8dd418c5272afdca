package spelling

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"poet", "poet", 0},
		{"poet", "Poet", 1},
		{"poet", "poets", Edit},
		{"poet", "pot", Edit},
		{"poet", "pöet", Edit},
		{"kitten", "Sitting", 3 * Edit},
		{"", "abc", 3 * Edit},
	} {
		assert.Equal(t, c.want, Distance(c.a, c.b), "%q %q", c.a, c.b)
		assert.Equal(t, c.want, Distance(c.b, c.a), "%q %q", c.b, c.a)
	}
}
