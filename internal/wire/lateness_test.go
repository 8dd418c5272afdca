package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLateness(t *testing.T) {
	t.Parallel()
	l := Lateness{Packets: 100}
	l.add(tooLate)
	l.add(time.Millisecond)
	assert.Equal(t, Lateness{Most: tooLate, Packets: 100}, l)
	l.add(tooLate + 1)
	assert.Equal(t, Lateness{Most: tooLate + 1, Packets: 100, Late: 1}, l)
	assert.False(t, l.IsTooMuch(), "1 percent")
	sum := l.And(Lateness{Most: time.Second, Packets: 50, Late: 1})
	assert.Equal(t, Lateness{Most: time.Second, Packets: 150, Late: 2}, sum)
	assert.True(t, sum.IsTooMuch())
	assert.Equal(t, sum, Lateness{Most: time.Second, Packets: 50, Late: 1}.And(l))
}
