// Command readers measures many slow readers of one server over loopback, each
// side in a process of its own: resident memory per connection, processor time
// per poem, goroutines, and the time by which the last poem arrives later than the
// pace permits. It prints lines in the format of Go benchmarks.
//
// The server is slowpoetry --concurrent and the client get-poetry --async. They
// are compared with versions with a goroutine per connection, which this
// program also contains: readers serve, readers get.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var (
	clients  = flag.Int("clients", 10_000, "number of `connections` at once")
	numBytes = flag.Int("num-bytes", 100, "number of `bytes` sent at a time")
	delay    = flag.Duration("delay", 2*time.Second, "the `wait` after each piece")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("readers: ")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			serve(os.Args[2:])
			return
		case "get":
			get(os.Args[2:])
			return
		}
	}
	flag.Parse()
	if *clients < 2 || *numBytes < 1 {
		log.Fatal("--clients must be 2 or more, and --num-bytes 1 or more")
	}
	if err := measure(); err != nil {
		log.Fatal(err)
	}
}

// measure builds the commands and runs each side with the same peer: the
// clients with our server, the servers with our client.
func measure() error {
	if err := needFiles(*clients + 100); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-readers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	server := command{filepath.Join(dir, "slowpoetry"), []string{"--concurrent", "ecstasy"}}
	plainServer := command{self, []string{"serve"}}
	client := command{filepath.Join(dir, "get-poetry"), []string{"--async"}}
	plainClient := command{self, []string{"get"}}

	ours, err := run(server, client, dir)
	if err != nil {
		return err
	}
	ours.client.print("client", "ours")
	ours.server.print("server", "ours")
	plain, err := run(server, plainClient, dir)
	if err != nil {
		return fmt.Errorf("the plain client: %w", err)
	}
	plain.client.print("client", "goroutines")
	if plain, err = run(plainServer, client, dir); err != nil {
		return fmt.Errorf("the plain server: %w", err)
	}
	plain.server.print("server", "goroutines")
	return nil
}

// build builds the commands of the project that this module uses.
func build(dir string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/slowpoetry/slowpoetry").Output()
	if err != nil {
		return fmt.Errorf("cannot find the project: %w", err)
	}
	command := exec.Command("go", "build", "-o", dir, "./cmd/slowpoetry", "./cmd/get-poetry")
	command.Dir = strings.TrimSpace(string(root))
	command.Stderr = os.Stderr
	return command.Run()
}

// needFiles returns an error if the process cannot have n open files. Go programs
// raise the soft limit by themselves.
func needFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < uint64(n) {
		return fmt.Errorf("%d connections need more open files than the %d that are allowed; raise the limit, as with ulimit -Hn %d, or ask for fewer --clients", *clients, limit.Max, n)
	}
	return nil
}

// print prints the measurements in the format of a benchmark.
func (m measurement) print(side, by string) {
	fmt.Printf("BenchmarkReaders/side=%s/conns=%d/by=%s\t1", side, *clients, by)
	fmt.Printf("\t%.0f B/conn\t%.0f own-B/conn\t%.1f us-cpu/poem", m.resident, m.own, m.cpu.Seconds()*1e6)
	if m.goroutines > 0 {
		fmt.Printf("\t%d goroutines", m.goroutines)
	}
	if m.late != 0 {
		fmt.Printf("\t%.2f %%-late", m.late*100)
	}
	fmt.Println()
}
