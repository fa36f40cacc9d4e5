package confluence_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// TestEmail: an address leads to the account that shows it, and never to one
// that only has a name like it.
func TestEmail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ann := s.srv.AddUser(sandbox.User{Email: "ann.archer@example.com", DisplayName: "Ann Archer"})
	id := s.page("Plan", "")
	restrict := func(who string) string {
		return fmt.Sprintf(`{"id":%s,"action":"add","operation":"update","users":["me",%q]}`, id, who)
	}

	// Ann hides her address: she is a candidate, not the answer.
	out := s.must("SEARCH_USERS", `{"query":"ann.archer@example.com"}`)
	if diff := cmp.Diff([]string{ann.AccountID}, column(out, "accountId")); diff != "" || !strings.Contains(text(out, "note"), "No account shows the address ann.archer@example.com") {
		t.Errorf("search: %v", out)
	}
	e := s.fails("UPDATE_CONTENT_RESTRICTIONS", restrict("ann.archer@example.com"))
	if e.Kind != toolkit.KindInvalid || e.Field != "users[1]" || !strings.Contains(e.Message, "Ann Archer ("+ann.AccountID+")") || !strings.Contains(e.Fix, "account id") {
		t.Errorf("hidden: %+v", e)
	}
	if e := s.fails("UPDATE_CONTENT_RESTRICTIONS", restrict("zoe@example.com")); e.Kind != toolkit.KindNotFound || e.Field != "users[1]" {
		t.Errorf("nobody: %+v", e)
	}
	// The connected account knows its own, whatever its name is.
	out = s.must("SEARCH_USERS", `{"query":"Tester@Example.com"}`)
	if diff := cmp.Diff([]string{s.me.AccountID}, column(out, "accountId")); diff != "" || text(out, "note") != "" {
		t.Errorf("own: %v", out)
	}

	// A site where people show their addresses.
	row := func(id, name, email string) string {
		return fmt.Sprintf(`{"user":{"accountId":%q,"displayName":%q,"email":%q},"url":"/people/%s"}`, id, name, email, id)
	}
	shown := []string{row("712020:wrong", "Ann Archer", "ann.archer@elsewhere.test"), row("712020:hides", "Ann Archer", ""), row("712020:right", "Annika Archer", "Ann.Archer@example.com")}
	s.alter = func(r *http.Request) *http.Response {
		if !strings.HasSuffix(r.URL.Path, "/search/user") {
			return nil
		}
		return answer(r, 200, `{"results":[`+strings.Join(shown, ",")+`],"start":0,"limit":200,"size":3,"totalSize":3,"_links":{}}`)
	}
	out = s.must("SEARCH_USERS", `{"query":"ann.archer@example.com"}`)
	if diff := cmp.Diff([]string{"712020:right"}, column(out, "accountId")); diff != "" || text(out, "note") != "" {
		t.Errorf("shown: %v", out)
	}
	// One with another address is no candidate.
	shown = shown[:2]
	out = s.must("SEARCH_USERS", `{"query":"ann.archer@example.com"}`)
	if diff := cmp.Diff([]string{"712020:hides"}, column(out, "accountId")); diff != "" || text(out, "note") == "" {
		t.Errorf("another address: %v", out)
	}
	// By name both are meant.
	e = s.fails("GET_TASKS", `{"assignedTo":"Ann Archer"}`)
	if e.Kind != toolkit.KindInvalid || !strings.Contains(e.Message, "712020:wrong") || !strings.Contains(e.Message, "712020:hides") {
		t.Errorf("two of a name: %+v", e)
	}
}
