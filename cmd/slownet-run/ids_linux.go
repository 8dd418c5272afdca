package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// idMappings returns the users and groups of the host that exist in the namespace, each
// mapped to itself, and whether processes may change their groups there. If root runs the
// command, all of the host's users and groups exist, and processes may change their groups;
// if another user does, only that user and its group exist, and processes may not.
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

// allIDs returns the ID ranges of this process's user namespace, as its uid_map or gid_map
// lists them, or nil if the file cannot be read.
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

// pingGroups returns the range of groups that may ping in the namespace without privileges,
// for net.ipv4.ping_group_range: the first range of the groups that exist there.
func pingGroups() string {
	_, gids, _ := idMappings()
	first, last := gids[0].ContainerID, gids[0].ContainerID+gids[0].Size-1
	return fmt.Sprintf("%d %d", first, min(last, 1<<31-1))
}
