package slownet

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAcceptGivesUpAtTheDeadline(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	require.NoError(t, s.SetDeadline(time.Now().Add(20*ms)))
	for range 2 { // while blocked, and after the deadline
		_, err := s.Accept()
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.ErrorContains(t, err, "accept tcp "+s.Addr().String()+": i/o timeout")
	}
	require.NoError(t, s.SetDeadline(time.Time{}))
	_, conn := s.connect()
	assert.NotNil(t, conn, "the deadline was removed")

	require.NoError(t, s.SetDeadline(time.Now().Add(-time.Second)))
	_, err := s.Accept()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, s.SetDeadline(time.Now().Add(time.Hour)))
	time.AfterFunc(10*ms, func() { assert.NoError(t, s.SetDeadline(time.Now())) })
	_, err = s.Accept()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "moved while it waited")

	require.NoError(t, s.Close())
	assert.ErrorIs(t, s.SetDeadline(time.Now()), net.ErrClosed)
	_, err = s.Accept()
	assert.ErrorIs(t, err, net.ErrClosed, "the deadline has passed too")
}

// The deadlines of a listener and of its connections are on the
// listener's clock.
func TestAListenersDeadlineIsOnItsClock(t *testing.T) {
	t.Parallel()
	mock := clock.NewMock()
	s := serve(t, Config{Clock: mock})
	require.NoError(t, s.SetDeadline(mock.Now().Add(time.Hour)))
	_, conn := s.connect()
	assert.NotNil(t, conn, "1970 is not past")
	accepted := make(chan error, 1)
	go func() {
		_, err := s.Accept()
		accepted <- err
	}()
	mock.Add(time.Hour)
	assert.ErrorIs(t, <-accepted, os.ErrDeadlineExceeded)
}

func TestAListenersDeadlineInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewListener(&patientListener{deadline: make(chan struct{}, 1)}, Config{})
		start := time.Now()
		require.NoError(t, l.SetDeadline(start.Add(time.Minute)))
		_, err := l.Accept()
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

// A patientListener blocks in Accept until a deadline in the past is set.
type patientListener struct{ deadline chan struct{} }

func (l *patientListener) Accept() (net.Conn, error) {
	<-l.deadline
	return nil, os.ErrDeadlineExceeded
}

func (l *patientListener) SetDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		l.deadline <- struct{}{}
	}
	return nil
}
func (l *patientListener) Close() error   { return nil }
func (l *patientListener) Addr() net.Addr { return memoryName("patient") }

func TestAListenersSocketIsGivenOut(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{Write: netem.Link{Latency: ms}})
	raw, err := s.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(uintptr) {}))
	file, err := s.File()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	again, err := net.FileListener(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	assert.Equal(t, s.Addr(), again.Addr(), "it still listens")
	require.NoError(t, again.Close())
}

func TestAListenerThatIsNoSocket(t *testing.T) {
	t.Parallel()
	l := NewListener(pipeListener{}, Config{})
	_, noFile := l.File()
	_, noDescriptor := l.SyscallConn()
	for _, err := range []error{noFile, noDescriptor, l.SetDeadline(time.Now())} {
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorAs(t, err, new(*net.OpError))
	}
}
