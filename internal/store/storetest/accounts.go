package storetest

import (
	"fmt"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testAuthConfigs(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, c := w.a.project.ID, w.a.config
	same(t, c, must(s.AuthConfig(ctx, project, c.ID))(t))
	_, err := s.AuthConfig(ctx, project, "ac_none")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateAuthConfig(ctx, c), domain.CodeConflict)
	lost := c
	lost.ProjectID = "pr_none"
	wantCode(t, s.CreateAuthConfig(ctx, lost), domain.CodeNotFound)

	add := func(id, toolkit string, origin domain.Origin, minutes int, disabled bool) domain.AuthConfig {
		n := c
		n.ID, n.Toolkit, n.Origin, n.CreatedAt, n.Disabled = id, toolkit, origin, at(minutes), disabled
		ok(t, s.CreateAuthConfig(ctx, n))
		return n
	}
	add("ac_off", "confluence", domain.OriginAuto, 1, true)
	second := add("ac_3", "confluence", domain.OriginAuto, 3, false)
	add("ac_4", "confluence", domain.OriginAuto, 4, false)
	gmail := add("ac_5", "gmail", domain.OriginSandbox, 5, false)

	same(t, second, must(s.FindAuthConfig(ctx, project, "confluence", domain.OriginAuto))(t))
	same(t, gmail, must(s.FindAuthConfig(ctx, project, "gmail", domain.OriginSandbox))(t))
	_, err = s.FindAuthConfig(ctx, project, "gmail", domain.OriginAuto)
	wantCode(t, err, domain.CodeNotFound)

	for _, tc := range []struct {
		toolkit, want string
		page          store.Page
		total         int
	}{
		{"", "ac_5 ac_4 ac_3 ac_off ac_a", store.Page{}, 5},
		{"confluence", "ac_4 ac_3 ac_off ac_a", store.Page{}, 4},
		{"", "ac_4 ac_3", store.Page{Offset: 1, Limit: 2}, 5},
		{"hubspot", "", store.Page{}, 0},
	} {
		got, total, err := s.ListAuthConfigs(ctx, project, tc.toolkit, tc.page)
		ok(t, err)
		if g := ids(got, func(c domain.AuthConfig) string { return c.ID }); g != tc.want || total != tc.total {
			t.Errorf("%+v: got %q of %d", tc, g, total)
		}
	}
}

func testAccounts(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, a := w.a.project.ID, w.a.account
	same(t, a, must(s.Account(ctx, project, a.ID))(t))
	_, err := s.Account(ctx, project, "ca_none")
	wantCode(t, err, domain.CodeNotFound)

	// Only the mutable fields change, whatever else the caller put in.
	want := a
	want.Alias, want.Status, want.StatusReason, want.Disabled = "work", domain.AccountExpired, "token refused", true
	want.Fields, want.Identity, want.UpdatedAt = map[string]string{"site": "x"}, nil, at(9)
	change := want
	change.UserID, change.Toolkit, change.AuthConfigID = "mallory", "gmail", "ac_none"
	change.Scheme, change.Origin, change.WordID = domain.SchemeNoAuth, domain.OriginAuto, "other"
	change.CreatedAt, change.ProjectID, change.Grant = at(99), w.b.project.ID, domain.Grant{}
	ok(t, s.UpdateAccount(ctx, project, change))
	same(t, want, must(s.Account(ctx, project, a.ID))(t))
	gone := a
	gone.ID = "ca_none"
	wantCode(t, s.UpdateAccount(ctx, project, gone), domain.CodeNotFound)
	wantCode(t, s.DeleteAccount(ctx, project, "ca_none"), domain.CodeNotFound)

	lost := account(w.a.config, "ca_lost", "user")
	lost.AuthConfigID = "ac_none"
	wantCode(t, s.CreateAccount(ctx, lost), domain.CodeNotFound)
	lost.AuthConfigID = w.b.config.ID // of the other project
	wantCode(t, s.CreateAccount(ctx, lost), domain.CodeNotFound)
}

