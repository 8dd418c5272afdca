package proxy

import (
	"errors"
	"net/http"
)

// An apiError is an error with the status that Toxiproxy's API answers it with.
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
	errInvalidToxicType   error = &apiError{"invalid toxic type", http.StatusBadRequest}
	errToxicAlreadyExists error = &apiError{"toxic already exists", http.StatusConflict}
	errToxicNotFound      error = &apiError{"toxic not found", http.StatusNotFound}
)

// badRequest returns the error of something that cannot be.
func badRequest(err error) error {
	if known := new(apiError); errors.As(err, &known) {
		return known
	}
	return &apiError{"bad request body: " + err.Error(), http.StatusBadRequest}
}

// missing returns the error of a field that must be there.
func missing(field string) error {
	return &apiError{"missing required field: " + field, http.StatusBadRequest}
}

// ErrClosed is returned for what a closed [Server] is asked to do.
var ErrClosed = errors.New("proxy: the server is closed")
