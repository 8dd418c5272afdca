// Package tun creates and configures TUN devices, and runs functions on threads
// of their own, which can enter network namespaces. It needs Linux.
package tun
