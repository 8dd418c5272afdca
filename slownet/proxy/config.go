package proxy

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Config is what a proxy is to be.
type Config struct {
	// Name is the proxy's name in the server.
	Name string

	// Listen is where clients connect: "HOST:PORT", "udp:HOST:PORT" or "unix:PATH". It is
	// taken as net.Listen does: without a host it is all addresses of the machine, and
	// port 0 is any free one.
	Listen string

	// Upstream is the server that they are connected to, in the same words. It carries
	// datagrams if Listen does.
	Upstream string

	// Disabled makes a proxy that does not listen.
	Disabled bool

	// DeadUpstream is what clients see when the server cannot be reached. Zero is
	// ResetClient.
	DeadUpstream DeadUpstream

	// IdleTimeout is after how long without a datagram a client of UDP is forgotten. Zero
	// is a minute.
	IdleTimeout time.Duration

	// Toxics are there from the beginning.
	Toxics []Toxic

	// Schedule changes the proxy as time passes.
	Schedule Schedule
}

// DeadUpstream is what a proxy does with a client for whom it cannot reach the server.
type DeadUpstream uint8

// What a proxy does when the server cannot be reached.
const (
	// ResetClient resets the client's connection.
	ResetClient DeadUpstream = iota

	// CloseClient ends the client's stream, as Toxiproxy does: a client that has been
	// told nothing yet takes it for an answer of no bytes.
	CloseClient

	// RefuseClients resets the client's connection and stops listening until the server
	// can be reached again, which is tried every 100 ms: new clients are refused, as by
	// the server itself.
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

// proxyJSON is how a proxy stands in Toxiproxy's API, and ours adds to it.
type proxyJSON struct {
	Name         string       `json:"name"`
	Listen       string       `json:"listen"`
	Upstream     string       `json:"upstream"`
	Enabled      bool         `json:"enabled"`
	DeadUpstream DeadUpstream `json:"deadUpstream,omitzero"`
	Toxics       []Toxic      `json:"toxics"`
}

// MarshalJSON writes the configuration as Toxiproxy's API does.
func (c Config) MarshalJSON() ([]byte, error) {
	toxics := c.Toxics
	if toxics == nil {
		toxics = []Toxic{}
	}
	return json.Marshal(proxyJSON{c.Name, c.Listen, c.Upstream, !c.Disabled, c.DeadUpstream, toxics})
}
