package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/api"
	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/files"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/realtime"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/trigger"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

var update = flag.Bool("update", false, "rewrite golden files")

// maxFile is the most that the file store of the tests keeps as one file.
const maxFile = 1 << 20

// goodKey is the credential that the upstream of the tests takes.
const goodKey = "notes-secret-7c1f"

// world is a whole API over a fresh database, with an application upstream.
type world struct {
	t        *testing.T
	server   *httptest.Server
	upstream *httptest.Server
	db       *sqlstore.DB
	project  domain.Project
	ids      *identity.Service
	key      string
	logs     *bytes.Buffer
	dir      string
	kept     *files.Service
	events   *event.Service
	triggers *trigger.Service
	clock    func() time.Time // of the file store
	// entered is told of each call of NOTES_SLOW, which then waits for release.
	entered, release chan struct{}
	refusing         *atomic.Bool // the application takes no key any more
}

// newWorld starts one. change may alter the options.
func newWorld(t *testing.T, change ...func(*api.Options)) *world {
	t.Helper()
	w := &world{t: t, logs: &bytes.Buffer{}, refusing: &atomic.Bool{}, entered: make(chan struct{}, 16), release: make(chan struct{})}
	ctx := t.Context()
	w.upstream = httptest.NewServer(http.HandlerFunc(w.notes))
	t.Cleanup(w.upstream.Close)
	dir := t.TempDir()
	w.dir = dir
	db, err := sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(dir, "sluice.db")})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	w.db = db
	v, err := vault.Open(ctx, vault.Options{Keys: vault.FileKey(filepath.Join(dir, "key")), Load: db.LoadKeyset, Save: db.SaveKeyset})
	must(t, err)
	w.ids = identity.New(identity.Options{Store: db})
	w.project, err = w.ids.Setup(ctx)
	must(t, err)
	w.key, _, err = w.ids.CreateKey(ctx, w.project.ID, "test")
	must(t, err)

	cat, err := catalog.New(notesToolkit(w.upstream.URL), mailToolkit(), clockToolkit())
	must(t, err)
	up, err := httpx.New(httpx.Options{AllowAddrs: []netip.AddrPort{netip.MustParseAddrPort(hostOf(w.upstream.URL))}})
	must(t, err)
	conn := connect.New(connect.Options{Store: db, Vault: v, Catalog: cat, HTTP: up})
	w.clock = time.Now
	kept, err := files.New(files.Options{
		Dir: filepath.Join(dir, "files"), Store: db, Sealer: execute.NewSealer(v), MaxFile: maxFile, Quota: 4 * maxFile,
		Now: func() time.Time { return w.clock() },
	})
	must(t, err)
	w.kept = kept
	exec := execute.New(execute.Options{
		Catalog: cat, Connect: conn, Store: db, Sealer: execute.NewSealer(v), Files: kept, FileURL: api.BlobURL,
	})
	sessions := session.New(session.Options{
		Store: db, Catalog: cat, Connect: conn, Execute: exec,
		LinkURL: func(origin, token string) string { return origin + "/link/" + token },
	})
	w.events = event.New(event.Options{Store: db, Vault: v, HTTP: up})
	w.triggers = trigger.New(trigger.Options{Store: db, Catalog: cat, Connect: conn, Events: w.events, Vault: v})
	stream, err := realtime.New(realtime.Options{
		Events: w.events, Identity: w.ids, Secrets: db, Vault: v,
		Detail: func(context.Context, *domain.Event) realtime.Detail { return realtime.Detail{} },
	})
	must(t, err)
	must(t, stream.Start(ctx))
	t.Cleanup(stream.Stop)
	opts := api.Options{
		Triggers: w.triggers, Stream: stream,
		Sessions: sessions, Execute: exec, Connect: conn, Identity: w.ids, Catalog: cat, Files: kept,
		Events: w.events, Origin: api.Origin("", nil), Logger: slog.New(slog.NewJSONHandler(w.logs, nil)), Version: "test",
	}
	for _, c := range change {
		c(&opts)
	}
	h, err := api.New(opts)
	must(t, err)
	content, receiver := api.NewBlobs(kept, opts.Logger), api.NewReceiver(w.triggers, opts.Logger)
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch { // as the program's front does
		case strings.HasPrefix(r.URL.Path, "/files/blob/"):
			content.ServeHTTP(rw, r)
		case strings.HasPrefix(r.URL.Path, "/webhooks/"):
			receiver.ServeHTTP(rw, r)
		default:
			h.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(w.server.Close)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		panic(err)
	}
	return u.Host
}

