package simtest

import (
	"context"
	"reflect"
	"runtime/pprof"
	"sync"
	"unsafe"
)

// callersHost returns the host of the calling goroutine by its labels, or an empty
// string.
func callersHost() string {
	host, _ := pprof.Label(callersLabels(), hostLabel)
	return host
}

// callersLabels returns a context with the labels of the calling goroutine, if they can
// be read.
func callersLabels() context.Context {
	labels := goroutineLabels()
	t := labelsType()
	if labels == nil || t == nil {
		return context.Background()
	}
	return labelled{context.Background(), reflect.NewAt(t, labels).Interface()}
}

// goroutineLabels returns the labels of the calling goroutine, as they are in a
// context. Package pprof can set them but not read them. The runtime keeps this
// function for the programs that use it; see https://go.dev/issue/67401.
//
//go:linkname goroutineLabels runtime/pprof.runtime_getProfLabel
func goroutineLabels() unsafe.Pointer

// A labelled is a context with labels. Package pprof uses a single key for them.
type labelled struct {
	context.Context
	labels any
}

// Value returns the labels.
func (l labelled) Value(any) any { return l.labels }

// labelsType returns the type that a context's pointer to labels points to, or
// nil if goroutines keep their labels in another form.
var labelsType = sync.OnceValue(func() (t reflect.Type) {
	var key keyOf
	pprof.Label(&key, "")
	ctx := pprof.WithLabels(context.Background(), pprof.Labels(hostLabel, "some"))
	inContext := reflect.ValueOf(ctx.Value(key.key))
	if inContext.Kind() != reflect.Pointer {
		return nil
	}
	var of sync.WaitGroup
	of.Go(func() {
		pprof.SetGoroutineLabels(ctx)
		if goroutineLabels() == inContext.UnsafePointer() {
			t = inContext.Type().Elem()
		}
	})
	of.Wait()
	return t
})

// A keyOf is a context that records the key it is asked for.
type keyOf struct {
	context.Context
	key any
}

// Value records the key.
func (k *keyOf) Value(key any) any {
	k.key = key
	return nil
}
