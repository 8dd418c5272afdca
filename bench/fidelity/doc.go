// Package fidelity compares transfers in simulated time with those of a real kernel,
// and writes docs/fidelity.md:
//
//	cd bench && go test ./fidelity -page ../../docs/fidelity.md
//
// The kernel's figures are in slownet/netem/testdata/kernel-transfers.csv.
package fidelity
