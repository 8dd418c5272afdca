package register

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Histories that a register can have, and some that it cannot have.
func TestViolation(t *testing.T) {
	write := func(number int, call, back time.Duration) operation {
		return operation{client: "writer", write: true, number: number, call: call, back: back}
	}
	failedWrite := func(number int, call time.Duration) operation {
		return operation{client: "writer", write: true, number: number, call: call, failed: true}
	}
	read := func(number int, call, back time.Duration) operation {
		return operation{client: "reader", number: number, call: call, back: back}
	}
	for name, test := range map[string]struct {
		history []operation
		want    []operation // operations that contradict each other
	}{
		"nothing":           {},
		"one after another": {history: []operation{read(0, 1, 2), write(1, 3, 4), read(1, 5, 6), write(2, 7, 8), read(2, 9, 10)}},
		"reads during a write": {history: []operation{
			write(1, 10, 20), write(2, 30, 100), read(1, 40, 50), read(2, 45, 60), read(2, 70, 80),
		}},
		"two reads at once":        {history: []operation{write(1, 10, 20), write(2, 30, 100), read(2, 40, 60), read(1, 50, 70)}},
		"a write that nobody sees": {history: []operation{write(1, 10, 20), failedWrite(2, 30), read(1, 40, 50)}},
		"a write that has failed, and is there": {history: []operation{
			write(1, 10, 20), failedWrite(2, 30), read(1, 40, 50), read(2, 60, 70), read(2, 80, 90),
		}},
		"a read that finds less": {
			history: []operation{write(1, 10, 20), write(2, 30, 100), read(2, 40, 50), read(1, 60, 70)},
			want:    []operation{read(2, 40, 50), read(1, 60, 70)},
		},
		"a write that has failed, and is gone again": {
			history: []operation{write(1, 10, 20), failedWrite(2, 30), read(2, 40, 50), read(1, 60, 70)},
			want:    []operation{read(2, 40, 50), read(1, 60, 70)},
		},
		"a write that is lost": {
			history: []operation{write(1, 10, 20), write(2, 30, 40), read(1, 50, 60)},
			want:    []operation{write(2, 30, 40), read(1, 50, 60)},
		},
		"a read before the write": {
			history: []operation{read(1, 1, 2), write(1, 3, 4)},
			want:    []operation{read(1, 1, 2), write(1, 3, 4)},
		},
	} {
		earlier, later, found := violation(test.history)
		if assert.Equal(t, test.want != nil, found, name) && found {
			assert.Equal(t, test.want, []operation{earlier, later}, name)
		}
	}
}
