package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testAuthConfigChanges(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, c := w.a.project.ID, w.a.config
	want := c
	want.Name, want.Disabled, want.RouterOff, want.UpdatedAt = "Second", true, false, at(9)
	want.Fields, want.Scopes = map[string]string{"client_id": "other"}, []string{"offline_access"}
	want.Tools, want.CreationTools = nil, nil
	change := want
	change.Toolkit, change.Scheme, change.Origin = "gmail", domain.SchemeNoAuth, domain.OriginAuto
	change.CreatedAt, change.ProjectID = at(99), w.b.project.ID
	ok(t, s.UpdateAuthConfig(ctx, project, change))
	same(t, want, must(s.AuthConfig(ctx, project, c.ID))(t))
	gone := c
	gone.ID = "ac_none"
	wantCode(t, s.UpdateAuthConfig(ctx, project, gone), domain.CodeNotFound)
	wantCode(t, s.DeleteAuthConfig(ctx, project, "ac_none"), domain.CodeNotFound)

	ok(t, s.PutConfigSecret(ctx, project, c.ID, "client_secret", []byte("new")))
	ok(t, s.PutConfigSecret(ctx, project, c.ID, "empty", nil))
	same(t, map[string][]byte{"client_secret": []byte("new"), "empty": {}}, must(s.ConfigSecrets(ctx, project, c.ID))(t))
	wantCode(t, s.PutConfigSecret(ctx, project, "ac_none", "client_secret", []byte("x")), domain.CodeNotFound)

	// With the config go its secrets, its accounts and theirs; of others nothing.
	ok(t, s.InTx(ctx, func(tx store.Tx) error { return tx.DeleteAuthConfig(ctx, project, c.ID) }))
	_, err := s.AuthConfig(ctx, project, c.ID)
	wantCode(t, err, domain.CodeNotFound)
	_, err = s.Account(ctx, project, w.a.account.ID)
	wantCode(t, err, domain.CodeNotFound)
	for _, left := range []int{
		len(must(s.ConfigSecrets(ctx, project, c.ID))(t)), len(must(s.Secrets(ctx, project, w.a.account.ID))(t)),
	} {
		if left != 0 {
			t.Errorf("%d secrets are left of a deleted auth config", left)
		}
	}
	same(t, w.b.account, must(s.Account(ctx, w.b.project.ID, w.b.account.ID))(t))
	if n := len(must(s.ConfigSecrets(ctx, w.b.project.ID, w.b.config.ID))(t)); n != 1 {
		t.Errorf("the other project has %d secrets of its auth config", n)
	}
}

func testGrants(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, a := w.a.project.ID, w.a.account

	// A change of names leaves the grant alone.
	renamed := a
	renamed.Alias, renamed.Grant = "work", domain.Grant{}
	ok(t, s.UpdateAccount(ctx, project, renamed))
	same(t, a.Grant, must(s.Account(ctx, project, a.ID))(t).Grant)

	next := a
	next.Alias = "not this way"
	next.Status, next.StatusReason, next.UpdatedAt = domain.AccountExpired, "invalid_grant", at(30)
	next.Grant = domain.Grant{Scopes: []string{}, RefreshedAt: at(29), Failures: 3, Generation: a.Generation}
	if !must(s.SwapGrant(ctx, project, next))(t) {
		t.Fatal("the grant was not swapped")
	}
	want := next
	want.Alias, want.Generation = "work", a.Generation+1
	got := must(s.Account(ctx, project, a.ID))(t)
	same(t, want, got)
	if got.Scopes == nil {
		t.Error("no scopes became unknown scopes")
	}
	if must(s.SwapGrant(ctx, project, next))(t) {
		t.Error("an old generation was swapped")
	}
	next.ID = "ca_none"
	if must(s.SwapGrant(ctx, project, next))(t) {
		t.Error("the grant of an unknown account was swapped")
	}
	unknown := want
	unknown.Scopes = nil
	if !must(s.SwapGrant(ctx, project, unknown))(t) {
		t.Fatal("the grant was not swapped")
	}
	if got := must(s.Account(ctx, project, a.ID))(t).Scopes; got != nil {
		t.Errorf("unknown scopes became %v", got)
	}
}

func testGrantRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	wonOnce(t, "the grant was swapped", func(i int) (bool, error) {
		a := w.a.account
		a.StatusReason = fmt.Sprint(i)
		return s.SwapGrant(t.Context(), w.a.project.ID, a)
	})
}

func testDueAccounts(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	add := func(id string, n tenant, minutes int, change func(*domain.ConnectedAccount)) {
		a := account(n.config, id, "user")
		a.RefreshAt = at(minutes)
		if change != nil {
			change(&a)
		}
		ok(t, s.CreateAccount(ctx, a))
	}
	add("ca_late", w.b, 10, nil)
	add("ca_first", w.a, 5, nil)
	add("ca_never", w.a, 0, func(a *domain.ConnectedAccount) { a.RefreshAt = time.Time{} })
	add("ca_off", w.a, 1, func(a *domain.ConnectedAccount) { a.Disabled = true })
	add("ca_dead", w.a, 1, func(a *domain.ConnectedAccount) { a.Status = domain.AccountExpired })
	for _, tc := range []struct {
		at, limit int
		want      string
	}{{4, 10, ""}, {5, 10, "ca_first"}, {12, 10, "ca_first ca_late"}, {12, 1, "ca_first"}, {60, 10, "ca_first ca_late ca_a ca_b"}} {
		got := must(s.DueAccounts(ctx, at(tc.at), tc.limit))(t)
		if g := ids(got, func(a domain.ConnectedAccount) string { return a.ID }); g != tc.want {
			t.Errorf("at %d: got %q, want %q", tc.at, g, tc.want)
		}
	}
}

