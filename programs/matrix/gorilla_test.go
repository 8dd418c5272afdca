package matrix

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A chatRoom sends each member's messages to all members.
type chatRoom struct {
	mu      sync.Mutex
	members []*websocket.Conn
}

func (r *chatRoom) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	conn, err := new(websocket.Upgrader).Upgrade(w, request, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	r.mu.Lock()
	r.members = append(r.members, conn)
	r.mu.Unlock()
	for {
		kind, message, err := conn.ReadMessage()
		r.mu.Lock()
		if err != nil {
			r.members = slices.DeleteFunc(r.members, func(c *websocket.Conn) bool { return c == conn })
			r.mu.Unlock()
			return
		}
		for _, other := range r.members {
			_ = other.SetWriteDeadline(time.Now().Add(patience))
			_ = other.WriteMessage(kind, message)
		}
		r.mu.Unlock()
	}
}

// A member sends a message, and waits until it receives it.
type member struct {
	conn *websocket.Conn
	name string
}

func (m member) exchange(ctx context.Context, i int) error {
	deadline, _ := ctx.Deadline()
	_ = m.conn.SetReadDeadline(deadline)
	_ = m.conn.SetWriteDeadline(deadline)
	said := m.name + " says " + string(text(i, 0))
	if err := m.conn.WriteMessage(websocket.TextMessage, []byte(said)); err != nil {
		return err
	}
	for {
		_, heard, err := m.conn.ReadMessage()
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(heard), m.name) && string(heard) == said {
			return nil
		}
	}
}

func (m member) close() { _ = m.conn.Close() }

// gorilla/websocket is a chat room.
var gorillaProgram = program{"gorilla/websocket", "github.com/gorilla/websocket",
	"a text of 20 kB sent to a chat room, which forwards it to all clients",
	served(
		func(ctx context.Context) error {
			return serveHTTP(ctx, &http.Server{Addr: ":80", Handler: new(chatRoom)})
		},
		func(ctx context.Context, client string) (session, error) {
			conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://server/", nil)
			return member{conn, client}, err
		},
	)}

// serveHTTP serves until the context ends.
func serveHTTP(ctx context.Context, s *http.Server) error {
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	serve := s.ListenAndServe
	if s.TLSConfig != nil {
		serve = func() error { return s.ListenAndServeTLS("", "") }
	}
	if err := serve(); ctx.Err() == nil {
		return err
	}
	return nil
}
