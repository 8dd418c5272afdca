package slownet

import "github.com/slowpoetry/slowpoetry/slownet/netem"

// SetProfile changes the links of this connection to a profile's, as [Conn.SetLinks] does:
// from now on it shares them with no other connection. A connection that a [Listener]
// accepted is at the server's end of the path: it reads from Up and writes to Down. For any
// other connection, SetProfile assumes the client's end. For a server's connection that was
// wrapped by [NewConn], call SetLinks(profile.Up, profile.Down) instead.
//
// Lookup has no effect, as the connection has been dialled. SetProfile panics
// on an invalid profile; see [netem.Profile.Validate].
func (c *Conn) SetProfile(profile netem.Profile) {
	mustBeValid("Conn.SetProfile", profile)
	config := ClientConfig(profile)
	if _, accepted := c.owners.by.(*Listener); accepted {
		config = ServerConfig(profile)
	}
	c.SetLinks(config.Read, config.Write)
}

// SetProfile puts all connections, present and future, at the server's end of a
// profile's path: they read from Up and write to Down. They share these two links,
// except connections that have links of their own; see [Listener.SetLinks]. It panics
// on an invalid profile.
func (l *Listener) SetProfile(profile netem.Profile) {
	mustBeValid("Listener.SetProfile", profile)
	config := ServerConfig(profile)
	l.SetLinks(config.Read, config.Write)
}

// SetProfile changes the links of this connection to a profile's, as
// [PacketConn.SetLinks] does: from now on it shares them with no other connection.
// SetProfile assumes the client's end of the path: the connection receives from Down and
// sends to Up. At the server's end, call SetLinks(profile.Up, profile.Down) instead.
//
// Lookup has no effect. SetProfile panics on an invalid profile; see
// [netem.Profile.Validate].
func (c *PacketConn) SetProfile(profile netem.Profile) {
	mustBeValid("PacketConn.SetProfile", profile)
	config := ClientConfig(profile)
	c.SetLinks(config.Read, config.Write)
}
