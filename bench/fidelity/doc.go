// Package fidelity compares transfers in simulated time with a real kernel's, and writes
// docs/fidelity.md:
//
//	cd bench && go test ./fidelity -seeds 200 -page ../../docs/fidelity.md
//
// The kernel's figures are in slownet/netem/testdata: kernel-transfers.csv and
// kernel-scenarios.csv. On Linux, root can measure the kernel of the machine instead, and
// compare its figures with ours; see package kernel:
//
//	cd bench && sudo go test ./fidelity -v -timeout 0 -kernel -cells 'loss1 20000 '
//
// Without -cells, a regular expression, it measures everything in the tables, except what
// -long adds.
// docs/fidelity.md explains -runs, -parallel, -long, -table and -out. Ctrl-C ends it at
// any time and leaves nothing behind.
package fidelity
