package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Toxic impairs the bytes of a proxy's connections. The toxics of a stream take
// effect one after another, in the order in which they were added, except a [Link],
// which is always next to the upstream server.
type Toxic struct {
	// Name is the toxic's name, unique in its proxy. Empty means the type, an
	// underscore and the stream, such as "latency_downstream".
	Name string

	// Stream is the affected direction. Zero is Downstream.
	Stream Stream

	// Toxicity is the fraction of connections that are affected, from 0 to 1. The
	// draw for a connection is made once.
	Toxicity float32

	// Scope says which connections share the toxic. Zero is [PerConnection], and
	// [PerProxy] for a [Link].
	Scope Scope

	// Attributes are the toxic's type and parameters: a [Latency], [Bandwidth],
	// [SlowClose], [Timeout], [ResetPeer], [Slicer], [LimitData], [Link] or [Noop].
	Attributes Attributes
}

// Attributes are the type and the parameters of a toxic.
type Attributes interface {
	kind() string
	validate() error
	fields() any                // pointers to the fields in JSON
	with(fields any) Attributes // returns the attributes with the fields read from JSON
}

// staged are the attributes of toxics that are stages.
type staged interface {
	newStage(setting) stage
}

// Latency delays all bytes, and the end of the stream, by Latency ± Jitter,
// uniformly distributed. Order is preserved.
type Latency struct{ Latency, Jitter time.Duration }

// Bandwidth limits the rate of payload bytes. Rate 0 lets nothing pass until the
// toxic is changed or removed; no bytes are lost.
type Bandwidth struct{ Rate netem.Rate }

// SlowClose delays the end of the stream.
type SlowClose struct{ Delay time.Duration }

// Timeout drops all bytes, and ends the connection when After has passed since the
// toxic was put on it. Zero never ends it. Removing the toxic ends the connection, as
// bytes are missing.
type Timeout struct{ After time.Duration }

// ResetPeer resets the connection at both ends when After has passed since the
// toxic was put on it, whether or not it is idle. Until then nothing passes.
type ResetPeer struct{ After time.Duration }

// Slicer cuts bytes into pieces of about AverageSize ± SizeVariation, and waits for
// Delay after each.
type Slicer struct {
	AverageSize, SizeVariation int
	Delay                      time.Duration
}

// LimitData ends the connection after Bytes bytes.
type LimitData struct{ Bytes int64 }

// Noop does nothing.
type Noop struct{}

// A Stream is a direction of a proxy's connections.
type Stream uint8

// The streams. Both is only for a [Link].
const (
	Downstream Stream = iota // to the client
	Upstream                 // to the server
	Both
)

// String returns the stream's name in JSON.
func (s Stream) String() string {
	switch s {
	case Downstream:
		return "downstream"
	case Upstream:
		return "upstream"
	case Both:
		return "both"
	}
	return fmt.Sprintf("Stream(%d)", int(s))
}

// parseStream parses a stream's name, ignoring case.
func parseStream(s string) (Stream, error) {
	switch strings.ToLower(s) {
	case "downstream":
		return Downstream, nil
	case "upstream":
		return Upstream, nil
	case "both":
		return Both, nil
	}
	return 0, errInvalidStream
}

// A Scope says which connections share the rate or the byte limit of a toxic.
type Scope uint8

// The scopes.
const (
	DefaultScope  Scope = iota // PerConnection; for a Link PerProxy
	PerConnection              // each connection has its own
	PerProxy                   // the connections of a proxy share one
	PerServer                  // the connections of all proxies that have a toxic with the same name share one
)

var scopeNames = [...]string{"", "connection", "proxy", "server"}

// String returns the scope's name in JSON, which is empty for DefaultScope.
func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return fmt.Sprintf("Scope(%d)", int(s))
}

func parseScope(s string) (Scope, error) {
	for scope, name := range scopeNames {
		if s == name {
			return Scope(scope), nil
		}
	}
	return 0, fmt.Errorf(`there is no scope %.40q: it must be "connection", "proxy" or "server"`, s)
}

// isShared reports whether connections share the toxic's state.
func (t *Toxic) isShared() bool { return t.Scope == PerProxy || t.Scope == PerServer }

