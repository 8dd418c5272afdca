package cookbook

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A Store asks a server, one question at a time. It holds its lock while it waits for the
// answer.
type Store struct {
	Lock sync.Locker // nil means a sync.Mutex
	once sync.Once
	conn net.Conn
	in   *bufio.Reader
}

// Get asks for the value of a key.
func (s *Store) Get(key string) (string, error) {
	s.once.Do(func() {
		if s.Lock == nil {
			s.Lock = new(sync.Mutex)
		}
		s.in = bufio.NewReader(s.conn)
	})
	s.Lock.Lock()
	defer s.Lock.Unlock()
	if _, err := fmt.Fprintln(s.conn, key); err != nil {
		return "", err
	}
	return s.in.ReadString('\n')
}

func TestLockOverTheNetwork(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connect(t, sim)
		go func() { _, _ = io.Copy(server, server) }() // the value is the key
		store := &Store{Lock: new(simtest.Locker), conn: client}
		start := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				value, err := store.Get("poem")
				assert.NoError(t, err)
				assert.Equal(t, "poem\n", value)
			})
		}
		all.Wait()
		assert.Equal(t, 300*time.Millisecond, time.Since(start)) // one after another
	})
}

func TestRecovers(t *testing.T) {
	search := simtest.Search{Seeds: 10, Config: config, Chaos: simtest.DefaultChaos()}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		serveHTTP(sim.Host("server"), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
		web := &http.Client{Transport: &http.Transport{DialContext: sim.Host("client").DialContext}, Timeout: 5 * time.Second}
		sim.Every(time.Second, func() { _, _ = get(web, "http://server/") }) // may fail

		<-sim.Quiet() // until the faults are over
		text, err := get(web, "http://server/")
		require.NoError(t, err)
		assert.Equal(t, "hello", text)
	})
}
