package confluence_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
)

// ask lets the double answer a request, and holds its answers of success to
// Atlassian's documents.
func (s *site) ask(r *http.Request, body []byte) *http.Response {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	s.double.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	c, err := loadContract()
	if err != nil {
		s.t.Error(err)
	}
	if c != nil && resp.StatusCode < 300 {
		if err := c.checkAnswer(r, resp.StatusCode, resp.Header, w.Body.Bytes()); err != nil {
			s.t.Errorf("the double's answer to %s %s: %v", r.Method, r.URL, err)
		}
	}
	return resp
}

// lend gives the site a double for what the sandbox does not have.
func (s *site) lend() *http.ServeMux {
	if s.double == nil {
		s.double = http.NewServeMux()
	}
	return s.double
}

// reply answers one route with a fixed body.
func (s *site) reply(route string, status int, body string) {
	s.lend().HandleFunc(route, func(w http.ResponseWriter, _ *http.Request) { respond(w, status, body) })
}

func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = io.WriteString(w, body)
	}
}

// refuse answers as v2 does when it refuses.
func refuse(w http.ResponseWriter, status int, code, title string) {
	respond(w, status, fmt.Sprintf(`{"errors":[{"status":%d,"code":%q,"title":%q,"detail":null}]}`, status, code, title))
}

// properties keeps properties of anything at a collection of v2.
type properties struct {
	mu      sync.Mutex
	next    int
	entries []*entry
	created int // status of a creation
}

type entry struct {
	ID      string          `json:"id"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	Version struct {
		Number int `json:"number"`
	} `json:"version"`
}

// lendProperties adds properties to things of a collection.
func (s *site) lendProperties(collection string, created int) {
	p := &properties{next: 1000, created: created}
	base := "/wiki/api/v2/" + collection + "/{holder}/properties"
	mux := s.lend()
	mux.HandleFunc("GET "+base, p.list)
	mux.HandleFunc("POST "+base, p.create)
	mux.HandleFunc("GET "+base+"/{id}", p.one)
	mux.HandleFunc("PUT "+base+"/{id}", p.update)
	mux.HandleFunc("DELETE "+base+"/{id}", p.remove)
}

func (p *properties) list(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := []*entry{}
	after, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 25
	}
	next := ""
	for i, e := range p.entries {
		if key := r.URL.Query().Get("key"); i < after || key != "" && key != e.Key {
			continue
		}
		if len(rest) == limit {
			next = fmt.Sprintf("%s?cursor=%d", r.URL.Path, i)
			break
		}
		rest = append(rest, e)
	}
	data, _ := json.Marshal(map[string]any{"results": rest, "_links": map[string]string{"next": next, "base": "https://site/wiki"}})
	respond(w, http.StatusOK, string(data))
}

func (p *properties) create(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &entry{}
	if err := json.NewDecoder(r.Body).Decode(e); err != nil {
		refuse(w, http.StatusBadRequest, "INVALID_MESSAGE", err.Error())
		return
	}
	for _, old := range p.entries {
		if old.Key == e.Key {
			refuse(w, http.StatusBadRequest, "INVALID_REQUEST", "A property with this key already exists")
			return
		}
	}
	p.next++
	e.ID, e.Version.Number = strconv.Itoa(p.next), 1
	p.entries = append(p.entries, e)
	p.show(w, p.created, e)
}

func (p *properties) find(w http.ResponseWriter, r *http.Request) (int, *entry) {
	for i, e := range p.entries {
		if e.ID == r.PathValue("id") {
			return i, e
		}
	}
	refuse(w, http.StatusNotFound, "NOT_FOUND", "Could not find the property")
	return 0, nil
}

func (p *properties) one(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, e := p.find(w, r); e != nil {
		p.show(w, http.StatusOK, e)
	}
}

func (p *properties) update(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, e := p.find(w, r)
	if e == nil {
		return
	}
	var sent entry
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || sent.Key != e.Key {
		refuse(w, http.StatusBadRequest, "INVALID_MESSAGE", "bad body")
		return
	}
	if sent.Version.Number != e.Version.Number+1 {
		refuse(w, http.StatusConflict, "CONFLICT", "Version must be incremented")
		return
	}
	e.Value, e.Version.Number = sent.Value, sent.Version.Number
	p.show(w, http.StatusOK, e)
}

func (p *properties) remove(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, e := p.find(w, r); e != nil {
		p.entries = append(p.entries[:i:i], p.entries[i+1:]...)
		respond(w, http.StatusNoContent, "")
	}
}

func (p *properties) show(w http.ResponseWriter, status int, e *entry) {
	data, _ := json.Marshal(e)
	respond(w, status, string(data))
}
