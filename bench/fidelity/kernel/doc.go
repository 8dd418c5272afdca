// Package kernel measures the TCP of the running Linux kernel, over paths that
// package netem models.
//
// A [Path] is two network namespaces with a TUN device each. Each IP packet that the
// kernel sends on one device enters a [netem.Line] in real time, and is written to
// the other device when it arrives, unless it is lost. So the kernel's TCP and
// netem's are measured over the same path.
//
// Namespaces and TUN devices need privileges: run it as root. Nothing outside of the
// two namespaces changes, and they end with the process, however it ends. Packets
// are late by about 0.2 ms in each direction, and by more on a busy machine;
// [Path.Late] returns their lateness. No priority is raised.
package kernel
