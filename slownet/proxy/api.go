package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// An API is Toxiproxy's HTTP API for a [Server], with additions. See docs/proxy.md for
// the routes.
//
// It refuses requests that a browser makes for a page of another origin, and, against DNS
// rebinding, requests that a browser makes to a host name that is not in Hosts. Browsers
// are recognized by Origin, Sec-Fetch-Site or User-Agent. Other clients may use any host
// name.
type API struct {
	// Server is the server that the API controls.
	Server *Server

	// Hosts are host names that browsers may use, besides localhost and IP addresses.
	Hosts []string

	// Version is the version that /version reports. Empty means [ToxiproxyVersion].
	Version string

	// Metrics handles /metrics. Nil means not found.
	Metrics http.Handler

	// Page handles /, for a browser. Nil means not found. Package proxy/page has one.
	Page http.Handler

	// Capture writes a packet capture of a trace, as [capture.WritePCAPNG] does, for
	// /proxies/{proxy}/recording/capture. Nil means not found.
	//
	// [capture.WritePCAPNG]: https://pkg.go.dev/github.com/slowpoetry/slowpoetry/slownet/trace/capture#WritePCAPNG
	Capture func(w io.Writer, h trace.Header, events iter.Seq2[trace.Event, error]) error

	once     sync.Once
	mux      *http.ServeMux
	requests atomic.Uint64
}

// ToxiproxyVersion is the version of Toxiproxy whose API [API] implements.
const ToxiproxyVersion = "2.12.0"

// maxBody is the maximum length of a request body.
const maxBody = 16 << 20

