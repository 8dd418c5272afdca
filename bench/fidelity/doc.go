// Package fidelity compares transfers in simulated time with those of a real kernel,
// and writes docs/fidelity.md:
//
//	cd bench && go test ./fidelity -page ../../docs/fidelity.md
//
// The kernel's figures are in slownet/netem/testdata: kernel-transfers.csv and
// kernel-scenarios.csv. On Linux, root can measure the kernel of the machine instead,
// and see its figures beside ours; package kernel tells how:
//
//	cd bench && sudo go test ./fidelity -v -timeout 0 -kernel -cells 'loss1 20000 '
//
// Without -cells, a regular expression, it is everything in the tables. -runs, -parallel,
// -long, -table and -out are explained by docs/fidelity.md. Ctrl-C ends it at any time and
// leaves nothing behind.
package fidelity
