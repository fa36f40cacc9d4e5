package session_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/toolkit"
)

type connection struct {
	Status      string            `json:"status"`
	Active      bool              `json:"has_active_connection"`
	AccountID   string            `json:"connected_account_id"`
	UserInfo    map[string]string `json:"current_user_info"`
	Error       string            `json:"error_message"`
	Instruction string            `json:"instruction"`
	RedirectURL string            `json:"redirect_url"`
	Reinitiated bool              `json:"was_reinitiated"`
}

type connections struct {
	Message string                `json:"message"`
	Results map[string]connection `json:"results"`
}

// The walk of an agent whose user is not connected yet.
func TestManageConnections(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Wait: true, CallbackURL: "https://app.test/back"}})
	_, err := f.Call(t.Context(), h, session.Call{Tool: "NOTES_WHOAMI", Door: execute.DoorMCP})
	if domain.CodeOf(err) != domain.CodeNoConnection {
		t.Fatalf("before connecting: %v", err)
	}
	var out connections
	f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["Notes","notes","nope"]}`, &out)
	c := out.Results["notes"]
	if c.Status != "initiated" || c.Active || !strings.HasPrefix(c.RedirectURL, "http://sluice.test/link/lt_") || !strings.Contains(c.Instruction, c.RedirectURL) {
		t.Fatalf("results %+v", out)
	}
	if out.Results["nope"].Status != "failed" || out.Results["nope"].Error == "" {
		t.Errorf("unknown toolkit: %+v", out.Results["nope"])
	}
	var waiting connections
	f.call(t, h, "COMPOSIO_WAIT_FOR_CONNECTIONS", `{"toolkits":["notes","abacus"]}`, &waiting)
	if waiting.Results["notes"].Status != "INITIATED" || waiting.Results["abacus"].Status != "ACTIVE" {
		t.Errorf("any of two: %+v", waiting)
	}

	// The user opens the link while the agent waits for it.
	type ended struct {
		answer *execute.Answer
		err    error
	}
	done := make(chan ended, 1)
	go func() {
		a, err := f.Call(t.Context(), h, session.Call{Tool: "COMPOSIO_WAIT_FOR_CONNECTIONS", Arguments: json.RawMessage(`{"toolkits":["notes"]}`), Door: execute.DoorMCP})
		done <- ended{a, err}
	}()
	token := c.RedirectURL[strings.LastIndex(c.RedirectURL, "/")+1:]
	_, back, err := f.Connect.Complete(t.Context(), token, f.Values("ann@x.test", f.Upstream.Grant("ann@x.test")))
	if err != nil || !strings.HasPrefix(back, "https://app.test/back?") {
		t.Fatalf("completing: %q, %v", back, err)
	}
	end := <-done
	if end.err != nil {
		t.Fatal(end.err)
	}
	waiting = connections{}
	if err := json.Unmarshal(end.answer.Data, &waiting); err != nil {
		t.Fatal(err)
	}
	if got := waiting.Results["notes"]; got.Status != "ACTIVE" || got.AccountID != c.AccountID || got.UserInfo["email"] != "ann@x.test" {
		t.Errorf("after waiting: %+v", got)
	}
	f.call(t, h, "NOTES_WHOAMI", `{}`, nil)

	out = connections{}
	f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"]}`, &out)
	if c := out.Results["notes"]; c.Status != "active" || c.RedirectURL != "" || c.UserInfo["email"] != "ann@x.test" {
		t.Errorf("connected: %+v", c)
	}
	out = connections{}
	f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"],"reinitiate_all":true}`, &out)
	if c := out.Results["notes"]; c.Status != "initiated" || c.RedirectURL == "" || !c.Reinitiated || !c.Active {
		t.Errorf("again: %+v", c)
	}
}

