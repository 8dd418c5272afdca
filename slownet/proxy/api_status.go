package proxy

import "net/http"

// A statusJSON is the state of a proxy and its counters, in the API.
type statusJSON struct {
	Live      int           `json:"live"`  // live connections
	Conns     uint64        `json:"conns"` // connections so far
	Up        countJSON     `json:"up"`
	Down      countJSON     `json:"down"`
	Recording RecordingInfo `json:"recording"`
}

// A countJSON counts bytes in one direction.
type countJSON struct {
	Bytes int64   `json:"bytes"` // so far
	Rate  float64 `json:"rate"`  // bytes per second, of the live connections
}

// status answers with all proxies by name. It leaves connections out, as there may be
// many.
func (a *API) status(*http.Request) (int, any, error) {
	all := map[string]statusJSON{}
	for _, p := range a.Server.Proxies() {
		conns, totals := p.Conns(), p.Totals()
		s := statusJSON{Live: len(conns), Conns: totals.Conns, Up: countJSON{Bytes: totals.Up}, Down: countJSON{Bytes: totals.Down}, Recording: p.Recording()}
		for _, c := range conns {
			s.Up.Rate += c.Up.Rate
			s.Down.Rate += c.Down.Rate
		}
		all[p.Name()] = s
	}
	return http.StatusOK, all, nil
}
