package kerneltimes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The path of most scenarios: 10 Mbit/s and 50 ms in each direction, with a queue of
// one bandwidth-delay product.
var (
	line = netem.Link{Rate: 10 * netem.Mbps, Latency: 50 * time.Millisecond, Queue: netem.Queue{Bytes: 125_000}}
	path = netem.Symmetric(line)
)

// Scenarios returns all scenarios.
func Scenarios() []Scenario {
	lossy := line
	lossy.Loss.Random = 0.02
	all := []Scenario{
		{Name: "four downloads of 4 MB", Path: path, Run: func(n Network) ([]Figure, error) {
			times, err := downloads(n, 4, 4_000_000, 0)
			return []Figure{after("last", times[3])}, err
		}},
		{Name: "four downloads of 1 MB", Path: path, Run: func(n Network) ([]Figure, error) {
			return inPhases(func(phase time.Duration) ([]Figure, error) {
				times, err := downloads(n, 4, 1_000_000, phase/8)
				return []Figure{after("first", times[0]), after("last", times[3])}, err
			})
		}},
		{Name: "100 KB after 3 s of idling", Path: path, Run: afterIdling},
		{Name: "200 bytes to and fro, 2 % loss", Path: netem.Symmetric(lossy), Run: pingPong},
		{Name: "lost request", Path: path, Run: lostRequest},
		{Name: "dial without an answer", Path: path, Run: func(n Network) ([]Figure, error) { return dialInVain(n, 12*time.Second) }},
		{Name: "dial until it gives up", IsLong: true, Path: path, Run: func(n Network) ([]Figure, error) { return dialInVain(n, time.Hour) }},
		{Name: "writer gives up", IsLong: true, Path: path, Run: func(n Network) ([]Figure, error) { return vanish(n, true) }},
		{Name: "silent reader gives up", IsLong: true, Path: path, Run: func(n Network) ([]Figure, error) { return vanish(n, false) }},
	}
	for _, cut := range []float64{0.5, 1.5, 3.5} {
		all = append(all, Scenario{Name: fmt.Sprintf("dial, SYN-ACKs lost for %v s", cut), Path: path, Run: func(n Network) ([]Figure, error) {
			return lateAnswer(n, seconds(cut))
		}})
	}
	for _, cut := range []float64{0.4, 1, 3, 5, 10} {
		all = append(all, Scenario{Name: fmt.Sprintf("cut of %v s in mid-transfer", cut), Path: path, Run: func(n Network) ([]Figure, error) {
			return inPhases(func(phase time.Duration) ([]Figure, error) {
				return midTransfer(n, time.Second+phase, seconds(cut))
			})
		}})
	}
	for _, size := range []int{1000, 100_000} {
		all = append(all, Scenario{Name: fmt.Sprintf("writes of %d bytes into a black hole", size), Path: path, Run: func(n Network) ([]Figure, error) {
			return blackHole(n, size)
		}})
	}
	for _, mtu := range []int{1500, 9000, 65535} {
		path := netem.Symmetric(netem.Link{Latency: line.Latency, MTU: mtu})
		all = append(all, Scenario{Name: fmt.Sprintf("writes to a peer that does not read, MTU %d", mtu), Path: path, Run: unread})
	}
	for _, writes := range []bool{true, false} {
		name := map[bool]string{true: "writer", false: "silent reader"}[writes] + ", user timeout of 10 s"
		all = append(all, Scenario{Name: name, IsLong: true, Path: path, TCP: netem.TCP{UserTimeout: 10 * time.Second}, Run: func(n Network) ([]Figure, error) {
			return vanish(n, writes)
		}})
	}
	for _, d := range []netem.Discipline{netem.FIFO, netem.CoDel, netem.FQCoDel} {
		path := netem.Symmetric(netem.Link{Rate: 5 * netem.Mbps, Latency: 10 * time.Millisecond, Queue: netem.Queue{Discipline: d}})
		all = append(all, Scenario{Name: fmt.Sprintf("ping beside a download, %v", d), Path: path, Run: besideDownload})
	}
	return all
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// pair returns both ends of a connection.
func pair(n Network) (client, server net.Conn, err error) {
	listener, err := n.Listen()
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	if client, err = n.Dial(context.Background()); err != nil {
		return nil, nil, err
	}
	server, err = listener.Accept()
	return client, server, err
}

// inPhases runs a scenario in several phases, and returns the medians of its figures,
// which depend on the packets in flight at some instant.
func inPhases(run func(phase time.Duration) ([]Figure, error)) ([]Figure, error) {
	var all [][]Figure
	for i := range 5 {
		figures, err := run(time.Duration(i) * 37 * time.Millisecond)
		if err != nil {
			return nil, err
		}
		all = append(all, figures)
		time.Sleep(time.Second) // everything in flight arrives
	}
	return Medians(all), nil
}

// downloads returns the end times, sorted, of several downloads that start at the given
// interval.
func downloads(n Network, count, size int, apart time.Duration) ([]time.Duration, error) {
	times := make([]time.Duration, count)
	listener, err := n.Listen()
	if err != nil {
		return times, err
	}
	defer listener.Close()
	var all sync.WaitGroup
	errs := make([]error, 2*count)
	start := time.Now()
	for i := range count {
		all.Go(func() {
			conn, err := listener.Accept()
			if err == nil {
				_, err = conn.Write(make([]byte, size))
				_ = conn.Close()
			}
			errs[2*i] = err
		})
		all.Go(func() {
			time.Sleep(time.Duration(i) * apart)
			conn, err := n.Dial(context.Background())
			if err == nil {
				_, err = io.CopyN(io.Discard, conn, int64(size))
				times[i] = time.Since(start)
				_ = conn.Close()
			}
			errs[2*i+1] = err
		})
	}
	all.Wait()
	slices.Sort(times)
	for _, err := range errs {
		if err != nil {
			return times, err
		}
	}
	return times, nil
}

// echo answers each of the peer's bytes with size bytes, until the peer closes.
func echo(conn net.Conn, size int) {
	defer conn.Close()
	for buffer, answer := make([]byte, 1), make([]byte, size); ; {
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// ask sends a byte, reads an answer of the given size, and returns the elapsed time.
func ask(conn net.Conn, size int) (time.Duration, error) {
	start := time.Now()
	_, err := conn.Write([]byte{1})
	if err == nil {
		_, err = io.CopyN(io.Discard, conn, int64(size))
	}
	return time.Since(start), err
}

// afterIdling sends 100 KB after 1 MB and a pause.
func afterIdling(n Network) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	go func() {
		defer server.Close()
		for _, size := range []int{1_000_000, 100_000} {
			if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
				return
			}
			_, _ = server.Write(make([]byte, size))
		}
		_, _ = io.Copy(io.Discard, server)
	}()
	if _, err = ask(client, 1_000_000); err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second)
	took, err := ask(client, 100_000)
	return []Figure{after("from request to end", took)}, err
}

