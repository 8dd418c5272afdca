package proxy

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A connJSON is a live connection in the API.
type connJSON struct {
	Proxy string `json:"proxy"`
	ConnInfo
	Seconds float64 `json:"seconds"` // since the client connected
}

func connsOf(p *Proxy) []connJSON {
	conns := []connJSON{}
	for _, c := range p.Conns() {
		conns = append(conns, connJSON{p.Name(), c, c.Age.Round(time.Millisecond).Seconds()})
	}
	return conns
}

func (a *API) allConns(r *http.Request) (int, any, error) {
	all := []connJSON{}
	for _, p := range a.Server.Proxies() {
		all = append(all, connsOf(p)...)
	}
	return latest(r, all)
}

func (a *API) conns(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	return latest(r, connsOf(p))
}

// latest answers with all connections, or with the latest ones, up to the limit of
// the query.
func latest(r *http.Request, conns []connJSON) (int, any, error) {
	if limit := r.FormValue("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 0 {
			return 0, nil, badRequest(fmt.Errorf("limit is %.40q: it must be a number, 0 or more", limit))
		}
		conns = conns[max(0, len(conns)-n):]
	}
	return http.StatusOK, conns, nil
}

func (a *API) resetConns(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	p.ResetConns()
	return http.StatusNoContent, nil, nil
}

func (a *API) resetConn(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil || !p.ResetConn(number) {
		return 0, nil, &apiError{text: fmt.Sprintf("connection %.40q not found", r.PathValue("number")), status: http.StatusNotFound}
	}
	return http.StatusNoContent, nil, nil
}

func (a *API) profiles(*http.Request) (int, any, error) {
	return http.StatusOK, netem.Profiles(), nil
}

func (a *API) schedule(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.Config().Schedule, nil
}

func (a *API) setSchedule(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	var s Schedule
	if err := readJSON(r, &s); err != nil {
		return 0, nil, err
	}
	if err := s.validate(); err != nil {
		return 0, nil, badRequest(err)
	}
	p.setSchedule(s)
	return http.StatusOK, s, nil
}

func (a *API) removeSchedule(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	p.setSchedule(Schedule{})
	return http.StatusNoContent, nil, nil
}