// notes is the application: it knows one key and one note.
func (w *world) notes(rw http.ResponseWriter, r *http.Request) {
	if w.refusing.Load() || r.Header.Get("Authorization") != "Bearer "+goodKey {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	rw.Header().Set("X-Request-Id", "upstream-1")
	switch r.URL.Path {
	case "/me":
		_, _ = io.WriteString(rw, `{"name":"Jane","email":"jane@acme.example"}`)
	case "/notes/1":
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"id":"1","title":"Home"}`)
	case "/echo":
		body, _ := io.ReadAll(r.Body)
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Set-Cookie", "upstream=1")
		rw.Header().Set("X-Took", "1")
		rw.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"method": r.Method, "query": r.URL.RawQuery, "body": string(body), "type": r.Header.Get("Content-Type"), "note": r.Header.Get("X-Note"),
		})
	case "/picture":
		rw.Header().Set("Content-Type", "image/png")
		_, _ = rw.Write([]byte("\x89PNG\r\n"))
	case "/text":
		rw.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(rw, "[1]")
	case "/away":
		http.Redirect(rw, r, "https://elsewhere.example/echo", http.StatusFound)
	case "/slow":
		w.entered <- struct{}{}
		select {
		case <-w.release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(rw, `{"id":"slow","title":"Slow"}`)
	default:
		rw.WriteHeader(http.StatusNotFound)
	}
}

type noteIn struct {
	ID string `json:"id" jsonschema:"description=Id of the note"`
}

type note struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

func fetch(ctx context.Context, c *toolkit.Call, path string) (*note, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.BaseURL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, &toolkit.Error{Kind: toolkit.KindAuth, Message: "the key is not good", Status: resp.StatusCode}
	default:
		return nil, &toolkit.Error{Kind: toolkit.KindNotFound, Message: "there is no such note", Fix: "List the notes first.", Status: resp.StatusCode}
	}
	var n note
	return &n, json.NewDecoder(resp.Body).Decode(&n)
}

func self(c *toolkit.Call) (*toolkit.Call, error) { return c, nil }

// noteCreated is a trigger that webhooks can feed. Nothing happens in the application.
var noteCreated = toolkit.Poll("NOTES_CREATED_TRIGGER", "Note created", "Somebody wrote a note.",
	toolkit.TriggerAbout{Interval: time.Minute, MinInterval: time.Minute},
	toolkit.Poller[*toolkit.Call, struct{}, int, note]{
		Poll: func(context.Context, *toolkit.Call, struct{}, *int) (toolkit.Step[int, note], error) {
			return toolkit.Step[int, note]{}, nil
		},
		Receive: func(context.Context, *toolkit.Call, struct{}, toolkit.Inbound) ([]toolkit.Event[note], error) {
			return nil, nil
		},
		Example: note{ID: "1"},
	})

func notesToolkit(base string) *toolkit.Toolkit {
	return &toolkit.Toolkit{
		Slug: "notes", Name: "Notes", Description: "Notes of a team.", AppURL: "https://notes.example",
		Categories: []string{"documents"}, Version: "20260817_00", CreatedAt: "2026-01-02", UpdatedAt: "2026-08-17T10:00:00Z",
		Auth: []toolkit.Auth{{
			Scheme: "API_KEY", Name: "notes_api_key",
			Fields: []toolkit.Field{
				{Name: "subdomain", DisplayName: "Subdomain", Required: true, Description: "The part before the dot"},
				{Name: "generic_api_key", DisplayName: "API key", Required: true, Secret: true},
			},
			BaseURL: func(f map[string]string) (string, error) {
				if strings.Contains(f["subdomain"], ".") {
					return "", toolkit.Invalid("subdomain", "give the part before the dot")
				}
				return base, nil
			},
			Authorize: func(r *http.Request, _ map[string]string, s toolkit.Secrets) {
				r.Header.Set("Authorization", "Bearer "+s["generic_api_key"])
			},
		}, {
			Scheme: "OAUTH2", Name: "notes_oauth",
			ConfigFields: []toolkit.Field{
				{Name: "client_id", DisplayName: "Client id", Required: true},
				{Name: "client_secret", DisplayName: "Client secret", Required: true, Secret: true},
				{Name: "oauth_redirect_uri", DisplayName: "Redirect URI", Type: "url"},
				{Name: "scopes", DisplayName: "Scopes"},
			},
			Fields:  []toolkit.Field{{Name: "subdomain", DisplayName: "Subdomain", Required: true}},
			BaseURL: func(map[string]string) (string, error) { return base, nil },
			Authorize: func(r *http.Request, _ map[string]string, s toolkit.Secrets) {
				r.Header.Set("Authorization", "Bearer "+s["access_token"])
			},
			OAuth: &toolkit.OAuth{
				Endpoint: func(config map[string]string) (toolkit.Endpoint, error) {
					if config["client_id"] == "unknown" {
						return toolkit.Endpoint{}, toolkit.Invalid("client_id", "is not known")
					}
					return toolkit.Endpoint{AuthorizeURL: base + "/authorize", TokenURL: base + "/token", APIURL: base, PKCE: true}, nil
				},
				Scopes: []string{"read:note", "offline_access"},
			},
		}},
		Check: func(ctx context.Context, c *toolkit.Call) (toolkit.Identity, error) {
			if _, err := fetch(ctx, c, "/me"); err != nil {
				return nil, err
			}
			return toolkit.Identity{"name": "Jane", "email": "jane@acme.example"}, nil
		},
		Triggers: toolkit.BindTriggers(self, noteCreated),
		Tools: toolkit.Bind(self,
			toolkit.Read("NOTES_GET", "Get note", "Read one note by its id.",
				toolkit.About{Important: true, Scopes: toolkit.AllOf("read:note").AnyOf("read:all", "admin")},
				func(ctx context.Context, c *toolkit.Call, in noteIn) (*note, error) {
					return fetch(ctx, c, "/notes/"+in.ID)
				}),
			toolkit.Read("NOTES_SLOW", "Slow note", "Read a note slowly.", toolkit.About{},
				func(ctx context.Context, c *toolkit.Call, _ struct{}) (*note, error) { return fetch(ctx, c, "/slow") }),
			toolkit.Delete("NOTES_DELETE", "Delete note", "Delete one note for good.", toolkit.About{Scopes: toolkit.AllOf("write:note")},
				func(_ context.Context, _ *toolkit.Call, in noteIn) (*note, error) { return &note{ID: in.ID}, nil }),
			toolkit.Create("NOTES_OLD", "Old note", "Add a note the old way.", toolkit.About{Deprecated: true},
				func(_ context.Context, _ *toolkit.Call, in noteIn) (*note, error) { return &note{ID: in.ID}, nil }),
		),
	}
}

// mailToolkit is the second toolkit, which nobody connects; none of its tools
// is important.
func mailToolkit() *toolkit.Toolkit {
	tk := notesToolkit("https://mail.example")
	tk.Slug, tk.Name, tk.Description, tk.Categories = "mail", "Mail", "Letters.", []string{"letters"}
	tk.Auth[0].Name, tk.Triggers = "mail_api_key", nil
	tk.Tools = toolkit.Bind(self, toolkit.Read("MAIL_LIST", "List letters", "List the letters of the inbox.", toolkit.About{},
		func(context.Context, *toolkit.Call, struct{}) (*note, error) { return &note{}, nil }))
	return tk
}

// clockToolkit needs no account.
func clockToolkit() *toolkit.Toolkit {
	return &toolkit.Toolkit{
		Slug: "clock", Name: "Clock", Description: "Tells a fixed time.", Version: "20260101_00",
		Tools: toolkit.Bind(self, toolkit.Read("CLOCK_NOW", "Now", "Tell the time.", toolkit.About{Important: true},
			func(context.Context, *toolkit.Call, struct{}) (map[string]string, error) {
				return map[string]string{"now": "noon"}, nil
			})),
	}
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Raw    []byte
	JSON   any
}

// do sends a request. A body that is a string goes out as it is, anything else
// as JSON; nil is none.
func (w *world) do(method, path string, body any, header ...string) answer {
	w.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		must(w.t, err)
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, r)
	must(w.t, err)
	req.Header.Set("X-Api-Key", w.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	must(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	must(w.t, err)
	a := answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.JSON); err != nil {
			w.t.Fatalf("%s %s: %d: not JSON: %s", method, path, resp.StatusCode, raw)
		}
	}
	w.checkWire(method, path, a)
	return a
}

// want is do with an expected status.
func (w *world) want(status int, method, path string, body any, header ...string) answer {
	w.t.Helper()
	a := w.do(method, path, body, header...)
	if a.Status != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.Status, status, a.Raw)
	}
	return a
}

// at walks into the answer: "config.tools.notes.enabled.0".
func (a answer) at(path string) any {
	v := a.JSON
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) text(path string) string {
	s, _ := a.at(path).(string)
	return s
}

// column gives one member of every item.
func (a answer) column(name string) []string {
	out := []string{}
	items, _ := a.at("items").([]any)
	for _, it := range items {
		m, _ := it.(map[string]any)
		s, _ := m[name].(string)
		out = append(out, s)
	}
	return out
}

// session makes a session and gives its path.
func (w *world) session(body string) string {
	w.t.Helper()
	return "/api/v3.1/tool_router/session/" + w.want(201, "POST", "/api/v3.1/tool_router/session", body).text("session_id")
}

// account connects user to notes and gives the account's id.
func (w *world) account(user string) string {
	w.t.Helper()
	cfg := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"}}`).text("auth_config.id")
	return w.want(201, "POST", "/api/v3.1/connected_accounts", map[string]any{
		"auth_config": map[string]any{"id": cfg},
		"connection": map[string]any{"user_id": user, "state": map[string]any{
			"authScheme": "API_KEY", "val": map[string]any{"status": "ACTIVE", "subdomain": "acme", "generic_api_key": goodKey},
		}},
	}).text("id")
}

func (w *world) now() time.Time { return time.Now().UTC() }

// otherProject gives w the key of a second project.
func otherProject(t *testing.T, w *world) {
	t.Helper()
	p := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: "other", CreatedAt: w.project.CreatedAt}
	must(t, w.db.CreateProject(t.Context(), p))
	key, _, err := w.ids.CreateKey(t.Context(), p.ID, "other")
	must(t, err)
	w.project, w.key, w.t = p, key, t
}
