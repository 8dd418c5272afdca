// Package wire carries real IP packets over lines of package netem, in real time.
//
// A [Direction] is one direction of a path: it takes packets from a file, such as a
// TUN device, or from [Direction.Send], puts them on a [netem.Line], and delivers them
// when they arrive. Its thread sleeps with the kernel's timers, so packets are late
// by about 0.1 ms; [Direction.Late] returns the measured lateness. [Flows] names
// packets by their flow.
//
// It needs Linux.
package wire
