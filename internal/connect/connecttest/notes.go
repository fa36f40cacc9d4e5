package connecttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

var (
	execFilter = store.ExecutionFilter{}
	page       = store.Page{Limit: 1000}
)

// Upstream is the application behind the notes toolkit. A request's token says
// who asks; /whoami tells it back.
type Upstream struct {
	URL  string
	Addr netip.AddrPort
	// Hanging gets a value when a request to /hang has arrived, Gone when its
	// client has left.
	Hanging, Gone chan struct{}

	mu     sync.Mutex
	tokens map[string]string // token → e-mail
	seen   []string          // "token-owner path", in order
}

// NewUpstream serves until the test ends.
func NewUpstream(t testing.TB) *Upstream {
	t.Helper()
	u := &Upstream{tokens: map[string]string{}, Hanging: make(chan struct{}, 100), Gone: make(chan struct{}, 100)}
	srv := httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(srv.Close)
	u.URL = srv.URL
	parsed, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Addr = netip.MustParseAddrPort(parsed.Host)
	return u
}

// Grant makes a token for an e-mail address.
func (u *Upstream) Grant(email string) string {
	token := domain.NewSecret("tok_")
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tokens[token] = email
	return token
}

// Revoke ends a token.
func (u *Upstream) Revoke(token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.tokens, token)
}

// Seen gives the requests so far as "who path".
func (u *Upstream) Seen() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.seen...)
}

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	email, token, _ := r.BasicAuth()
	u.mu.Lock()
	owner := u.tokens[token]
	u.seen = append(u.seen, owner+" "+r.URL.Path)
	u.mu.Unlock()
	switch {
	case owner == "" || owner != email:
		http.Error(w, "bad token "+token, http.StatusUnauthorized) // a careless upstream repeats it
	case r.URL.Path == "/hang":
		u.Hanging <- struct{}{}
		<-r.Context().Done()
		u.Gone <- struct{}{}
	case r.URL.Path == "/whoami":
		_ = json.NewEncoder(w).Encode(map[string]string{"email": owner})
	default:
		http.NotFound(w, r)
	}
}

// Notes is a toolkit with an API key and a tool for each way to end.
func Notes() *toolkit.Toolkit {
	return &toolkit.Toolkit{
		Slug: "notes", Name: "Notes", Description: "Notes that people keep.", Version: "20261122_00",
		Auth: []toolkit.Auth{{
			Scheme: "API_KEY", Name: "notes_api_key",
			Fields: []toolkit.Field{
				{Name: "site", DisplayName: "Site", Required: true, Type: "url"},
				{Name: "email", DisplayName: "E-mail", Required: true, Type: "email"},
				{Name: "api_token", DisplayName: "API token", Required: true, Secret: true, Type: "password"},
			},
			BaseURL: func(fields map[string]string) (string, error) {
				if fields["site"] == "panic" {
					panic("secret inside")
				}
				if !strings.HasPrefix(fields["site"], "http") {
					return "", toolkit.Invalid("site", "expected an address, got %q", fields["site"])
				}
				return fields["site"], nil
			},
			Authorize: func(r *http.Request, fields map[string]string, secrets toolkit.Secrets) {
				r.SetBasicAuth(fields["email"], secrets["api_token"])
			},
		}},
		Check: func(ctx context.Context, call *toolkit.Call) (toolkit.Identity, error) {
			me, err := whoami(ctx, call)
			if err != nil {
				return nil, err
			}
			return toolkit.Identity{"email": me.Email, "name": strings.Split(me.Email, "@")[0]}, nil
		},
		Tools: append(noteTools(), verbatim()),
	}
}

type person struct {
	Email string `json:"email"`
}

func whoami(ctx context.Context, call *toolkit.Call) (*person, error) {
	var me person
	return &me, get(ctx, call, "/whoami", &me)
}

func get(ctx context.Context, call *toolkit.Call, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, call.BaseURL+path, nil)
	if err != nil {
		return err
	}
	res, err := call.HTTP.Do(req)
	if err != nil {
		return &toolkit.Error{Kind: toolkit.KindUnavailable, Message: "Notes did not answer.", Cause: err}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		kind := toolkit.KindNotFound
		if res.StatusCode == http.StatusUnauthorized {
			kind = toolkit.KindAuth
		}
		return &toolkit.Error{Kind: kind, Status: res.StatusCode, Message: strings.TrimSpace(string(body)), Fix: "Try another."}
	}
	return json.NewDecoder(res.Body).Decode(into)
}

type (
	none    struct{}
	noteArg struct {
		NoteID string `json:"note_id" jsonschema_description:"Id of the note"`
	}
	searchArg struct {
		Text  string `json:"text" jsonschema_description:"Words to find in notes"`
		Limit int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=100,default=10"`
	}
	sizeArg struct {
		Size  int `json:"size"`
		Limit int `json:"limit,omitempty"`
	}
	words struct {
		Text string `json:"text"`
	}
)

