// Command slownet-run runs a command on a slow network: slownet run calls it.
//
//	slownet-run [--profile PROFILE] [--loss 5%] [flags] -- COMMAND [ARGUMENT...]
//
// The command lives in a user, a network and a PID namespace of its own. It needs no
// privileges. Every packet that it sends or receives passes a TUN device and two lines
// of package netem, one in each direction. After them a TCP/IP stack in this process,
// gVisor's, carries on its connections by sockets of the host. So the command's TCP is the
// kernel's, and the network's end is on this machine.
//
// # Processes
//
// The first process, in the host's namespaces, has the path (file path) and the
// stack (files stack_*). It starts a second one, process 1 of the new PID namespace
// (files inside_*), which makes and configures the device, mounts /etc/resolv.conf,
// /etc/hosts and /proc, hands over the device, and starts the command. They talk by a
// socket (file message). When the second process ends, the kernel ends all others of
// the namespace with it. It ends when the command has, when the first process does, or
// at the end of the socket, which is the same.
//
// All processes stay in the terminal's foreground group, so that Ctrl-C and Ctrl-Z
// reach the command by themselves. A signal that only the first process got is passed
// on (file signals).
package main
