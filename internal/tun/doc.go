// Package tun makes TUN devices and configures them, and threads to do so in
// network namespaces. It needs Linux.
package tun