func testAccountNames(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	named := func(id, user, word, alias string) domain.ConnectedAccount {
		a := account(w.a.config, id, user)
		a.WordID, a.Alias = word, alias
		return a
	}
	ok(t, s.CreateAccount(ctx, named("ca_1", "ann", "amber_fox", "work")))
	for name, clash := range map[string]domain.ConnectedAccount{
		"id":      named("ca_1", "ann", "blue_owl", "home"),
		"word id": named("ca_2", "ann", "amber_fox", "home"),
		"alias":   named("ca_2", "ann", "blue_owl", "work"),
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, s.CreateAccount(ctx, clash), domain.CodeConflict) })
	}
	ok(t, s.CreateAccount(ctx, named("ca_3", "bob", "amber_fox", "work"))) // another user
	ok(t, s.CreateAccount(ctx, named("ca_4", "ann", "", "")))
	ok(t, s.CreateAccount(ctx, named("ca_5", "ann", "", ""))) // no name clashes with no name
	renamed := named("ca_4", "ann", "", "work")
	wantCode(t, s.UpdateAccount(ctx, w.a.project.ID, renamed), domain.CodeConflict)
	ok(t, s.DeleteAccount(ctx, w.a.project.ID, "ca_1"))
	ok(t, s.UpdateAccount(ctx, w.a.project.ID, renamed)) // the name is free again
}

func testAccountLists(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	ok(t, s.DeleteAccount(ctx, project, w.a.account.ID))
	gmail := w.a.config
	gmail.ID, gmail.Toolkit = "ac_gmail", "gmail"
	ok(t, s.CreateAuthConfig(ctx, gmail))
	add := func(c domain.AuthConfig, id, user string, status domain.AccountStatus, created, updated int) {
		a := account(c, id, user)
		a.Status, a.CreatedAt, a.UpdatedAt = status, at(created), at(updated)
		ok(t, s.CreateAccount(ctx, a))
	}
	add(w.a.config, "ca_1", "ann", domain.AccountActive, 1, 9)
	add(w.a.config, "ca_2", "ann", domain.AccountExpired, 2, 8)
	add(gmail, "ca_3", "ann", domain.AccountActive, 3, 3)
	add(w.a.config, "ca_4", "bob", domain.AccountInitiated, 4, 4)
	add(gmail, "ca_5", "bob", domain.AccountActive, 4, 4) // the same moment as ca_4

	type f = store.AccountFilter
	for _, tc := range []struct {
		name   string
		filter f
		page   store.Page
		want   string
		total  int
	}{
		{"all", f{}, store.Page{}, "ca_5 ca_4 ca_3 ca_2 ca_1", 5},
		{"ascending", f{Ascending: true}, store.Page{}, "ca_1 ca_2 ca_3 ca_4 ca_5", 5},
		{"updated", f{OrderByUpdated: true}, store.Page{}, "ca_1 ca_2 ca_5 ca_4 ca_3", 5},
		{"updated ascending", f{OrderByUpdated: true, Ascending: true}, store.Page{}, "ca_3 ca_4 ca_5 ca_2 ca_1", 5},
		{"ids", f{IDs: []string{"ca_4", "ca_1", "ca_none"}}, store.Page{}, "ca_4 ca_1", 2},
		{"user", f{UserIDs: []string{"bob"}}, store.Page{}, "ca_5 ca_4", 2},
		{"users", f{UserIDs: []string{"bob", "ann"}}, store.Page{}, "ca_5 ca_4 ca_3 ca_2 ca_1", 5},
		{"toolkit", f{Toolkits: []string{"gmail"}}, store.Page{}, "ca_5 ca_3", 2},
		{"auth config", f{AuthConfigIDs: []string{"ac_gmail"}}, store.Page{}, "ca_5 ca_3", 2},
		{"statuses", f{Statuses: []domain.AccountStatus{domain.AccountExpired, domain.AccountInitiated}}, store.Page{}, "ca_4 ca_2", 2},
		{"together", f{UserIDs: []string{"ann"}, Toolkits: []string{"confluence"}, Statuses: []domain.AccountStatus{domain.AccountActive}}, store.Page{}, "ca_1", 1},
		{"nothing", f{UserIDs: []string{"nobody"}}, store.Page{}, "", 0},
		{"no injection", f{UserIDs: []string{"' OR 1=1 --", "bob"}}, store.Page{}, "ca_5 ca_4", 2},
		{"a window", f{}, store.Page{Offset: 1, Limit: 2}, "ca_4 ca_3", 5},
		{"a filtered window", f{UserIDs: []string{"ann"}}, store.Page{Offset: 2, Limit: 2}, "ca_1", 3},
		{"past the end", f{}, store.Page{Offset: 99}, "", 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, total, err := s.ListAccounts(ctx, project, tc.filter, tc.page)
			ok(t, err)
			if g := accountIDs(got); g != tc.want || total != tc.total {
				t.Errorf("got %q of %d, want %q of %d", g, total, tc.want, tc.total)
			}
		})
	}
	_, _, err := s.ListAccounts(ctx, project, f{IDs: make([]string, 2000)}, store.Page{})
	wantCode(t, err, domain.CodeInvalid)
}

