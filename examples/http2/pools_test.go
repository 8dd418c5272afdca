//go:build go1.26

package http2

// emptyPools is for Go 1.25.
func emptyPools() {}
