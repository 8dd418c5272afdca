package slownet

import "github.com/benbjohnson/clock"

// A Config says what a connection is to be like. The zero Config leaves it as
// it is.
type Config struct {
	// Clock is the time by which bytes travel and deadlines expire. Nil is the
	// real one (or the simulated one, in a testing/synctest bubble).
	Clock clock.Clock

	// Write is the link over which travels what is written.
	Write Link
}

// clock returns the clock to use.
func (c Config) clock() clock.Clock {
	if c.Clock == nil {
		return clock.New()
	}
	return c.Clock
}