func testActiveAccounts(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	ok(t, s.DeleteAccount(ctx, project, w.a.account.ID))
	get := func(user, toolkit string) string {
		t.Helper()
		return accountIDs(must(s.ActiveAccounts(ctx, project, user, toolkit))(t))
	}
	if got := get("user", "confluence"); got != "" {
		t.Errorf("none expected, got %q", got)
	}
	for i, status := range []domain.AccountStatus{
		domain.AccountActive, domain.AccountInitiated, domain.AccountFailed, domain.AccountExpired,
		domain.AccountInactive, domain.AccountRevoked, domain.AccountActive, domain.AccountActive,
	} {
		a := account(w.a.config, fmt.Sprintf("ca_%d", i), "user")
		a.Status, a.Disabled, a.CreatedAt = status, i == 6, at(i)
		ok(t, s.CreateAccount(ctx, a))
	}
	ok(t, s.CreateAccount(ctx, account(w.a.config, "ca_other", "someone")))
	if got := get("user", "confluence"); got != "ca_7 ca_0" {
		t.Errorf("got %q", got)
	}
	if got := get("user", "gmail"); got != "" {
		t.Errorf("of another toolkit: %q", got)
	}
	for i := range 60 {
		a := account(w.a.config, fmt.Sprintf("ca_many_%02d", i), "many")
		a.CreatedAt = at(i)
		ok(t, s.CreateAccount(ctx, a))
	}
	got := must(s.ActiveAccounts(ctx, project, "many", "confluence"))(t)
	if len(got) != 50 || got[0].ID != "ca_many_59" || got[49].ID != "ca_many_10" {
		t.Errorf("got %d accounts: %s", len(got), accountIDs(got))
	}
	same(t, must(s.Account(ctx, project, "ca_many_59"))(t), got[0])
}

func testDeleteAccount(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, id := w.a.project.ID, w.a.account.ID
	other := snapshot(ctx, t, s, w.b)
	ok(t, s.DeleteAccount(ctx, project, id))
	_, err := s.Account(ctx, project, id)
	wantCode(t, err, domain.CodeNotFound)
	if got := must(s.Secrets(ctx, project, id))(t); len(got) != 0 {
		t.Errorf("secrets remain: %d", len(got))
	}
	_, err = s.LinkByHash(ctx, w.a.link.TokenHash)
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.DeleteAccount(ctx, project, id), domain.CodeNotFound)
	same(t, other, snapshot(ctx, t, s, w.b))
	must(s.Execution(ctx, project, w.a.exec.ID))(t) // the record stays
}

func testSecrets(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, id := w.a.project.ID, w.a.account.ID
	ok(t, s.PutSecret(ctx, project, id, "refresh_token", []byte{0, 1, 0xff}))
	ok(t, s.PutSecret(ctx, project, id, "access_token", []byte("newer")))
	ok(t, s.PutSecret(ctx, project, id, "empty", nil))
	same(t, map[string][]byte{"refresh_token": {0, 1, 0xff}, "access_token": []byte("newer"), "empty": {}},
		must(s.Secrets(ctx, project, id))(t))
	same(t, map[string][]byte{"access_token": []byte("sealed b")}, must(s.Secrets(ctx, w.b.project.ID, w.b.account.ID))(t))
	if got := must(s.Secrets(ctx, project, "ca_none"))(t); got == nil || len(got) != 0 {
		t.Errorf("an account without secrets: %v", got)
	}
	wantCode(t, s.PutSecret(ctx, project, "ca_none", "access_token", []byte("x")), domain.CodeNotFound)
}
