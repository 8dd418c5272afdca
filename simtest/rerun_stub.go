package simtest

import (
	"context"
	"fmt"
	"testing"
)

type hostGoroutines struct{}

func newSimulationID() string                                                    { return "" }
func joinSimulation(id string)                                                   {}
func goOnHost(ctx context.Context, id, host string, f func(ctx context.Context)) { go f(ctx) }
func runUnlisted(f func())                                                       { f() }
func stillRunning(id string) []hostGoroutines                                    { return nil }
func formatGoroutines(all []hostGoroutines) string                               { return "" }
func rerunLine(t *testing.T, seed uint64) string                                 { return fmt.Sprint(t.Name(), seed) }
func seedFromEnvironment(c uint64) (uint64, error)                               { return c, nil }
func seedCrypto(t *testing.T, seed uint64) bool                                  { return false }
