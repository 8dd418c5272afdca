package proxy

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

func (a *API) routeRecordings() {
	a.mux.Handle("GET /proxies/{proxy}/recording", answer(a.recording))
	a.mux.Handle("PUT /proxies/{proxy}/recording", answer(a.record))
	a.mux.Handle("DELETE /proxies/{proxy}/recording", answer(a.forgetRecording))
	a.mux.HandleFunc("GET /proxies/{proxy}/recording/trace", a.download("trace.jsonl", "application/jsonl", writeTrace))
	if a.Capture != nil {
		a.mux.HandleFunc("GET /proxies/{proxy}/recording/capture", a.download("capture.pcapng", "application/x-pcapng", a.Capture))
	}
}

func (a *API) recording(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.Recording(), nil
}

func (a *API) record(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	to := Recording{Enabled: true}
	if err := readJSON(r, &to); err != nil {
		return 0, nil, err
	}
	if to.Payloads < -1 {
		return 0, nil, badRequest(fmt.Errorf("payloads is %d: it must be a number of bytes, or -1 for all", to.Payloads))
	}
	p.Record(to)
	return http.StatusOK, p.Recording(), nil
}

func (a *API) forgetRecording(r *http.Request) (int, any, error) {
	p, err := a.proxyOf(r)
	if err != nil {
		return 0, nil, err
	}
	p.ForgetRecording()
	return http.StatusNoContent, nil, nil
}

// download responds with a file of the recorded events.
func (a *API) download(name, kind string, write func(io.Writer, trace.Header, iter.Seq2[trace.Event, error]) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := a.proxyOf(r)
		if err == nil && p.Recording().Events == 0 {
			err = &apiError{text: fmt.Sprintf("nothing is recorded: start a recording with PUT /proxies/%s/recording, and use a connection", r.PathValue("proxy")), status: http.StatusNotFound}
		}
		if err != nil {
			writeError(w, err)
			return
		}
		to := &downloading{w: w, name: name, kind: kind}
		header, events := p.Recorded()
		if err := write(to, header, events); err != nil && !to.begun {
			writeError(w, &apiError{text: err.Error(), status: http.StatusNotFound})
		}
	}
}

// A downloading writes a file as a response. Until the first byte is written, the response
// can still become an error.
type downloading struct {
	w          http.ResponseWriter
	name, kind string
	begun      bool
}

func (d *downloading) Write(data []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", d.kind)
		d.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		d.w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	return d.w.Write(data)
}

func writeTrace(w io.Writer, h trace.Header, events iter.Seq2[trace.Event, error]) error {
	to, err := trace.NewWriter(w, h)
	if err != nil {
		return err
	}
	for e := range events {
		err = errors.Join(err, to.Write(&e))
	}
	return errors.Join(err, to.Close())
}
