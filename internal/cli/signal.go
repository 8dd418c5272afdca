package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Interrupted is the cause with which an [Interruptible] context ends. It
// matches context.Canceled.
type Interrupted struct{ Signal os.Signal }

// Error returns "interrupted".
func (*Interrupted) Error() string { return "interrupted" }

// Is reports whether target is context.Canceled: an interruption is a cancellation.
func (*Interrupted) Is(target error) bool { return target == context.Canceled }

// Interruptible returns a context that ends at Ctrl-C or SIGTERM. The command
// then has a moment to end by itself. After that, or at a second signal, end is
// called with the first signal, and must end the process: its output may be
// blocked by a reader that does not read. Stop restores the signals.
func Interruptible(patience time.Duration, end func(os.Signal)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	stopped := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		var first os.Signal
		select {
		case <-stopped:
			return
		case first = <-signals:
			cancel(&Interrupted{first})
		}
		select {
		case <-stopped:
			return
		case <-signals:
		case <-time.After(patience):
		}
		end(first)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel(nil)
	}
}

// SignalOf returns the signal that ended an [Interruptible] context, or nil.
func SignalOf(ctx context.Context) os.Signal {
	var interrupted *Interrupted
	if errors.As(context.Cause(ctx), &interrupted) {
		return interrupted.Signal
	}
	return nil
}

// EndBySignal ends the process by a signal, as if it had not been caught, so
// that a shell ends its script, too. If that is not possible, for example
// because the signal was ignored from the start, the exit status is the shell's
// for that signal: 130 for Ctrl-C, 143 for SIGTERM.
func EndBySignal(sig os.Signal) {
	number, _ := sig.(syscall.Signal)
	raise(number)
	os.Exit(128 + int(number))
}
