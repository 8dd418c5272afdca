package simtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// carriedOut runs a simulation with a Chaos, and returns the outcome of the Chaos and
// the digest. The environment's seed is ignored.
func carriedOut(t *testing.T, config Config, f func(t *testing.T, sim *Sim)) (out chaosOutcome, digest string) {
	t.Helper()
	t.Setenv(seedVariable, "")
	config.KeepPools, config.KeepRand = true, true
	if config.chaos == nil {
		config.chaos = newChaosRun(&config.Chaos)
	}
	config.Run(t, func(t *testing.T, sim *Sim) {
		f(t, sim)
		digest = sim.Trace().Digest()
	})
	return config.chaos.outcome(), digest
}

// idleHosts creates hosts and waits for the quiet.
func idleHosts(names ...string) func(t *testing.T, sim *Sim) {
	return func(t *testing.T, sim *Sim) {
		for _, name := range names {
			sim.Host(name)
		}
		<-sim.Quiet()
	}
}

// The schedules of some seeds, to the millisecond: they must be the same on every
// platform and in every version, so that replays work everywhere.
func TestDrawnSchedules(t *testing.T) {
	for seed, want := range map[uint64]string{
		0: `fault 240ms name a for 4.815s
fault 3.081s crash c for 2.724s
fault 8.56s partition a,c,d,e > b for 887ms
fault 9.696s partition c,e | a,b,d for 1.041s
fault 13.981s kill e for 19.075s
fault 15.79s crash b for 13.336s
fault 18.536s kill d for 415ms
fault 21.013s partition a | b,c,d,e for 2.451s
fault 24.653s name c for 2.382s
fault 29.201s pause c for 12.787s
fault 30.927s partition b | a,c,d,e for 457ms
fault 35.907s pause c for 7.131s
fault 37.799s reset b | e
fault 40.343s slow a > e by 1.814s for 7.852s
fault 44.061s partition b,c,d,e > a for 15.939s
fault 46.439s pause c for 1.362s
fault 48.811s pause d for 11.189s
fault 52.038s partition a,c | b,d for 7.962s
`,
		7: `fault 2.608s kill e for 14.613s
fault 3.317s partition a,d | b,c,e for 2.285s
fault 7.963s hold d | c for 1.784s
fault 11.305s pause a for 18.587s
fault 13.769s kill d for 9.023s
fault 20.807s kill a for 7.438s
fault 22.988s partition d | a,b,c,e for 411ms
fault 25.573s pause b for 1.042s
fault 29.509s reset b | d
fault 30.102s lossy e | a by 30% for 490ms
fault 33.004s reset b | a
fault 38.758s slow a > b by 883ms for 6.537s
fault 40.337s pause c for 426ms
fault 42.746s kill c for 4.483s
fault 45.564s reset b | c
fault 48.549s partition a,b | c,d,e for 3.7s
fault 52.663s skew b by -16.007s for 7.337s
fault 54.441s crash a for 5.559s
fault 59.119s reset e | c
`,
		1 << 63: `fault 929ms lossy c > d by 7% for 9.923s
fault 4.114s partition a,b | c,d,e for 8.261s
fault 7.886s kill e for 11.934s
fault 14.308s partition a,b,d,e > c for 397ms
fault 17.42s partition b > a,c,d,e for 1.359s
fault 19.333s restart b
fault 22.947s restart d
fault 24.28s lossy c | d by 3% for 1.655s
fault 29.602s partition b | a,c,d,e for 2.49s
fault 31.62s partition a | b,c,d,e for 1.734s
fault 34.241s pause c for 6.21s
fault 38.61s crash d for 16.299s
fault 39.223s partition b,c | a,e for 490ms
fault 42.412s lossy b > c by 1% for 17.588s
fault 46.284s kill a for 7.067s
fault 53.685s crash e for 6.315s
fault 56.646s crash a for 1.18s
fault 58.947s partition d,e | b,c for 1.053s
`,
	} {
		out, _ := carriedOut(t, Config{Seed: seed, Chaos: DefaultChaos()}, idleHosts("a", "b", "c", "d", "e"))
		assert.Equal(t, want, out.schedule.String(), "seed %d", seed)
		assert.Equal(t, time.Minute, out.quiet)
	}
}

