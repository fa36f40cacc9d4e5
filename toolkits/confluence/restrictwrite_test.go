package confluence_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// restricted writes restrictions down: "read Ann+planners, update".
func restricted(out map[string]any) string {
	var ops []string
	list, _ := get(out, "restrictions").([]any)
	for _, one := range list {
		var who []string
		for _, kind := range []string{"users", "groups"} {
			names, _ := get(one, kind).([]any)
			for _, n := range names {
				who = append(who, text(n, "displayName")+text(n, "name"))
			}
		}
		ops = append(ops, strings.TrimSpace(text(one, "operation")+" "+strings.Join(who, "+")))
	}
	return strings.Join(ops, ", ")
}

func TestUpdateRestrictions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.page("Plan", "")
	ann := s.srv.AddUser(sandbox.User{Email: "ann@example.com", DisplayName: "Ann Archer"})
	planners := s.srv.AddGroup("planners", ann.AccountID)
	for _, tc := range []struct{ args, want string }{
		{`"action":"set","operation":"read","users":["me","ann archer"]`, "read Tess Tester+Ann Archer, update"},
		{`"action":"set","operation":"update","users":["me"],"groups":["Planners"]`, "read Tess Tester+Ann Archer, update Tess Tester+planners"},
		{`"action":"remove","operation":"read","users":["Ann Archer"]`, "read Tess Tester, update Tess Tester+planners"},
		{`"action":"remove","operation":"read","users":["Ann Archer"]`, "read Tess Tester, update Tess Tester+planners"},
		{fmt.Sprintf(`"action":"add","operation":"read","groups":[%q]`, planners), "read Tess Tester+planners, update Tess Tester+planners"},
		{fmt.Sprintf(`"action":"remove","operation":"update","groups":[%q]`, planners), "read Tess Tester+planners, update Tess Tester"},
		{`"action":"set","operation":"update"`, "read Tess Tester+planners, update"},
		{`"action":"set","operation":"read"`, "read, update"},
	} {
		out := s.must("UPDATE_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":"MKT: Plan",%s}`, tc.args))
		if diff := cmp.Diff(tc.want, restricted(out)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
		if diff := cmp.Diff(tc.want, restricted(s.must("GET_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s}`, id)))); diff != "" {
			t.Errorf("%s, read again:\n%s", tc.args, diff)
		}
	}
	s.must("UPDATE_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,"action":"add","operation":"read","users":["me"]}`, id))
	me := s.me
	s.me = ann
	if e := s.fails("GET_PAGE_BY_ID", fmt.Sprintf(`{"id":%s}`, id)); e.Kind != toolkit.KindNotFound {
		t.Errorf("Ann sees it: %v", e)
	}
	s.me = me
	for _, tc := range []struct{ args, field, want string }{
		{`"action":"add","operation":"read"`, "users", "say whom to add"},
		{`"action":"set","operation":"read","users":["ann archer"]`, "users", "shut yourself out"},
		{`"action":"add","operation":"read","users":["Nobody Atall"]`, "users[0]", "was found"},
		{`"action":"add","operation":"read","groups":["plan"]`, "groups[0]", "Groups like that: planners"},
		{`"action":"add","operation":"read","groups":[" "]`, "groups[0]", "is empty"},
		{`"action":"drop","operation":"read","users":["me"]`, "action", "add"},
	} {
		e := s.fails("UPDATE_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,%s}`, id, tc.args))
		if e.Field != tc.field || !strings.Contains(e.Error(), tc.want) {
			t.Errorf("%s: field %q: %v", tc.args, e.Field, e)
		}
	}
	s.me = s.srv.AddUser(sandbox.User{Email: "bob@example.com", DisplayName: "Bob"})
	if e := s.fails("UPDATE_CONTENT_RESTRICTIONS", fmt.Sprintf(`{"id":%s,"action":"set","operation":"read"}`, id)); e.Kind != toolkit.KindNotFound {
		t.Errorf("Bob: %v", e)
	}
}
