// Command slownet-run runs a command on a slow network. The command slownet run calls it.
//
//	slownet-run [--profile PROFILE] [--loss 5%] [flags] -- COMMAND [ARGUMENT...]
//
// The command runs in a user, a network and a PID namespace of its own. This needs no
// privileges. Every packet that the command sends or receives passes through a TUN device
// and a line of package netem, one in each direction. At the other end of the lines,
// gVisor's TCP/IP stack in this process terminates the command's connections and continues
// them over sockets of the host. So the command uses the kernel's TCP, and the slow
// network ends on this machine.
//
// # Processes
//
// The first process, in the host's namespaces, runs the path (file path) and the stack
// (files ends_*). It starts a second process, process 1 of the new PID namespace (files
// inside_*), which creates and configures the device, mounts /etc/resolv.conf, /etc/hosts
// and /proc, passes the device to the first process, and starts the command. The two
// communicate over a socket (file message). The second process ends when the command has
// ended, or when the first process ends, which closes the socket. The kernel then ends all
// other processes of the namespace.
//
// All processes stay in the terminal's foreground group, so that Ctrl-C and Ctrl-Z reach
// the command directly. The first process passes on signals that only it receives (file
// signals).
package main
