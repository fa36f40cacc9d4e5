package confluence_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
