package simtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goroutinesOf returns the goroutines of a dump.
func goroutinesOf(dump ...string) []*goroutine {
	return slices.Collect(parseDump(strings.Join(dump, "\n")))
}

// locking returns a goroutine of a dump that waits for a mutex in a call; sleeping
// returns one that sleeps.
func locking(number, address, call string) string {
	return "goroutine " + number + ` [sync.Mutex.Lock, synctest bubble 1]:
internal/sync.runtime_SemacquireMutex(0x1?, 0x0?, 0x0?)
	/go/src/runtime/sema.go:95 +0x25
internal/sync.(*Mutex).lockSlow(` + address + `)
	/go/src/internal/sync/mutex.go:149 +0x15d
internal/sync.(*Mutex).Lock(...)
	/go/src/internal/sync/mutex.go:70
sync.(*Mutex).Lock(...)
	/go/src/sync/mutex.go:46
` + call + `
	/x/lock.go:1 +0x1
created by main.main in goroutine 1
	/x/main.go:1 +0x1
`
}

func sleeping(number string, calls ...string) string {
	text := "goroutine " + number + " [sleep (durable), synctest bubble 1]:\ntime.Sleep(0x1)\n\t/go/src/runtime/time.go:361 +0x1\n"
	for _, call := range calls {
		text += call + "\n\t/x/" + number + ".go:1 +0x1\n"
	}
	return text + "created by main.main in goroutine 1\n\t/x/main.go:1 +0x1\n"
}

// The holder of a mutex is guessed from the calls that goroutines are in.
func TestHolders(t *testing.T) {
	const take = "shop.example/db.(*Store).Get(0xc001, {0x1, 0x2})"
	for _, tc := range []struct {
		name    string
		dump    []string
		host    map[string]string // of goroutines, by number; the others are the test's
		holders string            // their numbers
		how     likelihood
	}{
		{"a method with the receiver",
			[]string{locking("1", "0xc008", take), sleeping("2", "net.f()", "shop.example/db.(*Store).load(0xc001)", "shop.example/db.run()"), sleeping("3", "shop.example/db.(*Store).load(0x0?)")},
			nil, "2", veryLikely},
		{"a method with another receiver",
			[]string{locking("1", "0xc008", take), sleeping("2", "shop.example/db.(*Store).load(0xc002)")},
			nil, "", unlikely},
		{"a method, with an unknown receiver",
			[]string{locking("1", "0xc008", take), sleeping("2", "shop.example/db.(*Store).load(0xc001?)"), sleeping("3", "shop.example/db.(*Other).load(0xc002?)")},
			nil, "2", likely},
		{"a closure of a method",
			[]string{locking("1", "0xc008", take), sleeping("2", "shop.example/db.(*Store).load.func1.2()")},
			nil, "2", likely},
		{"a generic method",
			[]string{locking("1", "0xc008", "shop.example/db.(*Store[...]).Get(0xc001)"), sleeping("2", "shop.example/db.(*Store[...]).load(...)")},
			nil, "2", likely},
		{"closures of one function",
			[]string{locking("1", "0xc008", "shop_test.TestX.func2()"), sleeping("2", "shop_test.TestX.func1()"), sleeping("3", "shop_test.TestY.func1()")},
			nil, "2", plausible},
		{"a package's mutex",
			[]string{locking("1", "0x6f9cc8", "shop.example/db.Get(0x1)"), sleeping("2", "shop.example/db.Load(0x1)"), sleeping("3", "shop.example/web.Load(0x1)")},
			nil, "2", possible},
		{"several",
			[]string{locking("1", "0xc008", take), sleeping("2", "shop.example/db.(*Store).load(...)"), sleeping("3", "shop.example/db.(*Store).save(...)")},
			nil, "2 3", likely},
		{"one of the same host",
			[]string{locking("1", "0xc008", take), sleeping("2", "shop.example/db.(*Store).load(...)"), sleeping("3", "shop.example/db.(*Store).save(...)"), sleeping("4", "shop.example/db.(*Store).load(...)")},
			map[string]string{"1": "a", "2": "b", "3": "a"}, "3", likely},
		{"one that waits for another mutex",
			[]string{locking("1", "0xc008", take), locking("2", "0xc010", "shop.example/db.(*Store).load(0xc001)")},
			nil, "2", veryLikely},
		{"not one that waits for the same",
			[]string{locking("1", "0xc008", take), locking("2", "0xc008", "shop.example/db.(*Store).load(0xc001)")},
			nil, "", unlikely},
		{"a sync.Once",
			[]string{locking("1", "0x6f9ef4", "sync.(*Once).doSlow(0x0?, 0x1?)"), sleeping("2", "main.f()", "sync.(*Once).doSlow(0x0?, 0x0?)")},
			nil, "2", likely},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := goroutinesOf(tc.dump...)
			hosts := make(hostsByKey)
			for _, g := range all {
				if host := tc.host[g.number]; host != "" {
					hosts[g.key()] = []string{host}
				}
			}
			waits := lockWaits(all)
			require.NotEmpty(t, waits)
			holders, how := waits[0].holders(all, hosts)
			var numbers []string
			for _, g := range holders {
				numbers = append(numbers, g.number)
			}
			assert.Equal(t, tc.holders, strings.Join(numbers, " "))
			assert.Equal(t, tc.how, how)
		})
	}
}

