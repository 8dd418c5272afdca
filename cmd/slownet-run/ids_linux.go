package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// idMappings returns which users and groups of the host there are inside, each as itself:
// all, for root; else one's own alone, and then no process there may change its groups.
func idMappings() (uids, gids []syscall.SysProcIDMap, setgroups bool) {
	if os.Geteuid() == 0 {
		uids, gids = allIDs("/proc/self/uid_map"), allIDs("/proc/self/gid_map")
		if len(uids) > 0 && len(gids) > 0 {
			return uids, gids, true
		}
	}
	own := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	return own(os.Geteuid()), own(os.Getegid()), false
}

// allIDs returns the ranges of IDs of the namespace that this process is in.
func allIDs(file string) (all []syscall.SysProcIDMap) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		var first, outside, count int
		if _, err := fmt.Sscan(line, &first, &outside, &count); err != nil {
			return nil
		}
		all = append(all, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: count})
	}
	return all
}

// pingGroups returns the range of groups that may ping inside without privileges: those
// that there are, as far as one range has them.
func pingGroups() string {
	_, gids, _ := idMappings()
	first, last := gids[0].ContainerID, gids[0].ContainerID+gids[0].Size-1
	return fmt.Sprintf("%d %d", first, min(last, 1<<31-1))
}