func testLeases(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, tc := range []struct {
		name, owner string
		now, until  int
		want        bool
	}{
		{"x", "one", 0, 5, true},
		{"x", "two", 1, 6, false},
		{"x", "one", 2, 7, true}, // longer
		{"x", "two", 6, 9, false},
		{"y", "two", 6, 9, true},
		{"x", "two", 7, 9, true}, // its time has passed
		{"x", "one", 8, 9, false},
	} {
		if got := must(s.TakeLease(ctx, tc.name, tc.owner, at(tc.now), at(tc.until)))(t); got != tc.want {
			t.Errorf("%d: got %v", i, got)
		}
	}
	ok(t, s.DropLease(ctx, "x", "one")) // not its own
	if must(s.TakeLease(ctx, "x", "one", at(8), at(9)))(t) {
		t.Error("a lease was taken that another has")
	}
	ok(t, s.DropLease(ctx, "x", "two"))
	if !must(s.TakeLease(ctx, "x", "one", at(8), at(9)))(t) {
		t.Error("a lease given back cannot be taken")
	}
	ok(t, s.DropLease(ctx, "unknown", "one"))
}

func testLeaseRace(t *testing.T, s store.Store) {
	wonOnce(t, "the lease was taken", func(i int) (bool, error) {
		return s.TakeLease(t.Context(), "x", fmt.Sprint(i), at(0), at(1))
	})
}

func testFlows(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, f := w.a.project.ID, w.a.flow
	same(t, f, must(s.FlowByState(ctx, f.StateHash))(t))
	_, err := s.FlowByState(ctx, hash("unknown"))
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateFlow(ctx, f), domain.CodeConflict)
	lost := f
	lost.StateHash, lost.AccountID = hash("lost"), w.b.account.ID // of the other project
	wantCode(t, s.CreateFlow(ctx, lost), domain.CodeNotFound)
	for _, tc := range []struct {
		name string
		hash [32]byte
		at   time.Time
		want bool
	}{
		{"unknown", hash("unknown"), at(1), false},
		{"at the end", f.StateHash, f.ExpiresAt, false},
		{"just before", f.StateHash, f.ExpiresAt.Add(-time.Microsecond), true},
		{"again", f.StateHash, at(2), false},
	} {
		if got := must(s.UseFlow(ctx, project, tc.hash, tc.at))(t); got != tc.want {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
	_, err = s.UseFlow(ctx, w.b.project.ID, w.b.flow.StateHash, time.Time{})
	wantCode(t, err, domain.CodeInvalid)
	ok(t, s.DeleteAccount(ctx, project, f.AccountID))
	_, err = s.FlowByState(ctx, f.StateHash)
	wantCode(t, err, domain.CodeNotFound)
}

func testFlowRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	wonOnce(t, "the flow was used", func(int) (bool, error) {
		return s.UseFlow(t.Context(), w.a.project.ID, w.a.flow.StateHash, at(1))
	})
}

func testAccountEvents(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, first := w.a.project.ID, w.a.event
	second := first
	second.ID, second.Type, second.Reason, second.At = "evt_second", domain.AccountEventExpired, "", at(3)
	ok(t, s.AddAccountEvent(ctx, second))
	wantCode(t, s.AddAccountEvent(ctx, second), domain.CodeConflict)
	gone := second
	gone.ID, gone.AccountID = "evt_gone", "ca_none"
	wantCode(t, s.AddAccountEvent(ctx, gone), domain.CodeNotFound)
	for _, tc := range []struct {
		filter store.AccountEventFilter
		want   []domain.AccountEvent
	}{
		{store.AccountEventFilter{}, []domain.AccountEvent{second, first}},
		{store.AccountEventFilter{AccountID: first.AccountID, Types: []domain.AccountEventType{domain.AccountEventExpiring}}, []domain.AccountEvent{first}},
		{store.AccountEventFilter{AccountID: "ca_none"}, nil},
	} {
		got, total, err := s.ListAccountEvents(ctx, project, tc.filter, store.Page{})
		ok(t, err)
		same(t, tc.want, got)
		if total != len(tc.want) {
			t.Errorf("%+v: %d in all", tc.filter, total)
		}
	}
	ok(t, s.DeleteAccount(ctx, project, first.AccountID))
	if got, total, err := s.ListAccountEvents(ctx, project, store.AccountEventFilter{}, store.Page{}); err != nil || total != 0 {
		t.Errorf("events of a deleted account: %v, %v", got, err)
	}
}
