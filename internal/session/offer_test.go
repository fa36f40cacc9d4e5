package session_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/session"
	"github.com/sluice-run/sluice/internal/store"
)

var offered = regexp.MustCompile(`http://sluice\.test/link/(lt_[0-9a-z]+)`)

func (f *fixture) refused(t *testing.T, h *session.Handle, tool, args string) (*domain.Error, string) {
	t.Helper()
	_, err := f.Call(t.Context(), h, session.Call{Tool: tool, Arguments: json.RawMessage(args), Door: execute.DoorMCP})
	if domain.CodeOf(err) != domain.CodeNoConnection {
		t.Fatalf("%s: %v", tool, err)
	}
	return domain.AsError(err), execute.LogID(err)
}

// A call without an account comes back with the link on which the user connects,
// and the link works; neither links nor accounts pile up, and none is recorded.
func TestCallOffersALink(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	var token string
	for range 3 {
		e, log := f.refused(t, h, "NOTES_WHOAMI", `{}`)
		found := offered.FindStringSubmatch(e.Fix)
		if found == nil || found[1] == token {
			t.Fatalf("no link of its own: %q", e.Fix)
		}
		token = found[1]
		rec, err := f.DB.Execution(t.Context(), connecttest.Project, log)
		if err != nil || rec.ErrorCode != domain.CodeNoConnection || strings.Contains(rec.Error, "lt_") {
			t.Errorf("record %+v, %v", rec, err)
		}
	}
	if _, n, err := f.Connect.Accounts(t.Context(), connecttest.Project, store.AccountFilter{UserIDs: []string{"ann"}}, store.Page{}); err != nil || n != 1 {
		t.Errorf("%d accounts wait, %v", n, err)
	}
	if _, _, err := f.Connect.Complete(t.Context(), token, f.Values("ann@x.test", f.Upstream.Grant("ann@x.test"))); err != nil {
		t.Fatal(err)
	}
	f.call(t, h, "NOTES_WHOAMI", `{}`, nil)
}

// Who has to connect again is sent to the same account, by the error and by the
// connection meta tool alike.
func TestExpiredAccountIsOfferedAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "work")
	a.Status, a.StatusReason = domain.AccountExpired, "the provider ended the grant"
	if err := f.DB.UpdateAccount(t.Context(), a.ProjectID, *a); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]domain.SessionConfig{
		"free":   {},
		"pinned": {ConnectedAccounts: map[string][]string{"notes": {a.ID}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := f.open(t, "ann", cfg)
			e, _ := f.refused(t, h, "NOTES_WHOAMI", `{}`)
			found := offered.FindStringSubmatch(e.Fix)
			if !strings.Contains(e.Message, "EXPIRED (the provider ended the grant)") || !strings.Contains(e.Fix, "again") || found == nil {
				t.Fatalf("%q, fix %q", e.Message, e.Fix)
			}
			form, err := f.Connect.Form(t.Context(), found[1])
			if err != nil || form.Account.ID != a.ID {
				t.Fatalf("the link is for %+v, %v", form, err)
			}
			var out connections
			f.call(t, h, "COMPOSIO_MANAGE_CONNECTIONS", `{"toolkits":["notes"]}`, &out)
			if c := out.Results["notes"]; c.Status != "initiated" || c.AccountID != a.ID || !c.Reinitiated {
				t.Errorf("the meta tool begins %+v", c)
			}
		})
	}
}

// Of one multi-execute, everything that misses the same gets one link.
func TestMultiExecuteOffersOneLink(t *testing.T) {
	t.Parallel()
	f := setup(t)
	h := f.open(t, "ann", domain.SessionConfig{})
	var out struct {
		Results []struct {
			Error string `json:"error"`
		} `json:"results"`
	}
	f.call(t, h, "COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[{"tool_slug":"NOTES_WHOAMI","arguments":{}},{"tool_slug":"NOTES_WHOAMI","arguments":{}}]}`, &out)
	if len(out.Results) != 2 || !offered.MatchString(out.Results[0].Error) || out.Results[0].Error != out.Results[1].Error {
		t.Errorf("results %+v", out.Results)
	}
}

// No link where the application connects its users by itself, or where a person
// at a link could mend nothing.
func TestNoLinkToOffer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	off := f.open(t, "ann", domain.SessionConfig{ManageConnections: domain.ManageConnectionsConfig{Off: true}})
	if e, _ := f.refused(t, off, "NOTES_WHOAMI", `{}`); offered.MatchString(e.Fix) {
		t.Errorf("connections are not managed here: %q", e.Fix)
	}
	a := f.Account(t, connecttest.Project, "bob", "bob@x.test", "")
	if err := f.Connect.Enable(t.Context(), a.ProjectID, a.ID, false); err != nil {
		t.Fatal(err)
	}
	if e, _ := f.refused(t, f.open(t, "bob", domain.SessionConfig{}), "NOTES_WHOAMI", `{}`); offered.MatchString(e.Fix) || !strings.Contains(e.Fix, "Enable it") {
		t.Errorf("disabled: %q", e.Fix)
	}
	own, err := f.Connect.CreateAuthConfig(t.Context(), connecttest.Project, connect.NewAuthConfig{Toolkit: "notes", Scheme: domain.SchemeAPIKey})
	if err != nil {
		t.Fatal(err)
	}
	h := f.open(t, "cleo", domain.SessionConfig{AuthConfigs: map[string]string{"notes": own.ID}})
	if err := f.Connect.EnableAuthConfig(t.Context(), own.ProjectID, own.ID, false); err != nil {
		t.Fatal(err)
	}
	if e, _ := f.refused(t, h, "NOTES_WHOAMI", `{}`); offered.MatchString(e.Fix) {
		t.Errorf("the session's auth config is disabled: %q", e.Fix)
	}
}
