package confluence_test

import (
	"fmt"
	"strings"
	"testing"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
)

// TestAllOfSearches: one answer holds everything, up to the bound that is stated; the rest
// is said and can be had.
func TestAllOfSearches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.srv.AddGroup("confluence-admins", s.me.AccountID)
	for i := range 1003 {
		s.srv.AddUser(sandbox.User{Email: fmt.Sprintf("archer%d@example.com", i), DisplayName: fmt.Sprintf("Archer Number%d", i)})
	}
	for i := range 30 {
		s.page(fmt.Sprintf("Harvest %d", i), "")
		s.rest("POST", "/audit", fmt.Sprintf(`{"remoteAddress":"192.0.2.1","summary":"Harvest %d","category":"Spaces","affectedObject":{"name":"x","objectType":"Space"}}`, i))
	}
	for _, tc := range []struct {
		tool, args, column, next string
		want                     int
	}{
		{"SEARCH_USERS", `{"query":"archer","all":true}`, "accountId", "1000", 1000},
		{"SEARCH_USERS", `{"query":"archer","all":true,"cursor":"1000"}`, "accountId", "", 3},
		{"SEARCH_USERS", `{"query":"archer","all":true,"cursor":"900","limit":1}`, "accountId", "", 103},
		{"GET_AUDIT_LOGS", `{"searchString":"harvest"}`, "summary", "25", 25},
		{"GET_AUDIT_LOGS", `{"searchString":"harvest","all":true}`, "summary", "", 30},
		{"GET_AUDIT_LOGS", `{"searchString":"harvest","all":true,"start":20}`, "summary", "", 10},
		{"SEARCH_CONTENT", `{"query":"harvest"}`, "title", "25", 25},
		{"SEARCH_CONTENT", `{"query":"harvest","all":true,"limit":2}`, "title", "", 30},
		{"SEARCH_CONTENT", `{"query":"harvest","all":true,"cursor":"28"}`, "title", "", 2},
		{"SEARCH_CONTENT", `{"query":"harvest","all":true,"start":1000}`, "title", "", 0},
	} {
		out := s.must(tc.tool, tc.args)
		distinct := map[string]bool{}
		for _, one := range column(out, tc.column) {
			distinct[one] = true
		}
		if len(distinct) != tc.want || len(column(out, tc.column)) != tc.want || text(out, "next_cursor") != tc.next || (text(out, "more") != "") != (tc.next != "") {
			t.Errorf("%s %s: %d results, cursor %q, %q", tc.tool, tc.args, len(distinct), text(out, "next_cursor"), text(out, "more"))
		}
	}
	if e := s.fails("SEARCH_CONTENT", `{"query":"harvest","all":true,"expand":"content.body.storage"}`); e.Field != "all" {
		t.Errorf("with texts: field %q: %v", e.Field, e)
	}
}

// TestSomeWordsSayWhatIsLeft: when nothing holds all the words, only so many of
// those that hold some are ranked; that there are more is said.
func TestSomeWordsSayWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 255 {
		s.page(fmt.Sprintf("Harvest %d", i), "")
	}
	first := s.must("SEARCH_CONTENT", `{"query":"harvest zebra","limit":240}`)
	if text(first, "next_cursor") != "240" {
		t.Fatalf("first: %q %q", text(first, "next_cursor"), text(first, "more"))
	}
	rest := s.must("SEARCH_CONTENT", `{"query":"harvest zebra","limit":240,"cursor":"240"}`)
	if n := len(column(rest, "title")); n != 10 || text(rest, "next_cursor") != "" || !strings.Contains(text(rest, "more"), "more than can be reached") {
		t.Errorf("rest: %d results, %q %q", n, text(rest, "next_cursor"), text(rest, "more"))
	}
}
