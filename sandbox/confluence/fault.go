package confluence

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault disturbs requests. Zero fields match everything or do nothing.
type Fault struct {
	Method string // "" = any
	Path   string // part of the URL path that must occur; "" = any
	Grant  string // only requests for a token with this grant_type: authorization_code, refresh_token, client_credentials
	Times  int    // how many requests to disturb; 0 = one, negative = until ClearFaults

	Status     int           // answer with this status, and Body
	RetryAfter time.Duration // Retry-After header, in whole seconds
	Body       string        // "" = an HTML error page, as a proxy would send
	Type       string        // content type of Body; "" = text/html
	Header     http.Header   // further headers
	Delay      time.Duration // wait before answering
	Hang       bool          // answer nothing until the client goes or ClearFaults
	CutAfter   int           // answer properly, but close the connection after so many bytes of the body
	Drop       bool          // carry the request out, then close the connection without an answer

	cleared chan struct{}
}

// Fail adds a fault. Faults are tried in the order of adding; the first that
// matches a request disturbs it.
func (s *Sandbox) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	f.cleared = make(chan struct{})
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.faults = append(s.faults, &f)
	s.nFaults.Store(int64(len(s.faults)))
}

// ClearFaults removes all faults and releases the requests that hang.
func (s *Sandbox) ClearFaults() {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	for _, f := range s.faults {
		close(f.cleared)
	}
	s.faults = nil
	s.nFaults.Store(0)
}

// takeFault finds the fault for a request and uses it up. A hanging fault stays
// listed when used up, so that ClearFaults can release it.
func (s *Sandbox) takeFault(r *http.Request) *Fault {
	if s.nFaults.Load() == 0 {
		return nil
	}
	kind := grantOf(r)
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	i := slices.IndexFunc(s.faults, func(f *Fault) bool {
		return f.Times != 0 && (f.Method == "" || f.Method == r.Method) && (f.Grant == "" || f.Grant == kind) && strings.Contains(r.URL.Path, f.Path)
	})
	if i < 0 {
		return nil
	}
	f := s.faults[i]
	if f.Times > 0 {
		f.Times--
	}
	if f.Times == 0 && !f.Hang {
		s.faults = slices.Delete(s.faults, i, i+1)
		s.nFaults.Store(int64(len(s.faults)))
	}
	return f
}

// grantOf tells what kind of grant a request asks a token for; "" when it asks
// for none. It leaves the body as it was.
func grantOf(r *http.Request) string {
	if r.Method != http.MethodPost || r.URL.Path != "/oauth/token" {
		return ""
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	r.Body = io.NopCloser(bytes.NewReader(raw))
	if err != nil {
		return ""
	}
	in, _ := parseToken(r.Header.Get("Content-Type"), raw)
	return in.GrantType
}

const proxyPage = "<html><head><title>%s</title></head><body><center><h1>%s</h1></center><hr><center>CloudFront</center></body></html>\n"

// disturb answers the request, or lets next answer it when the fault only delays or cuts.
func (s *Sandbox) disturb(f *Fault, w http.ResponseWriter, r *http.Request, next http.Handler) {
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-f.cleared:
		}
		panic(http.ErrAbortHandler)
	}
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-r.Context().Done():
			return
		case <-t.C:
		}
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Round(time.Second)/time.Second)))
	}
	if f.Status == 0 && f.Body == "" {
		if f.Drop {
			next.ServeHTTP(&recorder{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		if f.CutAfter > 0 {
			cut(f.CutAfter, w, r, next)
			return
		}
		next.ServeHTTP(w, r)
		return
	}
	status, text, typ := f.Status, f.Body, f.Type
	if status == 0 {
		status = http.StatusOK
	}
	if text == "" {
		text = strings.ReplaceAll(proxyPage, "%s", strconv.Itoa(status)+" "+http.StatusText(status))
	}
	if typ == "" {
		typ = "text/html; charset=utf-8"
	}
	w.Header().Set("Content-Type", typ)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// cut promises the whole answer by Content-Length and closes after n bytes.
func cut(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := &recorder{header: w.Header(), status: http.StatusOK}
	next.ServeHTTP(rec, r)
	w.Header().Set("Content-Length", strconv.Itoa(max(rec.Len(), n+1)))
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.Bytes()[:min(n, rec.Len())])
	if fl, ok := w.(http.Flusher); ok {
		fl.Flush()
	}
	panic(http.ErrAbortHandler)
}

type recorder struct {
	bytes.Buffer
	header http.Header
	status int
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = status }
