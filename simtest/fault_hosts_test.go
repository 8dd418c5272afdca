package simtest_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A fault that names a host that does not exist panics in the call, and has no effect.
func TestFaultOfAnUnknownHostPanics(t *testing.T) {
	simtest.Config{KeepEvents: 10}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.PanicsWithValue(t, `simtest: Reset names "a", which is not a host: there are none yet`, func() { sim.Reset("a", "b") })
		for _, name := range []string{"a", "reader", "poet"} {
			sim.Host(name)
		}
		for call, fault := range map[string]func(name string){
			"Partition":       func(name string) { sim.Partition([]string{"a", name}, []string{"poet"}) },
			"PartitionOneWay": func(name string) { sim.PartitionOneWay([]string{"a"}, []string{name}) },
			"Heal":            func(name string) { sim.Heal("a", name) },
			"Hold":            func(name string) { sim.Hold("a", name) },
			"Release":         func(name string) { sim.Release(name, "a") },
			"Reset":           func(name string) { sim.Reset(name, "a") },
			"Refuse":          func(name string) { sim.Refuse(name) },
			"Blackhole":       func(name string) { sim.Blackhole(name + ":1") },
			"Allow":           func(name string) { sim.Allow(name + ":1") },
		} {
			for name, nearest := range map[string]string{"peot": "poet", "Reader": "reader", "raeder": "reader"} {
				assert.PanicsWithValue(t, fmt.Sprintf("simtest: %s names %q, which is not a host; the nearest name is %q", call, name, nearest),
					func() { fault(name) }, call)
			}
		}
		for _, name := range []string{"nobody", "b", ""} {
			assert.PanicsWithValue(t, fmt.Sprintf("simtest: Reset names %q, which is not a host: create it first, with Sim.Host", name), func() { sim.Reset(name, "a") }, "no name is near")
		}
		assert.Empty(t, sim.Trace().Events())
	})
}

// here returns the file and the line of its caller.
func here() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file[strings.LastIndexByte(file, '/')+1:], line)
}

// Links and names may be set before their hosts exist. Hosts that are never created are
// reported when the test's function has ended, in the order of the program.
func TestLinksOfUnknownHostsAreReportedWithTheirLines(t *testing.T) {
	t.Parallel()
	var lines []string
	output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("poet", "reader", netem.Link{})
		sim.SetLink("poet", "raeder", netem.Link{})
		fmt.Println("this is", here())
		for range 3 {
			sim.SetProfile("peot", "Reader", netem.Profile{})
		}
		go sim.SetLink("late", "poet", netem.Link{})
		time.Sleep(time.Second)
		sim.Host("poet")
		sim.Host("reader")
		time.AfterFunc(time.Second, func() { sim.Host("late") })
		sim.SetLink("poet", "", netem.Link{})
		sim.SetName("www", simtest.Name{Host: "pot"})
		sim.SetName("www2", simtest.Name{Host: "reader"})
		time.Sleep(time.Second)
	})
	if output == "" {
		return
	}
	for _, match := range regexp.MustCompile(`this is fault_hosts_test.go:(\d+)`).FindAllStringSubmatch(output, -1) {
		lines = append(lines, match[1])
	}
	var line int
	_, err := fmt.Sscan(lines[0], &line)
	assert.NoError(t, err)
	assert.Contains(t, withoutIndent(output), fmt.Sprintf(`simtest: some hosts were named but never created: fix the names, or create the hosts with Sim.Host
fault_hosts_test.go:%d: SetLink names "raeder"; the nearest name is "reader"
fault_hosts_test.go:%d: SetProfile names "Reader"; the nearest name is "reader"
fault_hosts_test.go:%[2]d: SetProfile names "peot"; the nearest name is "poet"
fault_hosts_test.go:%d: SetLink names ""
fault_hosts_test.go:%d: SetName names "pot"; the nearest name is "poet"
`, line-1, line+2, line+9, line+10))
	assert.NotContains(t, output, `names "late"`)
}

// Such hosts are reported even if the test has failed because of them, but not if the
// test ended before it had created its hosts.
func TestLinksOfUnknownHostsInATestThatFails(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]bool{"by Error": false, "by FailNow": true} {
		t.Run(name, func(t *testing.T) {
			output := failing(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
				sim.SetLink("poet", "reader", netem.Link{})
				t.Error("it fails")
				if left {
					t.FailNow()
				}
			})
			if output != "" {
				assert.Equal(t, !left, strings.Contains(output, "some hosts were named but never created"), output)
			}
		})
	}
}
