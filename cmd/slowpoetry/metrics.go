package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slowpoetry/slowpoetry/poetryserver"
)

// metrics count the events of clients. A nil metrics counts nothing.
type metrics struct {
	clients       prometheus.Gauge
	clientsTotal  prometheus.Counter
	bytes         prometheus.Counter
	finished      prometheus.Counter
	broken        prometheus.Counter
	notAccepted   prometheus.Counter
	poemDurations prometheus.Histogram
}

// poemBuckets are the buckets for the durations of poems, in seconds.
var poemBuckets = []float64{.01, .05, .1, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600}

func newMetrics(registry prometheus.Registerer) *metrics {
	const namespace = "slowpoetry"
	poems := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "poems_total",
		Help: "Poems that have ended: finished, or broken because the client or the server left.",
	}, []string{"outcome"})
	m := &metrics{
		clients: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "clients",
			Help: "Clients that are receiving the poem. Without --concurrent, clients that wait for their turn do not count.",
		}),
		clientsTotal: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "clients_total",
			Help: "Clients whose poem was started.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "sent_bytes_total",
			Help: "Bytes of poems sent.",
		}),
		finished: poems.WithLabelValues("finished"),
		broken:   poems.WithLabelValues("broken"),
		notAccepted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "accept_failures_total",
			Help: "Failed attempts to accept a client, as for lack of file descriptors.",
		}),
		poemDurations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "poem_duration_seconds",
			Help:    "Time from a client's connection to the end of its poem, for finished poems.",
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