// pingPong sends 200 bytes back and forth many times.
func pingPong(n Network) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const size, count = 200, 300
	go func() {
		defer server.Close()
		_, _ = io.CopyBuffer(struct{ io.Writer }{server}, struct{ io.Reader }{server}, make([]byte, size))
	}()
	var all []time.Duration
	for range count {
		start := time.Now()
		if _, err = client.Write(make([]byte, size)); err != nil {
			return nil, err
		}
		if _, err = io.ReadFull(client, make([]byte, size)); err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
	}
	return []Figure{after("p50", Quantile(all, 0.5)), after("p99", Quantile(all, 0.99))}, nil
}

// besideDownload measures the times of small requests during a download over the same path.
func besideDownload(n Network) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	go echo(server, 1)
	reader, writer, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	go func() {
		defer writer.Close()
		for buffer, err := make([]byte, 64<<10), error(nil); err == nil; {
			_, err = writer.Write(buffer)
		}
	}()
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	var figures []Figure
	start := time.Now()
	for _, phase := range [][2]int{{0, 5}, {5, 10}, {10, 20}, {20, 40}, {40, 60}} {
		var all []time.Duration
		for time.Since(start) < time.Duration(phase[1])*time.Second {
			took, err := ask(client, 1)
			if err != nil {
				return nil, err
			}
			all = append(all, took)
			// at various times, so that the requests don't fall into step with losses
			time.Sleep(time.Duration(20+len(all)*37%61) * time.Millisecond)
		}
		figures = append(figures, after(fmt.Sprintf("median from %d to %d s", phase[0], phase[1]), Quantile(all, 0.5)))
		if phase[0] == 0 { // before the first loss, so it is no chance
			figures = append(figures, after(fmt.Sprintf("longest from %d to %d s", phase[0], phase[1]), Quantile(all, 1)))
		}
	}
	return figures, nil
}

