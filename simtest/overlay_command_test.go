//go:build slownet_command

package simtest_test

// This file is never built: no build has its tag. But go mod tidy reads it, also in a
// module that imports this package, and keeps the checksums of the command's dependencies
// in go.sum. So go run github.com/slowpoetry/slowpoetry/cmd/slownet test works there, and
// go.mod does not list them.
import _ "github.com/slowpoetry/slowpoetry/cmd/slownet"
