package register

import (
	"encoding/json"
	"net/http"
	"sync"
)

// A Value is the content of a register. The writer numbers its values from 1 on.
type Value struct {
	Number int
	Text   string
}

// A Node is a replica of the register. It keeps the newest value that it has received.
// GET returns the value, PUT sets it.
type Node struct {
	mu    sync.Mutex
	value Value // on a disk: a crash leaves it
}

// ServeHTTP answers a client.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
	case http.MethodPut:
		var v Value
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if v.Number > n.value.Number {
			n.value = v
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	_ = json.NewEncoder(w).Encode(n.value)
}
