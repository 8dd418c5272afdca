package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slowpoetry/slowpoetry/poetryserver"
)

// metrics count what happens to the clients. The nil metrics count nothing.
type metrics struct {
	clients       prometheus.Gauge
	clientsTotal  prometheus.Counter
	bytes         prometheus.Counter
	finished      prometheus.Counter
	broken        prometheus.Counter
	notAccepted   prometheus.Counter
	poemDurations prometheus.Histogram
}

// poemBuckets are the bounds of the times that poems take, in seconds.
var poemBuckets = []float64{.01, .05, .1, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600}

func newMetrics(registry prometheus.Registerer) *metrics {
	const namespace = "slowpoetry"
	poems := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "poems_total",
		Help: "Poems that have ended: finished, or broken because the client or the server went away.",
	}, []string{"outcome"})
	m := &metrics{
		clients: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "clients",
			Help: "Clients that get the poem at present. Without --concurrent those that wait for their turn are not counted.",
		}),
		clientsTotal: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "clients_total",
			Help: "Clients whose poem was begun.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "sent_bytes_total",
			Help: "Bytes of poems that were sent.",
		}),
		finished: poems.WithLabelValues("finished"),
		broken:   poems.WithLabelValues("broken"),
		notAccepted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "accept_failures_total",
			Help: "Times in which no client could be accepted, as for want of descriptors.",
		}),
		poemDurations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "poem_duration_seconds",
			Help:    "Time from a client's connection to the end of its poem, of finished poems.",
			Buckets: poemBuckets,
		}),
	}
	registry.MustRegister(m.clients, m.clientsTotal, m.bytes, poems, m.notAccepted, m.poemDurations)
	return m
}

// count counts an event.
func (m *metrics) count(e poetryserver.ClientEvent) {
	if m == nil {
		return
	}
	switch e.Kind {
	case poetryserver.Connected:
		m.clients.Inc()
		m.clientsTotal.Inc()
	case poetryserver.Sent:
		m.bytes.Add(float64(e.Bytes))
	case poetryserver.Done:
		m.clients.Dec()
		m.finished.Inc()
		m.poemDurations.Observe(e.Elapsed.Seconds())
	case poetryserver.Gone:
		m.clients.Dec()
		m.broken.Inc()
	case poetryserver.NotAccepted:
		m.notAccepted.Inc()
	}
}
