package proxy

import (
	"errors"
	"net/http"
)

// An apiError is an error with its status in Toxiproxy's API.
type apiError struct {
	text   string
	status int
	isBody bool // the error is about the request body, and the API says so
}

func (e *apiError) Error() string { return e.text }

// The errors of Toxiproxy's API.
var (
	errProxyNotFound      error = &apiError{text: "proxy not found", status: http.StatusNotFound}
	errProxyAlreadyExists error = &apiError{text: "proxy already exists", status: http.StatusConflict}
	errInvalidStream      error = &apiError{text: "stream was invalid, can be either upstream or downstream", status: http.StatusBadRequest}
	errInvalidLinkStream  error = &apiError{text: "stream was invalid, can be upstream, downstream or both", status: http.StatusBadRequest} // an addition
	errInvalidToxicType   error = &apiError{text: "invalid toxic type", status: http.StatusBadRequest}
	errToxicAlreadyExists error = &apiError{text: "toxic already exists", status: http.StatusConflict}
	errToxicNotFound      error = &apiError{text: "toxic not found", status: http.StatusNotFound}
)

// badRequest returns the error for an invalid request. A wrapped error of the API keeps
// its status.
func badRequest(err error) error {
	known := new(apiError)
	switch {
	case !errors.As(err, &known):
		return &apiError{inWordsOfJSON("", err).Error(), http.StatusBadRequest, true}
	case err == error(known):
		return err
	}
	return &apiError{err.Error(), known.status, known.isBody}
}

// missing returns the error for a required field that is missing.
func missing(field string) error {
	return &apiError{text: "missing required field: " + field, status: http.StatusBadRequest}
}

// ErrClosed is returned by calls on a closed [Server].
var ErrClosed = errors.New("proxy: the server is closed")
