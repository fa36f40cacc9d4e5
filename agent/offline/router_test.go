package offline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/offline"
	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// TestDirectTools: the three tasks with the app's tools listed directly and no
// meta tool for running them.
func TestDirectTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *client.SessionOptions) { o.PreloadAll, o.NoSearch, o.NoMultiExecute = true, true, true })
	defer w.close()
	before := w.state(t)
	for _, said := range []string{
		"create a project documentation page in marketing space",
		"add 'urgent' label to q3 planning page",
		"publish team meeting summary as a blog post",
	} {
		text, _, err := w.agent.Do(t.Context(), agent.Input{Prompt: said})
		if err != nil || !strings.Contains(text, "http://") {
			t.Errorf("%s: %q, %v; want an answer with an address", said, text, err)
		}
	}
	changes := w.state(t).since(before)
	for _, want := range []string{"page MKT | Project Documentation", "label Q3 Planning | urgent", "blog MKT | Team Meeting Summary | text Winter Ready"} {
		found := false
		for _, c := range changes {
			found = found || c.fits(w, fields(want))
		}
		if !found {
			t.Errorf("%s is missing in %v", want, changes)
		}
	}
	if len(changes) != 3 {
		t.Errorf("%d changes, want 3: %v", len(changes), changes)
	}
}

