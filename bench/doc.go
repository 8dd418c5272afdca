// Package bench measures this project side by side with what its users would
// pick instead. It is a module of its own, so that the peers stay out of the
// project's go.mod.
//
// Each benchmark is a question, and its sub-benchmarks, named by=..., are those
// who answer it. They run right after one another, and every other round in the
// reverse order, because machines are noisy: only ratios of what was measured
// at about the same time mean anything. [run.sh] runs all of it in rounds and
// writes docs/performance.md.
//
//	./run.sh             # everything; about half an hour
//	./run.sh --quick     # a little of everything, to see that it works
//	go test -bench . -benchtime 1x -short
//
// [run.sh]: run.sh
package bench
