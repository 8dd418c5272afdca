package kernel

import (
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A transfer by the kernel's TCP takes at least the path's latencies, and fails if
// the path is cut.
func TestPath(t *testing.T) {
	link := netem.Link{Latency: 20 * time.Millisecond, Rate: 10 * netem.Mbps, Queue: netem.Queue{Bytes: 50_000}}
	path, err := NewPath(netem.Symmetric(link), 1)
	if err != nil {
		t.Skip(err)
	}
	defer path.Close()
	row := kerneltimes.Transfer{Cell: "test", Down: link, Up: link, Body: 100_000, Congestion: netem.CUBIC}
	times, err := path.Transfer(&row, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if times.Connect < 40*time.Millisecond || times.FirstByte < 40*time.Millisecond || times.Total < 160*time.Millisecond {
		t.Errorf("too fast: %+v", times)
	}
	if late := path.Late(); late.Packets < 100 {
		t.Errorf("only %d packets have arrived", late.Packets)
	}
	path.Reset(netem.Symmetric(link), 2)
	path.Cut(true, true)
	if _, err := path.Transfer(&row, time.Second); err == nil {
		t.Error("a transfer over a cut path has succeeded")
	}
}
