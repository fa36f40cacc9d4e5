package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/bench/program"
	"github.com/sluice-run/sluice/client"
)

// request is a prepared HTTP request and what its answer must hold.
type request struct {
	method, url string
	body        []byte
	header      map[string]string
	user, pass  string
	want        string
}

// send makes the request and reads its answer.
func (q *request) send(ctx context.Context, hc *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return err
	}
	for k, v := range q.header {
		req.Header.Set(k, v)
	}
	if q.user != "" {
		req.SetBasicAuth(q.user, q.pass)
	}
	res, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode > 299 || !bytes.Contains(b, []byte(q.want)) {
		return fmt.Errorf("%s %s: %s: %.300s", q.method, q.url, res.Status, b)
	}
	return nil
}

// modern is an MCP request of the 2026-07-28 revision to a session.
func modern(s *client.Session, method, name string, params map[string]any, want string) *request {
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		panic(err) // plain values
	}
	q := &request{method: http.MethodPost, url: s.MCP.URL, body: body, want: want, header: map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "x-api-key": program.Key,
	}}
	if name != "" {
		q.header["Mcp-Name"] = name
	}
	return q
}

func newClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}
