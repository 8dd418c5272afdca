package proxy

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Config configures a proxy.
type Config struct {
	// Name is the proxy's name in the server.
	Name string

	// Listen is the address for clients: "HOST:PORT", "udp:HOST:PORT" or "unix:PATH". As
	// with net.Listen, no host means all addresses of the machine, and port 0 means any
	// free port.
	Listen string

	// Upstream is the address of the server, in the same form. Either both addresses or
	// neither must be udp: addresses.
	Upstream string

	// Disabled creates the proxy stopped: it does not listen.
	Disabled bool

	// DeadUpstream is the proxy's reaction when the server cannot be reached. Zero
	// is ResetClient.
	DeadUpstream DeadUpstream

	// IdleTimeout is the time without datagrams after which a UDP client is forgotten.
	// Zero means a minute.
	IdleTimeout time.Duration

	// Toxics are the proxy's toxics at the start.
	Toxics []Toxic

	// Schedule changes the proxy over time.
	Schedule Schedule
}

// DeadUpstream is a proxy's reaction to a client when the server cannot be reached.
type DeadUpstream uint8

// The reactions to a server that cannot be reached.
const (
	// ResetClient resets the client's connection.
	ResetClient DeadUpstream = iota

	// CloseClient ends the client's stream, as Toxiproxy does. A client that has
	// received nothing yet takes that for an empty answer.
	CloseClient

	// RefuseClients resets the client's connection and stops listening until the server
	// can be reached again, which is checked every 100 ms. New clients are refused, as if
	// they had connected to the server itself.
	RefuseClients
)

var deadUpstreamNames = [...]string{"reset", "close", "refuse"}

// String returns the name in JSON.
func (d DeadUpstream) String() string {
	if int(d) < len(deadUpstreamNames) {
		return deadUpstreamNames[d]
	}
	return fmt.Sprintf("DeadUpstream(%d)", int(d))
}

// MarshalText returns the name.
func (d DeadUpstream) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the name.
func (d *DeadUpstream) UnmarshalText(text []byte) error {
	for i, name := range deadUpstreamNames {
		if string(text) == name {
			*d = DeadUpstream(i)
			return nil
		}
	}
	return fmt.Errorf(`a dead upstream cannot be %.40q: it must be "reset", "close" or "refuse"`, text)
}

// proxyJSON is a proxy in Toxiproxy's API, with additions.
type proxyJSON struct {
	Name         string       `json:"name"`
	Listen       string       `json:"listen"`
	Upstream     string       `json:"upstream"`
	Enabled      bool         `json:"enabled"`
	DeadUpstream DeadUpstream `json:"deadUpstream,omitzero"`
	Toxics       []Toxic      `json:"toxics"`

	// UpstreamError is the state of a proxy, not part of its configuration. It is empty
	// unless the latest attempt to connect to the server failed.
	UpstreamError string `json:"upstreamError,omitempty"`
}

// MarshalJSON writes the configuration in the form of Toxiproxy's API.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.json()) }

func (c Config) json() proxyJSON {
	toxics := c.Toxics
	if toxics == nil {
		toxics = []Toxic{}
	}
	return proxyJSON{Name: c.Name, Listen: c.Listen, Upstream: c.Upstream, Enabled: !c.Disabled, DeadUpstream: c.DeadUpstream, Toxics: toxics}
}
