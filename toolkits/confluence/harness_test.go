package confluence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
	"github.com/sluice-run/sluice/toolkits/confluence"
)

var kit = confluence.New()

// seen holds the endpoints that each tool was observed to call.
var seen = struct {
	sync.Mutex
	calls map[string]map[string]bool
	// worked and failed are the tools that did so against the sandbox itself.
	worked, failed map[string]bool
}{calls: map[string]map[string]bool{}, worked: map[string]bool{}, failed: map[string]bool{}}

// TestMain checks, after a complete run and no short one, that every endpoint which a tool
// declares was really called by a test, and that every tool both worked and
// failed against the sandbox.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	run := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String()
	list := flag.Lookup("test.list").Value.String()
	if c, _ := loadContract(); code == 0 && !testing.Short() && c != nil && run == "" && list == "" && flag.Lookup("test.fuzz").Value.String() == "" {
		for _, tr := range kit.Triggers {
			for _, e := range tr.Endpoints {
				if !seen.calls[tr.Slug][e] {
					fmt.Printf("FAIL: no test made %s call %s\n", tr.Slug, e)
					code = 1
				}
			}
		}
		for _, tool := range kit.Tools {
			for _, e := range tool.Endpoints {
				if !seen.calls[tool.Slug][e] {
					fmt.Printf("FAIL: no test made %s call %s\n", tool.Slug, e)
					code = 1
				}
			}
			if !seen.worked[tool.Slug] || !seen.failed[tool.Slug] {
				fmt.Printf("FAIL: %s worked in a test: %v, failed in one: %v\n", tool.Slug, seen.worked[tool.Slug], seen.failed[tool.Slug])
				code = 1
			}
		}
	}
	os.Exit(code)
}

// shared are the calls by which every tool turns keys and titles into ids and
// finds out why something is missing.
var shared = []string{
	"GET /wiki/api/v2/spaces", "GET /wiki/api/v2/pages", "GET /wiki/api/v2/blogposts",
	"GET /wiki/rest/api/search", "GET /wiki/rest/api/user/current",
}

// site is a sandbox with a user who calls tools.
type site struct {
	t   *testing.T
	srv *sandbox.Server
	me  sandbox.User
	// alter, when set, may answer or change a request before the sandbox sees it.
	alter func(*http.Request) *http.Response
	// double answers what the sandbox does not know.
	double *http.ServeMux
	// progress receives what calls report.
	progress func(done, total float64, message string)
	files    shelf
	calls    []string
	made     []string // calls by their templates, since the tool was called
	mu       sync.Mutex
	slug     string
}

func newSite(t *testing.T) *site {
	t.Helper()
	return openSite(t, sandbox.Options{})
}

// openSite is newSite with a sandbox of another kind.
func openSite(t *testing.T, o sandbox.Options) *site {
	t.Helper()
	if o.Clock == nil {
		o.Clock = func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
	}
	srv := sandbox.NewServer(o)
	t.Cleanup(srv.Close)
	me := srv.AddUser(sandbox.User{Email: "tester@example.com", DisplayName: "Tess Tester"})
	s := &site{t: t, srv: srv, me: me}
	s.must("CREATE_SPACE", `{"key":"MKT","name":"Marketing"}`)
	s.must("CREATE_SPACE", `{"key":"ENG","name":"Engineering"}`)
	s.slug = ""
	return s
}

// page makes a page in MKT and gives its id.
func (s *site) page(title, parent string) string {
	s.t.Helper()
	args := fmt.Sprintf(`{"spaceId":"MKT","title":%q,"parentId":%q,"body":{"storage":{"value":"<p>Text of %s</p>"}}}`, title, parent, title)
	return text(s.must("CREATE_PAGE", args), "id")
}

// rest makes by v1 what no tool makes.
func (s *site) rest(method, path, body string) map[string]any {
	s.t.Helper()
	return s.api(method, "/wiki/rest/api"+path, body)
}

// api speaks to the sandbox without a tool and gives its answer.
func (s *site) api(method, path, body string) map[string]any {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.srv.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(s.me.Email, s.me.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s %s, %v", method, path, resp.Status, text, err)
	}
	var out map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			s.t.Fatal(err)
		}
	}
	return out
}

// space gives the id of a space.
func (s *site) space(key string) string {
	s.t.Helper()
	return text(s.must("GET_SPACE_BY_ID", fmt.Sprintf(`{"id":%q}`, key)), "id")
}