// lostRequest loses the first segment of a request.
func lostRequest(n Network) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	go echo(server, 1)
	time.Sleep(300 * time.Millisecond)
	n.Cut(true, false)
	time.AfterFunc(20*time.Millisecond, func() { n.Cut(false, false) })
	took, err := ask(client, 1)
	return []Figure{after("from request to answer", took)}, err
}

// dialInVain dials a server that is cut off, for at most the given time.
func dialInVain(n Network, limit time.Duration) ([]Figure, error) {
	n.Cut(true, true)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	conn, err := n.Dial(ctx)
	took := time.Since(start)
	if err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("there was an answer")
	}
	var figures []Figure
	for i, at := range n.Lost() {
		if i > 0 {
			figures = append(figures, after(fmt.Sprintf("SYN %d", i+1), at.Sub(start)))
		}
	}
	if ctx.Err() == nil {
		figures = append(figures, after("ETIMEDOUT", took))
	}
	return figures, nil
}

// lateAnswer drops the server's packets for the given time.
func lateAnswer(n Network, cut time.Duration) ([]Figure, error) {
	listener, err := n.Listen()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	n.Cut(false, true)
	time.AfterFunc(cut, func() { n.Cut(false, false) })
	start := time.Now()
	conn, err := n.Dial(context.Background())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return []Figure{after("connected", time.Since(start))}, nil
}

// midTransfer cuts the path for a while, some time after the start, and measures the time
// from the cut to the next byte that the reader receives.
func midTransfer(n Network, wait, cut time.Duration) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	go func() {
		defer server.Close()
		_, _ = server.Write(make([]byte, 20_000_000))
	}()
	begin := time.Now().Add(wait)
	healed := begin.Add(cut)
	time.AfterFunc(time.Until(begin), func() { n.Cut(true, true) })
	time.AfterFunc(time.Until(healed), func() { n.Cut(false, false) })
	for buffer := make([]byte, 64<<10); ; {
		if _, err = client.Read(buffer); err != nil {
			return nil, err
		}
		if now := time.Now(); now.After(healed) {
			return []Figure{after("from the cut to the next byte", now.Sub(begin))}, nil
		}
	}
}

// blackHole measures the number of bytes that a writer can write, in writes of a given
// size, after its peer has vanished.
func blackHole(n Network, size int) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	defer server.Close()
	time.Sleep(time.Second)
	n.Cut(true, true)
	return writeUntilFull(client, size)
}

// unread measures the number of bytes that a writer can write while its peer does not
// read: the sum of its send buffer and the peer's receive buffer.
func unread(n Network) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	defer server.Close()
	return writeUntilFull(client, 100_000)
}

// writeUntilFull measures the number of bytes that can be written, in writes of a given
// size, until no byte is accepted for two seconds.
func writeUntilFull(client net.Conn, size int) ([]Figure, error) {
	written := 0
	for {
		if err := client.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return nil, err
		}
		k, err := client.Write(make([]byte, size))
		if written += k; err != nil {
			return []Figure{{Name: "taken", Unit: Bytes, Value: float64(written)}}, nil
		}
	}
}

// vanish measures the time from the peer's disappearance until an end that writes or reads
// gives up.
func vanish(n Network, writes bool) ([]Figure, error) {
	client, server, err := pair(n)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	defer server.Close()
	go func() { _, _ = server.Write([]byte{1}) }()
	if _, err = client.Read(make([]byte, 1)); err != nil {
		return nil, err
	}
	time.Sleep(time.Second)
	n.Cut(true, true)
	start := time.Now()
	if writes {
		for err == nil {
			_, err = client.Write(make([]byte, 10_000))
		}
	} else {
		start = start.Add(-time.Second) // time of the last packet from the peer
		_, err = client.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ETIMEDOUT) {
		return nil, fmt.Errorf("the connection ended with %w", err)
	}
	return []Figure{after("ETIMEDOUT", time.Since(start))}, nil
}