// affects reports whether the toxic is on a stream.
func (t *Toxic) affects(s Stream) bool { return t.Stream == s || t.Stream == Both }

// name returns the name of a toxic, which may be the default name.
func (t *Toxic) name() string {
	if t.Name != "" {
		return t.Name
	}
	return t.Attributes.kind() + "_" + t.Stream.String()
}

// validate reports an error of a toxic.
func (t *Toxic) validate() error {
	if t.Attributes == nil {
		return errInvalidToxicType
	}
	_, isLink := t.Attributes.(Link)
	switch {
	case t.Stream > Both, t.Stream == Both && !isLink:
		return errInvalidStream
	case !(t.Toxicity >= 0 && t.Toxicity <= 1): // NaN is neither
		return badRequest(fmt.Errorf("toxicity is %v: it must be from 0 to 1", t.Toxicity))
	case t.Scope > PerServer:
		return badRequest(fmt.Errorf("scope is %v: it must be connection, proxy or server", t.Scope))
	}
	if t.isShared() {
		switch t.Attributes.(type) {
		case Bandwidth, LimitData, Link:
		default:
			return badRequest(fmt.Errorf("a toxic of type %s cannot be shared: its scope must be connection; bandwidth, limit_data and link can be shared", t.Attributes.kind()))
		}
	}
	if err := t.Attributes.validate(); err != nil {
		return badRequest(err)
	}
	return nil
}

// attributesOf returns the zero attributes of a type.
func attributesOf(kind string) Attributes {
	for _, a := range []Attributes{Latency{}, Bandwidth{}, SlowClose{}, Timeout{}, ResetPeer{}, Slicer{}, LimitData{}, Link{}, Noop{}} {
		if a.kind() == kind {
			return a
		}
	}
	return nil
}

// toxicJSON is a toxic in JSON.
type toxicJSON struct {
	Attributes any     `json:"attributes"`
	Name       string  `json:"name"`
	Type       string  `json:"type"`
	Stream     string  `json:"stream"`
	Toxicity   float32 `json:"toxicity"`
	Scope      string  `json:"scope,omitempty"`
}

// MarshalJSON writes the toxic as Toxiproxy does.
func (t Toxic) MarshalJSON() ([]byte, error) {
	if t.Attributes == nil {
		return nil, errors.New("proxy: toxic: Attributes is nil: set it, such as to Latency{}")
	}
	return json.Marshal(toxicJSON{t.Attributes.fields(), t.name(), t.Attributes.kind(), t.Stream.String(), t.Toxicity, t.Scope.String()})
}

// UnmarshalJSON parses a toxic as Toxiproxy does. The defaults are the stream downstream
// and a toxicity of 1.
func (t *Toxic) UnmarshalJSON(data []byte) error {
	var raw json.RawMessage
	in := toxicJSON{Attributes: &raw, Stream: "downstream", Toxicity: 1}
	if err := json.Unmarshal(data, &in); err != nil {
		return badRequest(err)
	}
	stream, err := parseStream(in.Stream)
	if err != nil {
		if in.Type == (Link{}).kind() {
			return errInvalidLinkStream
		}
		return err
	}
	read := Toxic{Name: in.Name, Stream: stream, Toxicity: in.Toxicity}
	if read.Attributes = attributesOf(in.Type); read.Attributes == nil {
		return errInvalidToxicType
	}
	if read.Scope, err = parseScope(in.Scope); err != nil {
		return badRequest(err)
	}
	if read.Attributes, err = readAttributes(read.Attributes, raw); err != nil {
		return badRequest(err)
	}
	*t = read
	return nil
}

// readAttributes returns the attributes with the changes in JSON.
func readAttributes(a Attributes, data json.RawMessage) (Attributes, error) {
	if len(data) == 0 || string(data) == "null" {
		return a, nil
	}
	fields := a.fields()
	if err := json.Unmarshal(data, fields); err != nil {
		_, err = inWordsAt("attributes", data, reflect.TypeOf(fields).Elem(), err)
		return nil, err
	}
	return a.with(fields), nil
}