// ServeHTTP handles a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.once.Do(a.init)
	w.Header().Set("X-Toxiproxy-Request-Id", requestID(a.requests.Add(1)))
	if err := a.refuses(r); err != nil {
		writeError(w, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a.mux.ServeHTTP(w, r)
}

// requestID returns an identifier for a request: 20 characters, like Toxiproxy's.
func requestID(n uint64) string {
	return fmt.Sprintf("%012x%08x", uint64(time.Now().UnixMicro())&(1<<48-1), uint32(n))
}

// An answer is the handler of a route. It returns a status and a value, which is written
// as JSON unless it is nil, or an error.
type answer func(r *http.Request) (status int, value any, err error)

func (a *API) init() {
	a.mux = http.NewServeMux()
	for pattern, route := range map[string]answer{
		"GET /proxies":         a.index,
		"POST /proxies":        a.create,
		"POST /populate":       nil, // below
		"POST /reset":          a.reset,
		"GET /proxies/{proxy}": a.show, "POST /proxies/{proxy}": a.update, "PATCH /proxies/{proxy}": a.update, "DELETE /proxies/{proxy}": a.remove,
		"GET /proxies/{proxy}/toxics": a.toxics, "POST /proxies/{proxy}/toxics": a.addToxic,
		"GET /proxies/{proxy}/toxics/{toxic}": a.toxic, "POST /proxies/{proxy}/toxics/{toxic}": a.updateToxic,
		"PATCH /proxies/{proxy}/toxics/{toxic}": a.updateToxic, "DELETE /proxies/{proxy}/toxics/{toxic}": a.removeToxic,
		// Additions:
		"GET /connections":                             a.allConns,
		"GET /proxies/{proxy}/connections":             a.conns,
		"DELETE /proxies/{proxy}/connections":          a.resetConns,
		"DELETE /proxies/{proxy}/connections/{number}": a.resetConn,
		"GET /profiles":                                a.profiles,
		"GET /status":                                  a.status,
		"GET /proxies/{proxy}/schedule":                a.schedule,
		"PUT /proxies/{proxy}/schedule":                a.setSchedule,
		"DELETE /proxies/{proxy}/schedule":             a.removeSchedule,
	} {
		if route != nil {
			a.mux.Handle(pattern, route)
		}
	}
	a.routeRecordings()
	a.mux.HandleFunc("POST /populate", a.populate)
	a.mux.HandleFunc("GET /version", a.version)
	if a.Metrics != nil {
		a.mux.Handle("/metrics", a.Metrics)
	}
	if a.Page != nil {
		a.mux.Handle("GET /{$}", a.Page)
	}
}

// ServeHTTP writes the answer.
func (route answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, value, err := route(r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, status, value)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	if value == nil {
		w.WriteHeader(status)
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// An errorJSON is the body of an error.
type errorJSON struct {
	Error  string `json:"error"`
	Status int    `json:"status"`
}

// errorOf returns the body of an error. An unknown error is a server error.
func errorOf(err error) errorJSON {
	known, text := new(apiError), err.Error()
	if !errors.As(err, &known) {
		return errorJSON{text, http.StatusInternalServerError}
	}
	if known.isBody {
		text = "bad request body: " + text
	}
	return errorJSON{text, known.status}
}

func writeError(w http.ResponseWriter, err error) {
	body := errorOf(err)
	writeJSON(w, body.Status, body)
}

// readJSON reads the first value of a body, as Toxiproxy does.
func readJSON(r *http.Request, value any) error {
	if err := json.NewDecoder(r.Body).Decode(value); err != nil {
		return badRequest(err)
	}
	return nil
}

// proxyOf returns the proxy that a request names.
func (a *API) proxyOf(r *http.Request) (*Proxy, error) {
	if p := a.Server.Proxy(r.PathValue("proxy")); p != nil {
		return p, nil
	}
	return nil, errProxyNotFound
}

// json returns the proxy's configuration and state.
func (p *Proxy) json() proxyJSON {
	is := p.Config().json()
	if err := p.UpstreamError(); err != nil {
		is.UpstreamError = err.Error()
	}
	return is
}

func (a *API) index(*http.Request) (int, any, error) {
	all := map[string]proxyJSON{}
	for _, p := range a.Server.Proxies() {
		all[p.Name()] = p.json()
	}
	return http.StatusOK, all, nil
}

// A proxyInput is the part of a request that describes a proxy.
type proxyInput struct {
	Name         string       `json:"name"`
	Listen       string       `json:"listen"`
	Upstream     string       `json:"upstream"`
	Enabled      *bool        `json:"enabled"`
	DeadUpstream DeadUpstream `json:"deadUpstream"`
}

func (in proxyInput) config() Config {
	return Config{Name: in.Name, Listen: in.Listen, Upstream: in.Upstream, Disabled: in.Enabled != nil && !*in.Enabled, DeadUpstream: in.DeadUpstream}
}

func (a *API) create(r *http.Request) (int, any, error) {
	var in proxyInput
	if err := readJSON(r, &in); err != nil {
		return 0, nil, err
	}
	p, err := a.Server.addLiterally(in.config())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, p.Config(), nil
}

func (a *API) show(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.json(), nil
}

func (a *API) update(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	is := p.Config()
	enabled := !is.Disabled
	in := proxyInput{Listen: is.Listen, Upstream: is.Upstream, Enabled: &enabled, DeadUpstream: is.DeadUpstream}
	if err := readJSON(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Enabled == nil {
		in.Enabled = &enabled
	}
	p.setDeadUpstream(in.DeadUpstream)
	if err := p.Update(in.Listen, in.Upstream, *in.Enabled); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.Config(), nil
}

func (a *API) remove(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Server.Remove(r.PathValue("proxy"))
}

func (a *API) reset(*http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Server.Reset()
}

func (a *API) toxics(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	toxics := p.Config().Toxics
	if toxics == nil {
		toxics = []Toxic{}
	}
	return http.StatusOK, toxics, nil
}

func (a *API) addToxic(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	var t Toxic
	if err := readJSON(r, &t); err != nil {
		return 0, nil, err
	}
	t, err = p.AddToxic(t)
	return http.StatusOK, t, err
}

func (a *API) toxic(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	t, ok := p.Toxic(r.PathValue("toxic"))
	if !ok {
		return 0, nil, errToxicNotFound
	}
	return http.StatusOK, t, nil
}

func (a *API) updateToxic(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	var raw json.RawMessage
	if _, ok := p.Toxic(r.PathValue("toxic")); !ok {
		return 0, nil, errToxicNotFound
	}
	if err := readJSON(r, &raw); err != nil {
		return 0, nil, err
	}
	t, err := p.UpdateToxic(r.PathValue("toxic"), raw)
	return http.StatusOK, t, err
}

func (a *API) removeToxic(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, p.RemoveToxic(r.PathValue("toxic"))
}

// populate answers as Toxiproxy does: an error response contains the proxies that were
// added before the error.
func (a *API) populate(w http.ResponseWriter, r *http.Request) {
	var answer struct {
		*errorJSON
		Proxies []Config `json:"proxies"`
	}
	status := http.StatusCreated
	data, err := io.ReadAll(r.Body)
	if err == nil {
		answer.Proxies, err = a.Server.Populate(data)
	}
	if err != nil {
		body := errorOf(err)
		answer.errorJSON, status = &body, body.Status
	}
	writeJSON(w, status, answer)
}

// version answers with exactly the bytes that Toxiproxy sends.
func (a *API) version(w http.ResponseWriter, _ *http.Request) {
	version := a.Version
	if version == "" {
		version = ToxiproxyVersion
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_, _ = fmt.Fprintf(w, "{\"version\": %s}\n", strconv.Quote(version))
}
