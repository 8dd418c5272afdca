package proxy

import (
	"errors"
	"net/http"
)

// An apiError is an error with its status in Toxiproxy's API.
type apiError struct {
	text   string
	status int
}

func (e *apiError) Error() string { return e.text }

// The errors of Toxiproxy's API.
var (
	errProxyNotFound      error = &apiError{"proxy not found", http.StatusNotFound}
	errProxyAlreadyExists error = &apiError{"proxy already exists", http.StatusConflict}
	errInvalidStream      error = &apiError{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
	errInvalidLinkStream  error = &apiError{"stream was invalid, can be upstream, downstream or both", http.StatusBadRequest} // an addition
	errInvalidToxicType   error = &apiError{"invalid toxic type", http.StatusBadRequest}
	errToxicAlreadyExists error = &apiError{"toxic already exists", http.StatusConflict}
	errToxicNotFound      error = &apiError{"toxic not found", http.StatusNotFound}
)

// badRequest returns the error for an invalid request.
func badRequest(err error) error {
	if known := new(apiError); errors.As(err, &known) {
		return known
	}
	return &apiError{"bad request body: " + err.Error(), http.StatusBadRequest}
}

// missing returns the error for a required field that is missing.
func missing(field string) error {
	return &apiError{"missing required field: " + field, http.StatusBadRequest}
}

// ErrClosed is returned by calls on a closed [Server].
var ErrClosed = errors.New("proxy: the server is closed")