// All kinds occur, within bounds: each fault begins in its own interval and ends before
// Duration, and no more are in effect at once than allowed.
func TestDrawnFaultsAreWithinBounds(t *testing.T) {
	chaos := Chaos{Every: 2 * time.Second, Longest: 10 * time.Second, AtOnce: 2, Duration: 50 * time.Second}
	kinds := make(map[string]int)
	shortest, longest := time.Hour, time.Duration(0)
	for seed := range uint64(200) {
		out, _ := carriedOut(t, Config{Seed: seed, Chaos: chaos}, idleHosts("a", "b", "c", "d", "e"))
		turn := time.Duration(-1)
		for i, f := range out.schedule {
			require.NoError(t, f.invalid())
			require.Greater(t, f.at/chaos.Every, turn, "seed %d", seed)
			turn = f.at / chaos.Every
			require.Less(t, f.at, chaos.Duration)
			require.LessOrEqual(t, f.end(), chaos.Duration)
			require.LessOrEqual(t, f.lasts, chaos.Longest)
			active := 0
			for _, before := range out.schedule[:i] {
				if before.end() > f.at {
					active++
				}
			}
			require.Less(t, active, chaos.AtOnce, "seed %d, %v", seed, f)
			if f.lasts > 0 && f.end() < chaos.Duration {
				shortest, longest = min(shortest, f.lasts), max(longest, f.lasts)
			}
			kinds[shapeOf(f)]++
		}
	}
	assert.ElementsMatch(t, strings.Fields(`partition:1|4 partition:2|3 partition:2|2 partition:1>4 partition:4>1 partition:2>3 partition:3>2
		kill:1 crash:1 pause:1 restart:1 skew:1 name:1 slow:1|1 slow:1>1 lossy:1|1 lossy:1>1 hold:1|1 hold:1>1 reset:1|1`), keysOf(kinds))
	for shape, n := range kinds {
		assert.Greater(t, n, 20, shape)
	}
	assert.Less(t, shortest, 200*time.Millisecond)
	assert.Greater(t, longest, 9900*time.Millisecond)
}

func keysOf[V any](m map[string]V) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// shapeOf returns a fault's kind and the number of hosts on each side.
func shapeOf(f scheduledFault) string {
	var sides []string
	for _, side := range f.sides {
		sides = append(sides, fmt.Sprint(len(side)))
	}
	sign := "|"
	if f.oneWay {
		sign = ">"
	}
	return f.kind.String() + ":" + strings.Join(sides, sign)
}

// A kind of weight 0 is never drawn, nor is a kind that needs more hosts than exist; if
// no other kind is left, nothing happens.
func TestDrawnKindsFollowTheMix(t *testing.T) {
	kinds := func(mix ChaosMix, hosts ...string) (kinds map[string]int) {
		kinds = make(map[string]int)
		for seed := range uint64(20) {
			out, _ := carriedOut(t, Config{Seed: seed, Chaos: Chaos{Mix: mix}}, idleHosts(hosts...))
			for _, f := range out.schedule {
				kinds[shapeOf(f)]++
			}
		}
		return kinds
	}
	both := kinds(ChaosMix{Pause: 1, Reset: 3}, "a", "b", "c")
	assert.Len(t, both, 2)
	assert.InDelta(t, 3, float64(both["reset:1|1"])/float64(both["pause:1"]), 0.8)
	assert.Equal(t, []string{"pause:1"}, keysOf(kinds(ChaosMix{Pause: 1, Reset: 3}, "a")))
	assert.Equal(t, []string{"partition:1|1"}, keysOf(kinds(ChaosMix{Split: 1, Isolate: 1, Bridge: 1}, "a", "b")))
	assert.Equal(t, []string{"partition:1|1"}, keysOf(kinds(ChaosMix{Bridge: 1}, "a", "b", "c")))
	assert.Empty(t, kinds(ChaosMix{Bridge: 1}, "a", "b"))
	assert.Empty(t, kinds(ChaosMix{Kill: 1}))
}

// Faults affect only the named hosts, as soon as they exist.
func TestDrawnFaultsAffectOnlyNamedHosts(t *testing.T) {
	for seed := range uint64(50) {
		chaos := DefaultChaos()
		chaos.Hosts = []string{"d", "b", "b", "late"}
		out, _ := carriedOut(t, Config{Seed: seed, Chaos: chaos}, func(t *testing.T, sim *Sim) {
			sim.At(30*time.Second, func() { sim.Host("late") })
			idleHosts("a", "b", "c", "d", "e")(t, sim)
		})
		late := 0
		for _, f := range out.schedule {
			require.NoError(t, f.invalid())
			for _, name := range slices.Concat(f.sides...) {
				require.Contains(t, chaos.Hosts, name)
				if name == "late" {
					late++
					require.Greater(t, f.at, 30*time.Second)
				}
			}
		}
		require.NotZero(t, late, "seed %d", seed)
	}
}

