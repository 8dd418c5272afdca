// Command slownet-run runs a command on a slow network. The command slownet run calls it.
//
//	slownet-run [--profile PROFILE] [--loss 5%] [flags] -- COMMAND [ARGUMENT...]
//
// The command runs in a user, a network and a PID namespace of its own. It needs no
// privileges. Every packet that it sends or receives passes a TUN device and two lines of
// package netem, one in each direction. After them a TCP/IP stack in this process,
// gVisor's, terminates the command's connections and continues them over sockets of the
// host. So the command uses the kernel's TCP, and the slow network ends on this machine.
//
// # Processes
//
// The first process, in the host's namespaces, has the path (file path) and the stack
// (files ends_*). It starts a second one, process 1 of the new PID namespace (files
// inside_*). That one creates and configures the device, mounts /etc/resolv.conf,
// /etc/hosts and /proc, hands over the device, and starts the command. The two communicate
// over a socket (file message). When the second process ends, the kernel ends all other
// processes of the namespace. The second process ends when the command has ended, or when
// the first process ends, which closes the socket.
//
// All processes stay in the terminal's foreground group, so that Ctrl-C and Ctrl-Z reach
// the command directly. A signal that only the first process received is passed on (file
// signals).
package main
