package wireshark

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/poetry"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// send makes the client send the body, and both ends close.
func send(t *testing.T, sim *simtest.Sim, _ *recording) {
	client, server := pipe(t, sim)
	go func() {
		_, _ = client.Write(body)
		_ = client.Close()
	}()
	got, err := io.ReadAll(server)
	require.NoError(t, err)
	require.True(t, bytes.Equal(body, got))
	require.NoError(t, server.Close())
	time.Sleep(5 * time.Second)
}

// A loss shows as a retransmission at the sender, and a comment gives the reason for the
// loss.
func TestLoss(t *testing.T) {
	lossy := link
	lossy.Loss.Random = 0.05
	r := record(t, simtest.Config{Seed: 1, Link: lossy}, send)
	for _, host := range []string{"client", ""} {
		f := r.capture(t, host)
		first, _ := f.follow(t, "0")
		assert.True(t, bytes.Equal(body, first), host)
		// Wireshark takes a retransmission that soon follows other segments for out of
		// order, unless it is the segment that the acknowledgments request.
		resent := f.fields(t, sentAgain, "frame.number")
		assert.Equal(t, resent, f.fields(t, "tcp.analysis.retransmission || tcp.analysis.out_of_order", "frame.number"), host)
		assert.Empty(t, f.matching(t, "("+wrong+") && !("+sentAgain+")"), host)
		recognized := f.matching(t, "tcp.analysis.retransmission")
		assert.NotEmpty(t, recognized)
		lost := f.matching(t, "frame.comment contains loss")
		assert.Len(t, resent, len(lost), host)
		assert.Greater(t, len(lost), 3, host)
		// The client does not see acknowledgments that do not reach it.
		assert.Equal(t, host == "", len(f.matching(t, mereACK+` && frame.comment contains "does not arrive"`)) > 0, host)
		assert.NotEmpty(t, f.matching(t, mereACK+" && !frame.comment"), host)
		assert.NotEmpty(t, f.matching(t, "tcp.options.sack.count"), host)
		assert.NotEmpty(t, f.matching(t, "tcp.analysis.duplicate_ack"), host)
		t.Logf("%q: %d packets, %d lost with data, %d sent again, %d of which recognized", host, len(f.matching(t, "tcp")), len(lost), len(resent), len(recognized))
	}
	// The receiver sees gaps, as any receiver does, and the same bytes.
	f := r.capture(t, "server")
	assert.Empty(t, f.matching(t, "_ws.malformed || tcp.checksum.status == bad || tcp.analysis.ack_lost_segment"))
	first, _ := f.follow(t, "0")
	assert.True(t, bytes.Equal(body, first))
}

// mereACK is a filter for acknowledgments without data.
const mereACK = "tcp.len == 0 && tcp.flags == 0x010"

// sentAgain is a filter for retransmissions.
const sentAgain = `frame.comment contains "sent again"`

func TestSameCaptureTwice(t *testing.T) {
	lossy := link
	lossy.Loss.Random = 0.05
	var files [][]byte
	for range 3 {
		files = append(files, record(t, simtest.Config{Seed: 1, Link: lossy}, send).pcapng(t, ""))
	}
	assert.True(t, bytes.Equal(files[0], files[1]))
	assert.True(t, bytes.Equal(files[0], files[2]))
}

// A reset ends a connection, and refuses one.
func TestReset(t *testing.T) {
	for _, congestion := range []netem.Congestion{netem.CUBIC, netem.Unlimited} {
		r := record(t, simtest.Config{Link: link, TCP: netem.TCP{Congestion: congestion}}, func(t *testing.T, sim *simtest.Sim, _ *recording) {
			client, server := pipe(t, sim)
			_, err := client.Write([]byte("hello"))
			require.NoError(t, err)
			time.Sleep(time.Second)
			require.NoError(t, server.Close()) // with unread data
			_, err = client.Read(make([]byte, 1))
			require.Error(t, err)
			_, err = sim.Host("client").Dial("tcp", "server:9")
			require.Error(t, err)
		})
		f := r.capture(t, "")
		assert.Empty(t, f.matching(t, wrong), "%v", congestion)
		assert.Equal(t, []string{"server", "server"}, f.fields(t, "tcp.flags.reset == 1", "frame.interface_name"), "%v", congestion)
		assert.Len(t, f.fields(t, "tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.stream"), 2, "%v", congestion)
	}
}

// Segments sent into a partition are retransmitted at increasing intervals.
func TestPartition(t *testing.T) {
	r := record(t, simtest.Config{Link: link}, func(t *testing.T, sim *simtest.Sim, _ *recording) {
		client, server := pipe(t, sim)
		_, err := client.Write([]byte("before"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.Partition([]string{"client"}, []string{"server"})
		_, err = client.Write([]byte("meanwhile"))
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		sim.Heal()
		_, err = io.ReadFull(server, make([]byte, len("beforemeanwhile")))
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
	})
	f := r.capture(t, "")
	assert.Empty(t, f.matching(t, wrong))
	first, _ := f.follow(t, "0")
	assert.Equal(t, "beforemeanwhile", string(first))
	assert.Greater(t, len(f.matching(t, "tcp.analysis.retransmission")), 2)
	assert.Greater(t, len(f.matching(t, sentAgain+" && frame.comment contains partition")), 2)
}

// The demonstration's poems: three servers and two clients on one host.
func TestPoems(t *testing.T) {
	var poems []string
	r := record(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim, _ *recording) {
		host := sim.Host("here")
		var addresses []string
		for i, name := range []string{"ecstasy", "fascination", "science"} {
			poem, ok := poetry.Poem(name)
			require.True(t, ok)
			poems = append(poems, string(poem))
			l, err := host.Listen("tcp", []string{"127.0.0.1:10000", "127.0.0.1:10001", "127.0.0.1:10002"}[i])
			require.NoError(t, err)
			server := &poetryserver.Server{Poem: poem, Pace: netem.Pace{Bytes: 30, Wait: 100 * time.Millisecond}}
			go server.Serve(l)
			t.Cleanup(func() { _ = server.Close() })
			addresses = append(addresses, l.Addr().String())
		}
		client := &clients.Client{Dial: host.DialContext}
		for _, get := range []func() []clients.Result{
			func() []clients.Result { return client.GetAll(t.Context(), addresses) },
			func() []clients.Result { return client.GetAllAsync(t.Context(), addresses) },
		} {
			for _, result := range get() {
				require.NoError(t, result.Err)
			}
		}
	})
	f := r.capture(t, "")
	assert.Empty(t, f.matching(t, wrong))
	assert.Empty(t, f.matching(t, "tcp.analysis.flags"))
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "5"}, f.fields(t, "tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.stream"))
	for stream := range 6 {
		first, second := f.follow(t, string(rune('0'+stream)))
		assert.Equal(t, poems[stream%3], string(first)+string(second), "stream %d", stream)
	}
}
