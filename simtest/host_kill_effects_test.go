package simtest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A killing is a scenario of a process that is killed, and of the effects on
// its peer. On loopback the victim is another process, and dies by SIGKILL; in
// the simulator it runs on another host.
type killing struct {
	name   string
	victim func(v *victim)
	peer   func(k *killer, r *report)
	want   []string
}

// A victim is the test environment of the process to be killed.
type victim struct {
	network
	address string            // "127.0.0.1", or its host's
	say     func(word string) // sends a word to the killer
	hear    func() string     // receives a word from the killer
}

// must panics on an error: a victim has no test to fail.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// accept accepts a connection, and tells the killer.
func (v *victim) accept() stream {
	l := must(v.Listen("tcp", v.address+":0"))
	v.say(l.Addr().String())
	conn := must(l.Accept()).(stream)
	v.say("accepted")
	return conn
}

// A killer is the peer of a victim.
type killer struct {
	*world
	kill func()
	say  func(word string)
	hear func() string
}

// dialVictim connects to the victim, which calls accept.
func (k *killer) dialVictim() stream {
	conn := k.dial("tcp", k.hear())
	require.Equal(k, "accepted", k.hear())
	return conn
}

// killNow kills the victim when everything sent has arrived.
func (k *killer) killNow() {
	k.arrive()
	k.kill()
	k.arrive()
}

func TestKilledProcessLooksLikeARealOne(t *testing.T) {
	t.Parallel()
	for _, killing := range killings {
		t.Run(killing.name, func(t *testing.T) {
			t.Parallel()
			t.Run("loopback", func(t *testing.T) {
				if runtime.GOOS != "linux" {
					t.Skip("sockets of other systems differ in detail")
				}
				w := &world{T: t, client: &node{network: sockets{&net.Dialer{}}, v4: "127.0.0.1"}}
				runScenario(w, func(w *world) { killing.check(w, startVictim(w, killing.name)) })
			})
			for seed := range uint64(2) {
				t.Run(fmt.Sprint("simulated with seed ", seed), func(t *testing.T) {
					simtest.Config{Seed: seed, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
						peer, host := sim.Host("peer"), sim.Host("victim")
						w := &world{T: t, client: &node{network: hosts{peer}, v4: peer.Addr().String()}, simulated: true}
						toVictim, toKiller := make(chan string, 10), make(chan string, 10)
						host.Run(func(ctx context.Context) error {
							killing.victim(&victim{
								network: hosts{host},
								address: host.Addr().String(),
								say:     func(word string) { toKiller <- word },
								hear:    func() string { return <-toVictim },
							})
							<-ctx.Done()
							assert.ErrorIs(t, context.Cause(ctx), simtest.ErrKilled)
							return ctx.Err()
						})
						runScenario(w, func(w *world) {
							killing.check(w, &killer{w, host.Kill, func(word string) { toVictim <- word }, func() string { return <-toKiller }})
						})
					})
				})
			}
		})
	}
}

func (k *killing) check(w *world, killer *killer) {
	got := &report{world: w}
	k.peer(killer, got)
	w.wait.Wait()
	assert.Equal(w, k.want, got.lines)
}

// victimVariable is set to the scenario's name in a process to be killed.
const victimVariable = "SIMTEST_VICTIM"

// startVictim starts a process to be killed.
func startVictim(w *world, scenario string) *killer {
	command := exec.CommandContext(w.Context(), os.Args[0], "-test.run=^TestVictim$", "-test.timeout=1m")
	command.Env = append(os.Environ(), victimVariable+"="+scenario)
	input, err := command.StdinPipe()
	require.NoError(w, err)
	output, err := command.StdoutPipe()
	require.NoError(w, err)
	command.Stderr = os.Stderr
	require.NoError(w, command.Start())
	w.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := bufio.NewReader(output)
	return &killer{
		world: w,
		kill: func() {
			require.NoError(w, command.Process.Kill())
			_, _ = command.Process.Wait()
		},
		say: func(word string) { w.write(input, word+"\n") },
		hear: func() string {
			line, err := lines.ReadString('\n')
			require.NoError(w, err)
			return strings.TrimSuffix(line, "\n")
		},
	}
}

// TestVictim is the process that is killed.
func TestVictim(t *testing.T) {
	name := os.Getenv(victimVariable)
	if name == "" {
		t.Skip("there is no scenario to run")
	}
	input := bufio.NewReader(os.Stdin)
	for _, killing := range killings {
		if killing.name != name {
			continue
		}
		killing.victim(&victim{
			network: sockets{&net.Dialer{}},
			address: "127.0.0.1",
			say:     func(word string) { fmt.Println(word) },
			hear: func() string {
				line, _ := input.ReadString('\n')
				return strings.TrimSuffix(line, "\n")
			},
		})
		time.Sleep(time.Minute)
	}
}

// all reads to the end, and reports the end of the stream.
func (r *report) all(what string, c io.Reader) {
	_, err := io.Copy(io.Discard, c)
	if err == nil {
		err = io.EOF
	}
	r.result("read all", what, "%s", describe(err))
}
