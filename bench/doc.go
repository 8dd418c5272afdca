// Package bench measures this project side by side with its alternatives. It is
// a separate module, so the peers stay out of the project's go.mod.
//
// Each benchmark is a question, and its sub-benchmarks, named by=..., are the
// contenders. They run right after one another, and every other round in the
// reverse order, because machines are noisy: only ratios of values measured at
// about the same time are meaningful. [run.sh] runs everything in rounds and
// writes docs/performance.md.
//
//	./run.sh             # everything; takes an hour
//	./run.sh --quick     # a little of everything, to see that it works
//	go test -bench . -benchtime 1x -short
//
// [run.sh]: run.sh
package bench
