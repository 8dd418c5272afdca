package tun

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Attributes start with their length and kind, at multiples of four bytes.
func TestAttributes(t *testing.T) {
	t.Parallel()
	var a attributes
	a.bytes(7, []byte{1, 2, 3})
	a.uint32(8, 9)
	native := binary.NativeEndian
	want := native.AppendUint16(native.AppendUint16(nil, 4+3), 7)
	want = append(want, 1, 2, 3, 0)
	want = native.AppendUint16(native.AppendUint16(want, 4+4), 8)
	want = native.AppendUint32(want, 9)
	assert.Equal(t, attributes(want), a)
}