// A client that can show addresses has its person asked; the link stays the same
// and is in the answer too.
func TestManageConnectionsAsks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		action  string
		connect bool // while being asked
		status  string
		says    string
	}{
		"connected":         {"accept", true, "active", "Connected"},
		"on the way":        {"accept", false, "initiated", "is connecting"},
		"declined":          {"decline", false, "initiated", "did not open"},
		"dismissed":         {"cancel", false, "initiated", "did not open"},
		"declined and done": {"decline", true, "active", "Connected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			h := f.open(t, "ann", domain.SessionConfig{})
			c := session.Call{
				Tool: "COMPOSIO_MANAGE_CONNECTIONS", Arguments: json.RawMessage(`{"toolkits":["notes","abacus"]}`), Door: execute.DoorMCP,
				Interact: execute.Interact{CanAsk: toolkit.AskKinds{URL: true}},
			}
			asked, err := f.Call(t.Context(), h, c)
			if err != nil || asked.Ask == nil || len(asked.Ask.Questions) != 1 {
				t.Fatalf("answer %+v, %v", asked, err)
			}
			q := asked.Ask.Questions["notes"]
			if !strings.HasPrefix(q.URL, "http://sluice.test/link/lt_") || !strings.Contains(q.Message, "Notes") || strings.Contains(asked.State, "lt_") {
				t.Fatalf("question %+v, state %q", q, asked.State)
			}
			if tc.connect {
				token := q.URL[strings.LastIndex(q.URL, "/")+1:]
				if _, _, err := f.Connect.Complete(t.Context(), token, f.Values("ann@x.test", f.Upstream.Grant("ann@x.test"))); err != nil {
					t.Fatal(err)
				}
			}
			c.Interact.State, c.Interact.Answers = asked.State, map[string]toolkit.Answer{"notes": {Action: tc.action}}
			a, err := f.Call(t.Context(), h, c)
			if err != nil || a.Ask != nil {
				t.Fatalf("answer %+v, %v", a, err)
			}
			var out connections
			if err := json.Unmarshal(a.Data, &out); err != nil {
				t.Fatal(err)
			}
			r := out.Results["notes"]
			if r.Status != tc.status || r.Active != tc.connect || !strings.Contains(r.Instruction, tc.says) || out.Results["abacus"].Status != "active" {
				t.Errorf("results %+v", out)
			}
			if want := map[bool]string{true: "", false: q.URL}[tc.connect]; r.RedirectURL != want {
				t.Errorf("link %q, want %q", r.RedirectURL, want)
			}
		})
	}
}

// A session with several accounts of a toolkit gives no link beyond its bound.
func TestMostAccounts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	several := domain.MultiAccountConfig{Enable: true, Max: 2}
	h := f.open(t, "ann", domain.SessionConfig{MultiAccount: several})
	for _, email := range []string{"ann@x.test", "ann@y.test"} {
		if _, _, err := f.Link(t.Context(), h, "notes", "", ""); err != nil {
			t.Fatal(err)
		}
		f.Account(t, connecttest.Project, "ann", email, "")
	}
	_, _, err := f.Link(t.Context(), h, "notes", "", "")
	if domain.CodeOf(err) != domain.CodeConflict || !strings.Contains(err.Error(), "max_accounts_per_toolkit") {
		t.Errorf("a third: %v", err)
	}
	var out connections
	f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"],"reinitiate_all":true}`, &out)
	if c := out.Results["notes"]; c.Status != "failed" || !strings.Contains(c.Error, "has 2 accounts") || c.RedirectURL != "" {
		t.Errorf("through the meta tool: %+v", c)
	}
	for name, config := range map[string]domain.SessionConfig{
		"one account": {}, "a higher bound": {MultiAccount: domain.MultiAccountConfig{Enable: true, Max: 3}},
		"the usual bound": {MultiAccount: domain.MultiAccountConfig{Enable: true}},
	} {
		if _, _, err := f.Link(t.Context(), f.open(t, "ann", config), "notes", "", ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManageConnectionsKeepsToTheSession(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{Toolkits: &domain.Selection{Enable: []string{"abacus"}}})
	var out connections
	f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"]}`, &out)
	if c := out.Results["notes"]; c.Status != "failed" || !strings.Contains(c.Error, "not enabled") || c.RedirectURL != "" {
		t.Errorf("hidden toolkit: %+v", c)
	}
	if _, _, err := f.Link(t.Context(), h, "notes", "", ""); domain.CodeOf(err) != domain.CodeForbidden {
		t.Errorf("link to a hidden toolkit: %v", err)
	}
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Wait: true}})
	var out connections
	f.call(t, h, "COMPOSIO_WAIT_FOR_CONNECTIONS", `{"toolkits":["notes"]}`, &out)
	if out.Results["notes"].Status != "NOT_FOUND" || !strings.Contains(out.Message, "nothing to wait for") {
		t.Errorf("nothing started: %+v", out)
	}
	in, _, err := f.Link(t.Context(), h, "notes", "", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.Call(ctx, h, session.Call{Tool: "COMPOSIO_WAIT_FOR_CONNECTIONS", Arguments: json.RawMessage(`{"toolkits":["notes"],"mode":"all"}`), Door: execute.DoorMCP})
		done <- err
	}()
	cancel()
	if err := <-done; domain.CodeOf(err) != domain.CodeCanceled {
		t.Errorf("canceled: %v", err)
	}
	f.Clock.Advance(in.ExpiresAt.Sub(f.Clock.Now()))
	f.call(t, h, "COMPOSIO_WAIT_FOR_CONNECTIONS", `{"toolkits":["notes"]}`, &out)
	if c := out.Results["notes"]; c.Status != "FAILED" || !strings.Contains(c.Error, "EXPIRED") {
		t.Errorf("expired: %+v", c)
	}
}