// Adding or removing a fault or a host does not change other draws.
func TestDrawsDoNotDependOnEachOther(t *testing.T) {
	chaos := DefaultChaos()
	five, four := []string{"a", "b", "c", "d", "e"}, []string{"a", "b", "d", "e"}
	same, changed := 0, 0
	for n := range 100 {
		at, _ := chaos.timeOf(3, n)
		one, _ := chaos.draw(3, n, at, five)
		again, _ := chaos.draw(3, n, at, []string{"a", "b", "c", "d", "e"})
		require.Equal(t, one, again)
		other, _ := chaos.draw(3, n, at, four)
		require.Equal(t, []any{one.kind, one.oneWay, one.amount, one.percent, one.lasts}, []any{other.kind, other.oneWay, other.amount, other.percent, other.lasts})
		if one.kind == partitionFault {
			continue
		}
		if slices.Contains(slices.Concat(one.sides...), "c") {
			changed++
		} else {
			same++
			require.Equal(t, one.sides, other.sides, "fault %d", n)
		}
	}
	assert.Greater(t, same, 10)
	assert.Greater(t, changed, 10)
}

// A drawn schedule that is given again is carried out with the same events.
func TestGivenScheduleRepeatsTheDrawnOne(t *testing.T) {
	for seed := range uint64(tier.Count(20, 300)) {
		config := Config{Seed: seed, Chaos: DefaultChaos()}
		if seed%2 == 1 {
			config.Chaos.Every = 500 * time.Millisecond // so that many faults would exceed AtOnce
		}
		f := func(t *testing.T, sim *Sim) {
			late := sim.Host("a")
			sim.Every(time.Second, func() { late.SetSkew(time.Second) })
			sim.At(10*time.Second, func() { sim.Host("f") })
			idleHosts("b", "c", "d", "e")(t, sim)
		}
		drawn, digest := carriedOut(t, config, f)
		require.NotEmpty(t, drawn.schedule)
		for _, chaos := range []*chaosRun{
			{chaos: config.Chaos, given: drawn.schedule},
			{given: drawn.schedule, quiet: drawn.quiet},
			newChaosRun(&Chaos{Schedule: drawn.schedule.String()}),
		} {
			config.chaos = chaos
			given, again := carriedOut(t, config, f)
			require.Equal(t, drawn, given, "seed %d", seed)
			require.Equal(t, digest, again, "seed %d", seed)
		}
	}
}

// Without one of its faults, the rest of a schedule is carried out unchanged.
func TestScheduleWithoutOneFault(t *testing.T) {
	config := Config{Seed: 5, Chaos: DefaultChaos()}
	all, digest := carriedOut(t, config, idleHosts("a", "b", "c"))
	changed := 0
	for i := range all.schedule {
		rest := slices.Delete(slices.Clone(all.schedule), i, i+1)
		config.chaos = &chaosRun{given: rest}
		out, other := carriedOut(t, config, idleHosts("a", "b", "c"))
		assert.Equal(t, rest, out.schedule)
		if other != digest {
			changed++
		}
	}
	assert.Greater(t, changed, len(all.schedule)*3/4, "a kill of a host that is down does nothing")
}

// An invalid field is reported before anything runs.
func TestInvalidChaos(t *testing.T) {
	for want, chaos := range map[string]Chaos{
		`Every is -1s: it must be more than 0, or 0 for 3 s`:                       {Every: -time.Second},
		`Longest is -1s: it must be more than 0, or 0 for 20 s`:                    {Longest: -time.Second},
		`AtOnce is -1: it must be 1 or more, or 0 for 3`:                           {AtOnce: -1},
		`Duration is -1s: it must be more than 0, or 0 for a minute`:               {Duration: -time.Second},
		`Mix.Skew is -2: it must be from 0, never, to 1000000`:                     {Mix: ChaosMix{Skew: -2}},
		`Mix.Split is 1000001: it must be from 0, never, to 1000000`:               {Mix: ChaosMix{Split: maxWeight + 1}},
		`Hosts is ["b" "a:1"]: it must be names of hosts, and "a:1" cannot be one`: {Hosts: []string{"b", "a:1"}},
		`Schedule: line 2: "kil" is not a kind of fault: it must be one of partition, kill, crash, pause, restart, slow, lossy, reset, hold, skew, name`: {Schedule: "\nfault 1s kil a for 1s"},
	} {
		assert.PanicsWithValue(t, "simtest: Config.Chaos."+want, func() {
			Config{Chaos: chaos}.Run(t, func(*testing.T, *Sim) { t.Error("it runs") })
		})
	}
	assert.NoError(t, new(Chaos).invalid())
	usual := DefaultChaos()
	assert.NoError(t, usual.invalid())
	assert.Equal(t, usual, Chaos{AtOnce: 3}.orDefault())
}
