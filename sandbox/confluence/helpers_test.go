package confluence_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// site is a sandbox called without a network.
type site struct {
	*confluence.Sandbox
	tb    testing.TB
	me    confluence.User
	clock time.Time
	check func(*http.Request, []byte, *http.Response) // sees every exchange
}

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// newSite makes a site whose clock moves a second with every look.
func newSite(tb testing.TB, o confluence.Options) *site {
	tb.Helper()
	s := &site{tb: tb, clock: epoch}
	o.BaseURL = "https://test.atlassian.net"
	o.Clock = func() time.Time {
		s.clock = s.clock.Add(time.Second)
		return s.clock
	}
	s.Sandbox = confluence.New(o)
	s.me = s.AddUser(confluence.User{Email: "ann@example.com", DisplayName: "Ann Example", Token: "ann-token"})
	return s
}

// answer is an HTTP answer with its JSON body decoded.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func (a answer) str(path string) string {
	v := a.get(path)
	s, _ := v.(string)
	return s
}

func (a answer) get(path string) any {
	var v any = a.json
	for _, p := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			if len(x) == 0 {
				return nil
			}
			v = x[int(p[0]-'0')]
		default:
			return nil
		}
	}
	return v
}

func (a answer) results() []map[string]any {
	list, _ := a.json["results"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, r := range list {
		m, _ := r.(map[string]any)
		out = append(out, m)
	}
	return out
}

func (a answer) titles() []string {
	out := []string{}
	for _, r := range a.results() {
		if c, ok := r["content"].(map[string]any); ok {
			r = c
		}
		t, _ := r["title"].(string)
		out = append(out, t)
	}
	return out
}

func (s *site) call(method, path string, body any) answer { return s.as(s.me, method, path, body) }

func (s *site) as(u confluence.User, method, path string, body any) answer {
	s.tb.Helper()
	text, isText := body.(string)
	if body != nil && !isText {
		b, err := json.Marshal(body)
		if err != nil {
			s.tb.Fatal(err)
		}
		text = string(b)
	}
	header := http.Header{}
	if text != "" {
		header.Set("Content-Type", "application/json")
	}
	return s.sendAs(u, method, path, text, header)
}

func (s *site) send(method, path, text string, header http.Header) answer {
	s.tb.Helper()
	return s.sendAs(s.me, method, path, text, header)
}

func (s *site) sendAs(u confluence.User, method, path, text string, header http.Header) answer {
	s.tb.Helper()
	req := httptest.NewRequest(method, "https://test.atlassian.net"+path, strings.NewReader(text))
	req.Header = header
	req.SetBasicAuth(u.Email, u.Token)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	res := w.Result()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.tb.Fatal(err)
	}
	if res.Header.Get(confluence.Header) != "true" {
		s.tb.Errorf("%s %s: the answer does not carry %s", method, path, confluence.Header)
	}
	if s.check != nil {
		res.Body = io.NopCloser(strings.NewReader(string(raw)))
		s.check(req, []byte(text), res)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(raw)}
	if len(raw) > 0 && raw[0] != '[' && strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(raw, &a.json); err != nil {
			s.tb.Fatalf("%s %s: answer is not a JSON object: %v\n%s", method, path, err, raw)
		}
	}
	return a
}

func (s *site) must(status int, method, path string, body any) answer {
	s.tb.Helper()
	a := s.call(method, path, body)
	if a.status != status {
		s.tb.Fatalf("%s %s = %d, want %d\n%s", method, path, a.status, status, a.text)
	}
	return a
}

type obj = map[string]any

func storage(xhtml string) obj { return obj{"representation": "storage", "value": xhtml} }

// space makes a space and gives its id and its homepage's.
func (s *site) space(key string) (id, home string) {
	s.tb.Helper()
	s.must(200, "POST", "/wiki/rest/api/space", obj{"key": key, "name": "Space " + key})
	a := s.must(200, "GET", "/wiki/api/v2/spaces?keys="+key, nil)
	return a.str("results.0.id"), a.str("results.0.homepageId")
}

func (s *site) page(spaceID, title, xhtml string, more ...obj) string {
	s.tb.Helper()
	in := obj{"spaceId": spaceID, "title": title, "body": storage(xhtml)}
	for _, m := range more {
		for k, v := range m {
			in[k] = v
		}
	}
	return s.must(200, "POST", "/wiki/api/v2/pages", in).str("id")
}

func edit(id, title, xhtml string, number int) obj {
	return obj{"id": id, "status": "current", "title": title, "body": storage(xhtml), "version": obj{"number": number, "message": "edit"}}
}
