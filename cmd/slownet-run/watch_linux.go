package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// watchEvery is how soon a change of a file is seen.
const watchEvery = 100 * time.Millisecond

// watch reads a file whenever it has changed, until it is stopped, and sets the profile
// that is there. A file that cannot be used changes nothing, and is told of once.
func watch(file string, stop <-chan struct{}, set func(netem.Profile), warn func(format string, args ...any)) {
	old, _ := os.ReadFile(file)
	for {
		select {
		case <-stop:
			return
		case <-time.After(watchEvery):
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (bytes.Equal(data, old) || len(data) == 0) {
			continue // an editor may be about to write it
		}
		var profile netem.Profile
		if err == nil {
			old = data
			profile, err = netem.ParseProfile(data)
		}
		if err == nil {
			err = usable(profile)
		}
		if err != nil {
			warn("the path stays as it is: %s: %v", file, err)
			continue
		}
		set(profile)
	}
}
