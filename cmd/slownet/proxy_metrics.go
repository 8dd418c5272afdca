package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// proxyMetrics are the metrics of a server: Toxiproxy's metrics, under the same names,
// and further ones.
type proxyMetrics struct {
	server                          *proxy.Server
	received, sent, conns, accepted *prometheus.Desc
}

func newProxyMetrics(server *proxy.Server) *proxyMetrics {
	perDirection := []string{"direction", "proxy", "listener", "upstream"}
	perProxy := []string{"proxy", "listener", "upstream"}
	return &proxyMetrics{
		server:   server,
		received: prometheus.NewDesc("toxiproxy_proxy_received_bytes_total", "Bytes received in one direction and passed on.", perDirection, nil),
		sent:     prometheus.NewDesc("toxiproxy_proxy_sent_bytes_total", "Bytes passed on in one direction.", perDirection, nil),
		conns:    prometheus.NewDesc("slownet_proxy_connections", "Live connections.", perProxy, nil),
		accepted: prometheus.NewDesc("slownet_proxy_connections_total", "Client connections accepted so far.", perProxy, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *proxyMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.received, m.sent, m.conns, m.accepted} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *proxyMetrics) Collect(to chan<- prometheus.Metric) {
	for _, p := range m.server.Proxies() {
		c, t := p.Config(), p.Totals()
		for direction, bytes := range map[string]int64{"upstream": t.Up, "downstream": t.Down} {
			for _, d := range []*prometheus.Desc{m.received, m.sent} {
				to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(bytes), direction, p.Name(), c.Listen, c.Upstream)
			}
		}
		to <- prometheus.MustNewConstMetric(m.conns, prometheus.GaugeValue, float64(t.Live), p.Name(), c.Listen, c.Upstream)
		to <- prometheus.MustNewConstMetric(m.accepted, prometheus.CounterValue, float64(t.Conns), p.Name(), c.Listen, c.Upstream)
	}
}
