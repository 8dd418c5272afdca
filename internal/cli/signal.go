package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ErrInterrupted is the cause with which an [Interruptible] context ends. It
// matches context.Canceled.
var ErrInterrupted error = interrupted{}

type interrupted struct{}

// Error returns what has happened, in a word.
func (interrupted) Error() string { return "interrupted" }

// Is reports whether target is context.Canceled, which an interruption is one of.
func (interrupted) Is(target error) bool { return target == context.Canceled }

// Interruptible returns a context that ends at Ctrl-C or SIGTERM. The command
// then has a moment to end by itself; after it, or at a second signal, the
// process ends as it is, with the status: whoever reads its output may not be
// reading. Stop restores the signals.
func Interruptible(patience time.Duration, status int) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	stopped := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-stopped:
			return
		case <-signals:
			cancel(ErrInterrupted)
		}
		select {
		case <-stopped:
			return
		case <-signals:
		case <-time.After(patience):
		}
		os.Exit(status)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel(nil)
	}
}
