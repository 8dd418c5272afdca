package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The names of the metrics follow the rules of Prometheus.
func TestMetricsAreNamedAsUsual(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	newMetrics(registry)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
}
