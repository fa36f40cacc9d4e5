package client_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// witness notes which requests were answered with a success.
type witness struct {
	mu       sync.Mutex
	answered map[string]bool // by "METHOD path"
}

func (s *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && res.StatusCode < 300 {
		s.mu.Lock()
		s.answered[r.Method+" "+r.URL.EscapedPath()] = true
		s.mu.Unlock()
	}
	return res, err
}

type operation struct{ method, path string }

type document map[string]operation // by operationId

// operations reads the router's own document.
func (w *world) operations(t *testing.T) document {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.router.URL()+"/openapi.json", nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	var doc struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	must(t, json.NewDecoder(res.Body).Decode(&doc))
	all := document{}
	for path, item := range doc.Paths {
		for method, op := range item {
			if op.ID != "" {
				all[op.ID] = operation{strings.ToUpper(method), path}
			}
		}
	}
	if len(all) < 100 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// match gives the operation that a request is for: of those that fit the one with
// the longest words.
func (d document) match(request string) (best string) {
	method, path, _ := strings.Cut(request, " ")
	parts, most := strings.Split(path, "/"), -1
	for id, o := range d {
		pattern := strings.Split(o.path, "/")
		if o.method != method || len(pattern) != len(parts) {
			continue
		}
		words := 0
		for i, p := range pattern {
			switch {
			case p == parts[i]:
				words++
			case !strings.HasPrefix(p, "{"):
				words = -len(pattern)
			}
		}
		if words > most {
			best, most = id, words
		}
	}
	return best
}
