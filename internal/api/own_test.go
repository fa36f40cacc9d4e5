package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
)

// A project names itself on its connect pages, and nobody else's.
func TestBranding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/sluice/branding"
	if a := w.want(200, "GET", at, nil); a.text("name") != w.project.Name || a.text("color") != "" {
		t.Errorf("before: %s", a.Raw)
	}
	w.want(200, "PATCH", at, `{"name":"Acme","logo":"https://acme.example/logo.png"}`)
	if a := w.want(200, "PATCH", at, `{"color":"#1456C4"}`); a.text("name") != "Acme" || a.text("logo") != "https://acme.example/logo.png" || a.text("color") != "#1456c4" {
		t.Errorf("after: %s", a.Raw)
	}
	for field, body := range map[string]string{
		"color": `{"color":"red;background:url(x)"}`, "logo": `{"logo":"javascript:alert(1)"}`, "name": `{"name":"` + strings.Repeat("x", 61) + `"}`,
	} {
		if e := w.want(400, "PATCH", at, body); !strings.Contains(e.text("error.message"), field) {
			t.Errorf("%s is not named: %s", field, e.Raw)
		}
	}
	other := *w
	otherProject(t, &other)
	if a := other.want(200, "GET", at, nil); a.text("name") != "other" {
		t.Errorf("another project's: %s", a.Raw)
	}
}

// What became of accounts is listed, newest first, to their project alone.
func TestAccountEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const at = "/api/v3.1/sluice/account_events"
	id, second := w.account("jane"), w.account("john")
	for i, e := range []domain.AccountEvent{
		{AccountID: id, UserID: "jane", Type: domain.AccountEventExpired, Reason: "invalid_grant"},
		{AccountID: second, UserID: "john", Type: domain.AccountEventExpiring},
		{AccountID: id, UserID: "jane", Type: domain.AccountEventRecovered},
	} {
		e.ID, e.ProjectID, e.Toolkit = domain.NewID("evt_"), w.project.ID, "notes"
		e.At = w.project.CreatedAt.Add(time.Duration(i) * time.Second)
		must(t, w.db.AddAccountEvent(t.Context(), e))
	}
	for query, want := range map[string][]string{
		"": {"recovered", "expiring", "expired"}, "?connected_account_id=" + id: {"recovered", "expired"},
		"?types=expired,expiring": {"expiring", "expired"}, "?limit=1": {"recovered"},
	} {
		if diff := cmp.Diff(want, w.want(200, "GET", at+query, nil).column("type")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if a := w.want(200, "GET", at+"?types=expired", nil); a.text("items.0.reason") != "invalid_grant" || a.text("items.0.user_id") != "jane" || a.text("items.0.toolkit.slug") != "notes" {
		t.Errorf("event: %s", a.Raw)
	}
	w.want(400, "GET", at+"?types=born", nil)
	other := *w
	otherProject(t, &other)
	if n := len(other.want(200, "GET", at+"?connected_account_id="+id, nil).column("id")); n != 0 {
		t.Errorf("another project sees %d", n)
	}
}
