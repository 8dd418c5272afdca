package reactor_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// If a lookup fails while the process has no free descriptors, its error mentions this,
// whatever else it says. Other errors are unchanged.
func TestLookupReportsMissingDescriptors(t *testing.T) {
	lookup := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	same := func() {
		conn, err := reactor.ExplainLookup(nil, refused)
		assert.Nil(t, conn)
		assert.Equal(t, refused, err)
		conn, err = reactor.ExplainLookup(near, nil)
		assert.Equal(t, near, conn)
		assert.NoError(t, err)
	}
	same()
	_, err := reactor.ExplainLookup(nil, lookup)
	assert.Equal(t, lookup, err)

	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	lower := limit
	lower.Cur = 1
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower))
	same()
	conn, err := reactor.ExplainLookup(nil, lookup)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	assert.Nil(t, conn)
	assert.ErrorIs(t, err, syscall.EMFILE)
	assert.ErrorContains(t, err, "no such host (open /dev/null: too many open files)")
	var dns *net.DNSError
	assert.True(t, errors.As(err, &dns))
}