// The frames show which call locks a mutex, whatever was inlined.
func TestLockWaits(t *testing.T) {
	all := goroutinesOf(
		locking("1", "0xc008", "shop.f()"), locking("2", "0xc010", "shop.f()"), locking("3", "0xc008", "shop.g()"),
		"goroutine 4 [sync.RWMutex.RLock, synctest bubble 1]:\nsync.runtime_SemacquireRWMutexR(0x0?, 0x0?, 0x0?)\n\t/go/sema.go:1 +0x1\nsync.(*RWMutex).RLock(...)\n\t/go/rwmutex.go:74\nshop.h(0xc001)\n\t/x/h.go:1 +0x1\n",
		"goroutine 5 [sync.RWMutex.Lock, synctest bubble 1]:\nsync.runtime_SemacquireRWMutex(0x0?, 0x0?, 0x0?)\n\t/go/sema.go:1 +0x1\nsync.(*RWMutex).Lock(0xc020)\n\t/go/rwmutex.go:155 +0x1\ncreated by shop.i in goroutine 1\n\t/x/i.go:1 +0x1\n",
	)
	var texts []string
	for _, l := range lockWaits(all) {
		text := l.address + " " + l.call.function
		for _, g := range l.waiters {
			text += " " + g.number
		}
		texts = append(texts, text)
	}
	assert.Equal(t, []string{"0xc008 shop.f 1 3", "0xc010 shop.f 2", " shop.h 4", "0xc020 shop.i 5"}, texts)
}

// A list of holders is short, and shows the user's calls.
func TestHoldersText(t *testing.T) {
	calls := []string{"net/http.a()", "net/http.b()", "shop.(*Store).load(...)", "net/http.c()", "net/http.d()", "shop.serve()"}
	for i, call := range calls {
		if strings.HasPrefix(call, "net/") {
			calls[i] = call + "\n\t" + standardLibrary + "net/http/x.go:1"
		}
	}
	dump := []string{locking("1", "0xc008", "shop.(*Store).Get(...)"), locking("2", "0xc008", "shop.(*Store).Get(...)")}
	for _, number := range []string{"3", "4", "5", "6", "7"} {
		text := sleeping(number)
		for _, call := range calls {
			call, file, ok := strings.Cut(call, "\n\t")
			if !ok {
				file = "/x/shop.go:" + number
			}
			text = strings.Replace(text, "created by", call+"\n\t"+file+" +0x1\ncreated by", 1)
		}
		dump = append(dump, text)
	}
	text := holdersText("no simulation", goroutinesOf(dump...))
	assert.Contains(t, text, `
The mutex that the test itself waits for in shop.(*Store).Get (lock.go:1), and 1 other does, may be held by the test itself, in sleep:
    net/http.a (x.go:1)
    net/http.b (x.go:1)
    shop.(*Store).load (shop.go:3)
    ...
    shop.serve (shop.go:3)
  or by the test itself, in sleep:
`)
	assert.Contains(t, text, "\n  or by 2 others\n")
	assert.Empty(t, holdersText("no simulation", goroutinesOf(sleeping("1", "main.main()"))))
}