// TestNotConnected: without a connection the user gets the link to make one.
func TestNotConnected(t *testing.T) {
	t.Parallel()
	cfg, err := app.LoadConfig("", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Addr = "127.0.0.1:0"
	router, err := app.New(t.Context(), app.Options{Config: cfg, Quiet: true, LogOutput: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer router.Stop(context.Background())
	c, err := client.New(client.Options{BaseURL: router.URL(), APIKey: router.EphemeralKey("test")})
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Create(t.Context(), "ann", client.SessionOptions{Toolkits: []string{"confluence"}})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	for name, value := range session.MCP.Headers {
		header.Set(name, value)
	}
	tools := agent.MCP(session.MCP.URL, agent.MCPOptions{Header: header})
	defer tools.Close()
	a, err := agent.New[string](offline.New(), agent.Options{Tools: []agent.Toolset{tools}})
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := a.Do(t.Context(), agent.Input{Prompt: "list the spaces"})
	if err != nil || !strings.Contains(text, "not connected") || !strings.Contains(text, "]("+router.URL()) {
		t.Errorf("answer %q, err %v; want a link of %s", text, err, router.URL())
	}
}

// TestConnectsOnTheWay: a person who is shown the page and connects gets what
// they asked for; one who does not want to is told how.
func TestConnectsOnTheWay(t *testing.T) {
	t.Parallel()
	site := confluence.NewServer(confluence.Options{Seed: true, Site: "acme"})
	defer site.Close()
	ann := site.AddUser(confluence.User{Email: "ann@acme.example", Admin: true})
	cfg, err := app.LoadConfig("", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Addr = "127.0.0.1:0"
	cfg.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	router, err := app.New(t.Context(), app.Options{Config: cfg, Quiet: true, LogOutput: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer router.Stop(context.Background())
	c, err := client.New(client.Options{BaseURL: router.URL(), APIKey: router.EphemeralKey("test")})
	if err != nil {
		t.Fatal(err)
	}
	for _, accept := range []bool{false, true} {
		session, err := c.Create(t.Context(), "ann", client.SessionOptions{Toolkits: []string{"confluence"}, WaitForConnections: true})
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		for name, value := range session.MCP.Headers {
			header.Set(name, value)
		}
		shown := 0
		tools := agent.MCP(session.MCP.URL, agent.MCPOptions{Header: header, OnURL: func(ctx context.Context, q agent.URLRequest) (agent.Answer, error) {
			shown++
			if !accept {
				return agent.Answer{}, nil
			}
			_, err := c.ConnectAccount(ctx, client.ConnectRequest{UserID: "ann", Toolkit: "confluence", Scheme: "API_KEY", Values: map[string]string{
				"subdomain": "acme", "base_url": site.URL, "generic_id": ann.Email, "generic_api_key": ann.Token,
			}})
			return agent.Answer{Accept: true}, err
		}})
		defer tools.Close()
		a, err := agent.New[string](offline.New(), agent.Options{Tools: []agent.Toolset{tools}})
		if err != nil {
			t.Fatal(err)
		}
		text, _, err := a.Do(t.Context(), agent.Input{Prompt: "list the spaces"})
		want := "you did not want to"
		if accept {
			want = "space"
		}
		if err != nil || shown != 1 || !strings.Contains(text, want) || strings.Contains(text, "not connected") == accept {
			t.Errorf("accepted %v: answer %q, shown %d times, err %v", accept, text, shown, err)
		}
	}
}

// TestRefusedByThePerson: what the approver denies does not happen, and the
// answer says so.
func TestRefusedByThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.close()
	before := w.state(t)
	a, err := agent.New[string](offline.New(), agent.Options{
		Tools: []agent.Toolset{w.tools},
		Approve: func(_ context.Context, c agent.ToolCall) (agent.Decision, error) {
			if strings.Contains(string(c.Args), "LABEL") && strings.Contains(string(c.Args), "urgent") {
				return agent.Deny("not this one"), nil
			}
			return agent.Allow(), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := a.Do(t.Context(), agent.Input{Prompt: "add 'urgent' label to q3 planning page"})
	if err != nil || !strings.Contains(text, "did not allow") {
		t.Errorf("answer %q, err %v", text, err)
	}
	if changes := w.state(t).since(before); len(changes) > 0 {
		t.Errorf("changes: %v", changes)
	}
}

// otherWiki is a toolkit that this package knows nothing of: other names, other
// shapes of arguments and results.
type otherWiki struct {
	calls []string
	fail  error
}

type newDoc struct {
	SpaceKey string `json:"space_key" jsonschema:"key of the space"`
	Title    string `json:"title"`
	Content  string `json:"content" jsonschema:"the text, as HTML"`
}

type doc struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func (o *otherWiki) Tools(context.Context) ([]agent.Tool, error) {
	return []agent.Tool{
		agent.Func("wiki_list_spaces", "All spaces.", func(context.Context, struct{}) (map[string]any, error) {
			o.calls = append(o.calls, "spaces")
			return map[string]any{"items": []map[string]any{
				{"id": 7, "key": "OPS", "name": "Operations"}, {"id": 8, "key": "HR", "name": "Human Resources"},
			}}, nil
		}),
		agent.Func("wiki_create_space", "Makes a space.", func(context.Context, newDoc) (doc, error) {
			return doc{}, errors.New("wrong tool")
		}),
		agent.Func("wiki_create_page", "Makes a page.", func(_ context.Context, in newDoc) (doc, error) {
			o.calls = append(o.calls, fmt.Sprintf("page %s %s %s", in.SpaceKey, in.Title, in.Content))
			return doc{ID: 42, Title: in.Title, URL: "https://wiki.example/42"}, o.fail
		}),
	}, nil
}

func TestAnotherToolkit(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{nil, errors.New("the disk is full")} {
		wiki := &otherWiki{fail: failure}
		a, err := agent.New[string](offline.New(), agent.Options{Tools: []agent.Toolset{wiki}})
		if err != nil {
			t.Fatal(err)
		}
		text, _, err := a.Do(t.Context(), agent.Input{Prompt: `create a page called "Night shift" in the operations space with the text "Two & two"`})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"spaces", "page OPS Night shift <p>Two &amp; two</p>"}
		if diff := cmp.Diff(want, wiki.calls); diff != "" {
			t.Errorf("calls:\n%s", diff)
		}
		says := "https://wiki.example/42"
		if failure != nil {
			says = "the disk is full"
		}
		if !strings.Contains(text, says) {
			t.Errorf("answer %q, want %q in it", text, says)
		}
	}
}

// TestConversationSurvivesJSON: what "it" is rides along in a stored history.
func TestConversationSurvivesJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.close()
	before := w.state(t)
	var history agent.History
	for _, said := range []string{"create a page called \"Harbour\"", "marketing", "add the label urgent to it"} {
		if _, _, err := w.agent.Do(t.Context(), agent.Input{Prompt: said, History: &history}); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		history = nil
		if err := json.Unmarshal(data, &history); err != nil {
			t.Fatal(err)
		}
	}
	changes := w.state(t).since(before)
	if len(changes) != 1 || !changes[0].fits(w, fields("page MKT | Harbour | labels urgent")) {
		t.Errorf("changes: %v", changes)
	}
}

// TestNoTools: without tools it says so and invents nothing.
func TestNoTools(t *testing.T) {
	t.Parallel()
	a, err := agent.New[string](offline.New(), agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, done, err := a.Do(t.Context(), agent.Input{Prompt: "list the spaces"})
	if err != nil || !strings.Contains(text, "no tool") || done.Usage.ToolCalls != 0 {
		t.Errorf("answer %q, %d calls, err %v", text, done.Usage.ToolCalls, err)
	}
}
