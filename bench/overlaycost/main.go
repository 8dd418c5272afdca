// Command overlaycost measures the cost of the overlay of the standard library. It
// runs benchmarks of package simtest without the overlay and with each of its
// layers, in turn, and prints ratios of processor time and of real time.
//
//	go run ./overlaycost
//	go run ./overlaycost -base c1dc67d^   # and the tree before the overlay was added
//
// The best of several rounds counts. On a machine that does other work, only the
// ratios of processor time are meaningful: with the order layer, one goroutine runs
// at a time, so a simulation competes for one processor, but without it, for two.
package main

import (
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

var (
	rounds     = flag.Int("rounds", 5, "number of runs of each benchmark")
	base       = flag.String("base", "", "a commit to compare with, such as the last one without the overlay")
	layers     = flag.String("layers", "none time order net all", "values of SIMTEST_OVERLAY, in turn")
	processors = flag.String("processors", "1 2", "values of GOMAXPROCS, in turn")
	benchmarks = flag.String("bench", "Piece/3$:300000 Piece/1000$:300000 Piece/10000$:300000 Dial/cubic/close$:60000 Dial/unlimited/close$:60000 Dial/cubic/keep$:30000 Unmodified$:60000 HTTP$:20000",
		"regular expressions for benchmarks, each with a colon and a number of iterations")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("overlaycost: ")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := measure(); err != nil {
		log.Fatal(err)
	}
}

func measure() error {
	folder, err := os.MkdirTemp("", "overlaycost-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	contenders, err := build(folder)
	if err != nil {
		return err
	}
	for _, procs := range strings.Fields(*processors) {
		fmt.Printf("GOMAXPROCS=%s\n", procs)
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(table, "\twithout")
		for _, c := range contenders[1:] {
			fmt.Fprintf(table, "\t%s", c.name)
		}
		fmt.Fprintln(table, "\t")
		for _, b := range strings.Fields(*benchmarks) {
			name, times, ok := strings.Cut(b, ":")
			if !ok {
				return fmt.Errorf("-bench has %q, which does not end in a colon and a number", b)
			}
			best, err := compare(contenders, name, times, procs)
			if err != nil {
				return err
			}
			fmt.Fprintf(table, "%s processor\t%.2f us", strings.TrimSuffix(name, "$"), 1e6*best[0].processor)
			for _, t := range best[1:] {
				fmt.Fprintf(table, "\t%.2f x", t.processor/best[0].processor)
			}
			fmt.Fprintf(table, "\t\nreal\t%.2f us", 1e6*best[0].real)
			for _, t := range best[1:] {
				fmt.Fprintf(table, "\t%.2f x", t.real/best[0].real)
			}
			fmt.Fprintln(table, "\t")
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// A contender is a test binary and the layers with which it runs.
type contender struct {
	name, binary, layers string
}

// build builds the test binaries. The first contender is the tree without overlay.
func build(folder string) ([]contender, error) {
	root, err := output("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	plain, overlaid, before := filepath.Join(folder, "plain"), filepath.Join(folder, "overlaid"), filepath.Join(folder, "before")
	overlay, err := output(root, "go", "run", "./cmd/slownet", "overlay")
	if err != nil {
		return nil, err
	}
	if _, err := output(root, "go", "test", "-c", "-o", plain, "./simtest"); err != nil {
		return nil, err
	}
	if _, err := output(root, "go", "test", "-c", "-overlay="+overlay, "-o", overlaid, "./simtest"); err != nil {
		return nil, err
	}
	contenders := []contender{{"without", plain, ""}}
	if *base != "" {
		tree := filepath.Join(folder, "tree")
		if _, err := output(root, "git", "worktree", "add", "--detach", tree, *base); err != nil {
			return nil, err
		}
		_, err := output(tree, "go", "test", "-c", "-o", before, "./simtest")
		if _, failed := output(root, "git", "worktree", "remove", "--force", tree); err == nil {
			err = failed
		}
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, contender{*base, before, ""})
	}
	for _, layers := range strings.Fields(*layers) {
		contenders = append(contenders, contender{layers, overlaid, layers})
	}
	return contenders, nil
}

// compare returns the best times of the contenders for one iteration of a benchmark.
func compare(contenders []contender, benchmark, times, procs string) ([]timing, error) {
	best := make([]timing, len(contenders))
	for i := range best {
		best[i] = timing{math.Inf(1), math.Inf(1)}
	}
	for range *rounds {
		for i, c := range contenders {
			t, err := c.run(benchmark, times, procs)
			if err != nil {
				return nil, err
			}
			best[i] = timing{min(best[i].processor, t.processor), min(best[i].real, t.real)}
		}
	}
	return best, nil
}