// RoundTrip signs a request with the user's credentials, checks it against
// Atlassian's documents and the tool's declaration, and sends it.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte(nil)
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.mu.Lock()
	s.calls = append(s.calls, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	if r.Response == nil {
		s.checkContract(r, body)
	}
	if s.alter != nil {
		if resp := s.alter(r); resp != nil {
			return resp, nil
		}
	}
	if s.double != nil {
		if _, pattern := s.double.Handler(r); pattern != "" {
			return s.ask(r, body), nil
		}
	}
	if r.Response != nil { // redirected: the guarded client sends no credentials there
		return http.DefaultTransport.RoundTrip(r)
	}
	kit.Auth[0].Authorize(r, map[string]string{"generic_id": s.me.Email}, toolkit.Secrets{"generic_api_key": s.me.Token})
	return http.DefaultTransport.RoundTrip(r)
}

func (s *site) checkContract(r *http.Request, body []byte) {
	c, err := loadContract()
	if err != nil {
		s.t.Error(err)
	}
	if c == nil {
		return
	}
	template, err := c.check(r, body)
	if err != nil {
		s.t.Errorf("%s %s %s: %v", r.Method, r.URL.RequestURI(), body, err)
	}
	at := slices.IndexFunc(kit.Tools, func(t toolkit.Tool) bool { return t.Slug == s.slug })
	if at < 0 {
		return // the check of an account
	}
	call := r.Method + " " + template
	s.mu.Lock()
	s.made = append(s.made, call)
	s.mu.Unlock()
	if !slices.Contains(kit.Tools[at].Endpoints, call) && !slices.Contains(shared, call) {
		s.t.Errorf("%s calls %s, which it does not declare", s.slug, call)
	}
	seen.Lock()
	defer seen.Unlock()
	if seen.calls[s.slug] == nil {
		seen.calls[s.slug] = map[string]bool{}
	}
	seen.calls[s.slug][call] = true
}

func (s *site) call() *toolkit.Call {
	return &toolkit.Call{HTTP: &http.Client{Transport: s}, BaseURL: s.srv.URL, Account: map[string]string{"subdomain": "acme"}, OnProgress: s.progress, Files: &s.files}
}

// run calls a tool with arguments in JSON.
func (s *site) run(slug, args string) (map[string]any, error) {
	s.t.Helper()
	s.slug, s.calls = "CONFLUENCE_"+slug, nil
	at := slices.IndexFunc(kit.Tools, func(t toolkit.Tool) bool { return t.Slug == s.slug })
	if at < 0 {
		s.t.Fatalf("there is no tool %s", s.slug)
	}
	valid, err := kit.Tools[at].Validate(json.RawMessage(args))
	if err != nil {
		return nil, err
	}
	s.made = nil
	result, err := kit.Tools[at].Run(s.t.Context(), s.call(), valid)
	if s.alter == nil && s.double == nil {
		seen.Lock()
		seen.worked[s.slug] = seen.worked[s.slug] || err == nil
		seen.failed[s.slug] = seen.failed[s.slug] || err != nil
		seen.Unlock()
	}
	if err != nil {
		return nil, err
	}
	checkNeeds(s.t, &kit.Tools[at], s.made, args)
	checkFits(s.t, &kit.Tools[at], result.Data)
	var out map[string]any
	if err := json.Unmarshal(result.Data, &out); err != nil {
		s.t.Fatal(err)
	}
	return out, nil
}

// must calls a tool that has to succeed.
func (s *site) must(slug, args string) map[string]any {
	s.t.Helper()
	out, err := s.run(slug, args)
	if err != nil {
		s.t.Fatalf("%s %s: %v", slug, args, err)
	}
	return out
}

// fails calls a tool that has to fail with an explained error.
func (s *site) fails(slug, args string) *toolkit.Error {
	s.t.Helper()
	out, err := s.run(slug, args)
	var e *toolkit.Error
	if !errors.As(err, &e) {
		s.t.Fatalf("%s %s: got %v, %v; want a *toolkit.Error", slug, args, out, err)
	}
	return e
}

// checkFits checks a result against the tool's output schema, which has to name
// everything that is in it.
func checkFits(t *testing.T, tool *toolkit.Tool, data json.RawMessage) {
	t.Helper()
	closed := bytes.ReplaceAll(tool.Output, []byte(`"properties":{`), []byte(`"additionalProperties":false,"properties":{`))
	judge, err := toolkit.Raw("X", "X", "X", toolkit.About{}, toolkit.Hints{}, closed, nil, nil)
	if err != nil {
		t.Fatalf("%s: output schema: %v", tool.Slug, err)
	}
	if _, err := judge.Validate(data); err != nil {
		t.Errorf("%s: the result does not fit the output schema: %v\n%s", tool.Slug, err, data)
	}
}

// get walks into decoded JSON: get(v, "results", 0, "id").
func get(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

// text is get for strings.
func text(v any, path ...any) string {
	s, _ := get(v, path...).(string)
	return s
}

// column collects one property of all results.
func column(v map[string]any, name string) []string {
	var out []string
	list, _ := v["results"].([]any)
	for _, one := range list {
		out = append(out, fmt.Sprint(get(one, name)))
	}
	return out
}

// quoteJSON writes s as a JSON string.
func quoteJSON(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}
