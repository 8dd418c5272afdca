package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// watchEvery is the interval at which a file is checked for changes.
const watchEvery = 100 * time.Millisecond

// watch reads a file each time it changes, and applies the profile in it, until stop is
// closed. An invalid file changes nothing, and is reported once.
func watch(file string, stop <-chan struct{}, set func(netem.Profile), warn func(format string, args ...any)) {
	old, _ := os.ReadFile(file)
	reported := "" // why the file cannot be read
	for {
		select {
		case <-stop:
			return
		case <-time.After(watchEvery):
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (bytes.Equal(data, old) || len(data) == 0) {
			continue // unchanged, or an editor may be writing it
		}
		if err != nil {
			if err.Error() != reported {
				warn("the path was not changed: %v", err)
			}
			reported = err.Error()
			continue
		}
		reported, old = "", data
		profile, err := netem.ParseProfile(data)
		if err == nil {
			err = usable(profile)
		}
		if err != nil {
			warn("the path was not changed: %s: %v", file, err)
			continue
		}
		set(profile)
	}
}
