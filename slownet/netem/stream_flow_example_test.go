package netem_test

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The model by itself: no clock, no connection.
func ExampleFlow() {
	flow := netem.NewFlow(netem.Link{Latency: 40 * time.Millisecond, Rate: 250 * netem.Kbps}, 0)
	for left := 2000; left > 0; {
		piece := flow.Send(0, left)
		fmt.Println(piece.Bytes, "bytes leave at", piece.Leave, "and arrive at", piece.Arrive)
		left -= piece.Bytes
	}
	// Output:
	// 1500 bytes leave at 48ms and arrive at 88ms
	// 500 bytes leave at 64ms and arrive at 104ms
}
