package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// refuses returns the error for a request that is refused, or nil. It refuses requests
// that a browser sends for a page of another origin, or to an unknown host.
func (a *API) refuses(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if origin == "" && site == "" && !strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		return nil // not a browser
	}
	refused := func(format string, arguments ...any) error {
		return &apiError{text: fmt.Sprintf(format, arguments...), status: http.StatusForbidden}
	}
	host := hostOf(r.Host)
	if _, err := netip.ParseAddr(host); err != nil && !strings.EqualFold(host, "localhost") &&
		!slices.ContainsFunc(a.Hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return refused("a browser asked for the unknown host %.80q: use localhost or an IP address, or allow the host with --api-host", host)
	}
	if u, err := url.Parse(origin); origin != "" && (err != nil || u.Host != r.Host || u.Scheme != "http" && u.Scheme != "https") {
		return refused("a page of %.80q may not use this API: only pages of this server may", origin)
	}
	if site != "" && site != "same-origin" && site != "none" {
		return refused("a page of another site may not use this API: only pages of this server may")
	}
	return nil
}

// hostOf returns the host of a Host header, without port and brackets.
func hostOf(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
}
