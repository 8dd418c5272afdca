package prefetch

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Prefetching never faults, and changes nothing.
func TestAnyAddress(t *testing.T) {
	for _, address := range []uintptr{0, 1, 63, 64, 4095, 1 << 31, math.MaxUint32, math.MaxInt, math.MaxInt + 1, math.MaxUint - 64, math.MaxUint} {
		for _, size := range []uintptr{0, 1, 63, 64, 65, 1000} {
			Memory(address, size)
		}
		Goroutine{address, address}.Prefetch()
	}
	text := []byte("text")
	Memory(uintptr(unsafe.Pointer(&text[0])), 4)
	Goroutine{}.Prefetch()
	assert.Equal(t, "text", string(text))
}

func TestCurrent(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		assert.Zero(t, Current())
		return
	}
	here := 0
	g, at := Current(), uint64(uintptr(unsafe.Pointer(&here))) // at once, before the stack moves
	require.NotZero(t, g.descriptor)
	assert.Equal(t, g.descriptor, Current().descriptor)
	assert.InDelta(t, at, uint64(g.stack), 4096, "an address near this frame")

	other := make(chan Goroutine)
	go func() {
		other <- Current()
		runtime.Goexit()
	}()
	ended := <-other
	assert.NotEqual(t, g.descriptor, ended.descriptor)
	assert.NotEqual(t, g.stack, ended.stack)
	runtime.GC()
	ended.Prefetch()
}
