package register

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// patience is the time for which a client waits for a node.
const patience = time.Second

// A Client reads and writes the register. A majority of the nodes must answer.
type Client struct {
	HTTP  *http.Client
	Nodes []string // their names

	// NoWriteBack is the bug: a read returns the value that it has found, which may be
	// on one node only.
	NoWriteBack bool
}

// Write writes a value whose number is greater than the numbers of all earlier values.
// After an error it is unknown whether the value was, or will be, written.
func (c *Client) Write(ctx context.Context, v Value) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.majority(ctx, http.MethodPut, body)
	return err
}

// Read returns the newest value.
func (c *Client) Read(ctx context.Context) (Value, error) {
	values, err := c.majority(ctx, http.MethodGet, nil)
	if err != nil {
		return Value{}, err
	}
	newest := slices.MaxFunc(values, func(v, w Value) int { return cmp.Compare(v.Number, w.Number) })
	if c.NoWriteBack {
		return newest, nil
	}
	return newest, c.Write(ctx, newest)
}

// majority asks all nodes, and returns the first answers that form a majority.
// The other requests continue.
func (c *Client) majority(ctx context.Context, method string, body []byte) ([]Value, error) {
	type answer struct {
		value Value
		err   error
	}
	answers := make(chan answer, len(c.Nodes))
	for _, node := range c.Nodes {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			value, err := c.ask(ctx, method, node, body)
			answers <- answer{value, err}
		}()
	}
	var values []Value
	failed := 0
	for {
		a := <-answers
		if a.err == nil {
			values = append(values, a.value)
		} else {
			failed++
		}
		if len(values) > len(c.Nodes)/2 {
			return values, nil
		}
		if failed > (len(c.Nodes)-1)/2 {
			return nil, fmt.Errorf("%d of %d nodes do not answer: %w", failed, len(c.Nodes), a.err)
		}
	}
}

// ask sends one node a request.
func (c *Client) ask(ctx context.Context, method, node string, body []byte) (v Value, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+node+"/", bytes.NewReader(body))
	if err != nil {
		return Value{}, err
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return Value{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return Value{}, fmt.Errorf("%s: %s", node, response.Status)
	}
	err = json.NewDecoder(response.Body).Decode(&v)
	return v, err
}