func TestToolkits(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.Account(t, connecttest.Project, "ann", "old@x.test", "")
	recent := f.Account(t, connecttest.Project, "ann", "new@x.test", "")
	f.Account(t, connecttest.Project, "bob", "bob@x.test", "")
	for _, tt := range []struct {
		user string
		cfg  domain.SessionConfig
		want string
		all  int
	}{
		{"ann", domain.SessionConfig{}, recent.ID, 2},
		{"ann", domain.SessionConfig{ConnectedAccounts: map[string][]string{"notes": {old.ID}}}, old.ID, 2},
		{"carl", domain.SessionConfig{}, "", 0},
	} {
		states, err := f.Toolkits(t.Context(), f.open(t, tt.user, tt.cfg))
		if err != nil || len(states) != 2 || states[0].Toolkit.Slug != "abacus" || states[1].Toolkit.Slug != "notes" {
			t.Fatalf("%s: %+v, %v", tt.user, states, err)
		}
		notes := states[1]
		got := ""
		if notes.Account != nil {
			got = notes.Account.ID
		}
		if got != tt.want || len(notes.All) != tt.all || !notes.Enabled || notes.Connected() != (tt.want != "") || !states[0].Connected() {
			t.Errorf("%s: account %q of %d, want %q of %d", tt.user, got, len(notes.All), tt.want, tt.all)
		}
	}
	states, err := f.Toolkits(t.Context(), f.open(t, "ann", domain.SessionConfig{Toolkits: &domain.Selection{Disable: []string{"notes"}}}))
	if err != nil || len(states) != 1 {
		t.Errorf("with one disabled: %+v, %v", states, err)
	}
}

// granting connects everybody by itself, as an embedded sandbox does.
type granting struct{ w *connecttest.World }

func (*granting) Toolkit() string { return "notes" }

func (g *granting) Provision(_ context.Context, _, user string, earlier *domain.ConnectedAccount) (*connect.Grant, error) {
	if earlier != nil {
		return nil, nil
	}
	email := user + "@sandbox.test"
	return &connect.Grant{
		Fields:  map[string]string{"site": g.w.Upstream.URL, "email": email},
		Secrets: toolkit.Secrets{"api_token": g.w.Upstream.Grant(email)}, Identity: toolkit.Identity{"email": email},
	}, nil
}

// With a sandbox, whatever an agent does first finds the user connected.
func TestFirstUseConnects(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(t *testing.T, f *fixture, h *session.Handle){
		"call": func(t *testing.T, f *fixture, h *session.Handle) {
			a := f.call(t, h, "NOTES_WHOAMI", `{}`, nil)
			if string(a.Data) != `{"email":"ann@sandbox.test"}` {
				t.Errorf("ran as %s", a.Data)
			}
		},
		"search": func(t *testing.T, f *fixture, h *session.Handle) {
			var out searchData
			f.call(t, h, "COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"delete a note"}]}`, &out)
			if !out.Statuses[0].Active {
				t.Errorf("status %+v", out.Statuses[0])
			}
		},
		"manage": func(t *testing.T, f *fixture, h *session.Handle) {
			var out connections
			f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"]}`, &out)
			if out.Results["notes"].Status != "active" {
				t.Errorf("result %+v", out)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &granting{}
			f := setup(t, g)
			g.w = f.World
			h := f.open(t, "ann", domain.SessionConfig{})
			first(t, f, h)
			states, err := f.Toolkits(t.Context(), h)
			if err != nil || states[1].Account == nil || len(states[1].All) != 1 || states[1].Account.Origin != domain.OriginSandbox {
				t.Errorf("states %+v, %v", states, err)
			}
		})
	}
}
