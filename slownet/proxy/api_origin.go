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

// refuses returns why a request is refused, as one that a browser makes for somebody
// else, or nil.
func (a *API) refuses(r *http.Request) error {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if origin == "" && site == "" && !strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		return nil // no browser: it asks for itself
	}
	refused := func(format string, arguments ...any) error {
		return &apiError{fmt.Sprintf(format, arguments...), http.StatusForbidden}
	}
	host := hostOf(r.Host)
	if _, err := netip.ParseAddr(host); err != nil && !strings.EqualFold(host, "localhost") &&
		!slices.ContainsFunc(a.Hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return refused("a browser asks for the host %.80q, which is not known: use localhost or an IP address, or allow it with --api-host", host)
	}
	if u, err := url.Parse(origin); origin != "" && (err != nil || u.Host != r.Host || u.Scheme != "http" && u.Scheme != "https") {
		return refused("a page of %.80q may not ask: only those of this server may", origin)
	}
	if site != "" && site != "same-origin" && site != "none" {
		return refused("a page of another site may not ask: only those of this server may")
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