func noteTools() []toolkit.Tool {
	client := func(c *toolkit.Call) (*toolkit.Call, error) { return c, nil }
	return toolkit.Bind(client,
		toolkit.Read("NOTES_WHOAMI", "Who am I", "Say whose account of the notes this is.", toolkit.About{Important: true},
			func(ctx context.Context, c *toolkit.Call, _ none) (*person, error) { return whoami(ctx, c) }),
		toolkit.Read("NOTES_SEARCH_NOTES", "Search notes", "Find notes by the words in them.", toolkit.About{},
			func(_ context.Context, _ *toolkit.Call, in searchArg) (words, error) {
				return words{Text: fmt.Sprintf("%s/%d", in.Text, in.Limit)}, nil
			}),
		toolkit.Create("NOTES_CREATE_NOTE", "Create note", "Write a new note.", toolkit.About{},
			func(_ context.Context, _ *toolkit.Call, in words) (words, error) { return in, nil }),
		toolkit.Delete("NOTES_DELETE_NOTE", "Delete note", "Remove a note for good.",
			toolkit.About{
				Scopes:   toolkit.AllOf("write:note").AnyOf("read:note", "notes"),
				Pitfalls: []string{"A note that is removed does not come back."},
			},
			func(ctx context.Context, c *toolkit.Call, in noteArg) (words, error) {
				return words{}, get(ctx, c, "/notes/"+in.NoteID, nil)
			}),
		toolkit.Read("NOTES_HANG", "Hang", "Wait for an upstream that does not answer.", toolkit.About{},
			func(ctx context.Context, c *toolkit.Call, _ none) (words, error) {
				return words{}, get(ctx, c, "/hang", nil)
			}),
		toolkit.Create("NOTES_PANIC", "Panic", "Break down.", toolkit.About{},
			func(context.Context, *toolkit.Call, none) (words, error) { panic("secret inside") }),
		toolkit.Create("NOTES_BREAK", "Break", "Fail without explanation.", toolkit.About{},
			func(context.Context, *toolkit.Call, none) (words, error) {
				return words{}, errors.New("dial tcp 10.0.0.1: secret inside")
			}),
		toolkit.Read("NOTES_EXPORT", "Export", "Give as many bytes as asked for.", toolkit.About{},
			func(_ context.Context, _ *toolkit.Call, in sizeArg) (words, error) {
				return words{Text: strings.Repeat("x", in.Size)}, nil
			}),
		toolkit.Update("NOTES_CONFIRM", "Confirm", "Change a note after asking the person.", toolkit.About{},
			func(_ context.Context, c *toolkit.Call, in noteArg) (words, error) {
				c.State = json.RawMessage(`{"round":1,"was":` + orNull(c.State) + `}`)
				a, err := c.Ask("sure", toolkit.Question{Message: "Are you sure?", Schema: json.RawMessage(`{"type":"object","properties":{}}`)})
				if err != nil {
					return words{}, err
				}
				return words{Text: a.Action + " " + in.NoteID + " " + string(c.State)}, nil
			}),
		toolkit.Update("NOTES_CONFIRM_TWICE", "Confirm Twice", "Change a note after asking the person two things.", toolkit.About{},
			func(_ context.Context, c *toolkit.Call, in noteArg) (words, error) {
				var said []string
				for _, key := range []string{"first", "second"} {
					a, err := c.Ask(key, toolkit.Question{Message: key + "?", Schema: json.RawMessage(`{"type":"object","properties":{}}`)})
					if err != nil {
						return words{}, err
					}
					said = append(said, a.Action)
				}
				return words{Text: strings.Join(said, " ")}, nil
			}),
	)
}

func orNull(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	return string(raw)
}

func verbatim() toolkit.Tool {
	t, err := toolkit.Raw("NOTES_VERBATIM", "Verbatim", "Content of its own.", toolkit.About{}, toolkit.Hints{ReadOnly: true},
		json.RawMessage(`{"type":"object","properties":{"fail":{"type":"boolean"}}}`), nil,
		func(_ context.Context, _ *toolkit.Call, args json.RawMessage) (*toolkit.Result, error) {
			return &toolkit.Result{
				Content:    []toolkit.Content{{Text: "as it is"}},
				Structured: json.RawMessage(`{"n":1}`),
				IsError:    strings.Contains(string(args), "true"),
			}, nil
		})
	if err != nil {
		panic(err)
	}
	t.Verbatim = true
	return t
}

// Abacus is a toolkit that needs no account.
func Abacus() *toolkit.Toolkit {
	client := func(c *toolkit.Call) (*toolkit.Call, error) { return c, nil }
	type sum struct {
		A int `json:"a"`
		B int `json:"b"`
	}
	type total struct {
		Total int `json:"total"`
	}
	return &toolkit.Toolkit{
		Slug: "abacus", Name: "Abacus", Description: "Arithmetic.", Version: "20261122_00",
		Tools: toolkit.Bind(client,
			toolkit.Read("ABACUS_ADD", "Add", "Add two numbers.", toolkit.About{},
				func(_ context.Context, _ *toolkit.Call, in sum) (total, error) { return total{Total: in.A + in.B}, nil })),
	}
}
