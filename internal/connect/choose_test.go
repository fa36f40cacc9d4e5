package connect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
)

func code(err error) domain.Code { return domain.CodeOf(err) }

func TestChoose(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	old := w.Account(t, connecttest.Project, "ann", "ann@old.test", "old")
	recent := w.Account(t, connecttest.Project, "ann", "ann@new.test", "work")
	bobs := w.Account(t, connecttest.Project, "bob", "bob@x.test", "bobs")
	foreign := w.Account(t, connecttest.Other, "ann", "ann@foreign.test", "foreign")
	off := w.Account(t, connecttest.Project, "ann", "ann@off.test", "off")
	off.Disabled = true
	if err := w.DB.UpdateAccount(t.Context(), connecttest.Project, *off); err != nil {
		t.Fatal(err)
	}
	of := func(user string) connect.Choice {
		return connect.Choice{ProjectID: connecttest.Project, UserID: user, Toolkit: "notes"}
	}
	named := func(user, account string) connect.Choice { c := of(user); c.Account = account; return c }
	pinned := func(c connect.Choice, ids ...string) connect.Choice { c.Pinned = ids; return c }
	explicit := func(c connect.Choice) connect.Choice { c.Explicit = true; return c }
	tests := []struct {
		name   string
		choice connect.Choice
		want   string // account id
		code   domain.Code
		says   []string
	}{
		{name: "newest active", choice: of("ann"), want: recent.ID},
		{name: "own account of each user", choice: of("bob"), want: bobs.ID},
		{name: "by id", choice: named("ann", old.ID), want: old.ID},
		{name: "by alias", choice: named("ann", "old"), want: old.ID},
		{name: "by word id", choice: named("ann", old.WordID), want: old.ID},
		{name: "by id alone, without a user", choice: named("", old.ID), want: old.ID},
		{name: "neither user nor id", choice: named("", "old"), code: domain.CodeInvalid, says: []string{"user_id"}},
		{name: "pinned", choice: pinned(of("ann"), old.ID), want: old.ID},
		{name: "newest pinned", choice: pinned(of("ann"), old.ID, recent.ID), want: recent.ID},
		{name: "named outside the pins", choice: pinned(named("ann", recent.ID), old.ID), code: domain.CodeForbidden, says: []string{"pinned"}},
		{name: "pinned but unusable never falls back", choice: pinned(of("ann"), off.ID), code: domain.CodeNoConnection, says: []string{"pinned"}},
		{name: "explicit with several", choice: explicit(of("ann")), code: domain.CodeInvalid, says: []string{old.ID, recent.ID, "alias work", "ann@old.test"}},
		{name: "explicit with one", choice: explicit(of("bob")), want: bobs.ID},
		{name: "explicit and named", choice: explicit(named("ann", "work")), want: recent.ID},
		{name: "another user's by id", choice: named("ann", bobs.ID), code: domain.CodeNotFound, says: []string{"this user has no"}},
		{name: "another user's by alias", choice: named("ann", "bobs"), code: domain.CodeNotFound},
		{name: "another project's by id", choice: named("ann", foreign.ID), code: domain.CodeNotFound},
		{name: "another project's by id alone", choice: named("", foreign.ID), code: domain.CodeNotFound},
		{name: "disabled", choice: named("ann", "off"), code: domain.CodeNoConnection, says: []string{"disabled"}},
		{name: "nobody", choice: of("carl"), code: domain.CodeNoConnection, says: []string{"No active connected account found for toolkit: notes"}},
		{name: "toolkit without auth", choice: connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "abacus"}},
		{name: "unknown toolkit", choice: connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notez"}, code: domain.CodeNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := w.Connect.Choose(t.Context(), tt.choice)
			if code(err) != tt.code {
				t.Fatalf("code %q (%v), want %q", code(err), err, tt.code)
			}
			got := ""
			if a != nil {
				got = a.ID
			}
			if got != tt.want {
				t.Errorf("account %q, want %q", got, tt.want)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %q", err, s)
				}
			}
			if err != nil && strings.Contains(err.Error(), "bob@") {
				t.Errorf("error %q tells of another user", err)
			}
		})
	}
}

func TestNoConnectionSaysHowToConnect(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	_, err := w.Connect.Choose(t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"})
	var e *domain.Error
	if !errors.As(err, &e) || !strings.Contains(e.Fix, "COMPOSIO_MANAGE_CONNECTIONS") {
		t.Errorf("error %v does not say how to connect", err)
	}
}

func TestPrepareUsesTheAccountsOwnSecret(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	for _, user := range []string{"ann", "bob"} {
		w.Account(t, connecttest.Project, user, user+"@x.test", "")
	}
	tk, err := w.Catalog.Toolkit(t.Context(), connecttest.Project, "notes")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ann", "bob"} {
		a, err := w.Connect.Choose(t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: user, Toolkit: "notes"})
		if err != nil {
			t.Fatal(err)
		}
		call, err := w.Connect.Prepare(t.Context(), tk, a, nil)
		if err != nil {
			t.Fatal(err)
		}
		me, err := tk.Check(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		if me["email"] != user+"@x.test" {
			t.Errorf("%s's call ran as %s", user, me["email"])
		}
		for name, v := range call.Account {
			if strings.HasPrefix(v, "tok_") {
				t.Errorf("public field %s holds a secret", name)
			}
		}
	}
}

func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	token := w.Upstream.Grant("ann@x.test")
	a, err := w.Connect.Connect(t.Context(), connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}, w.Values("ann@x.test", token))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := w.DB.Secrets(t.Context(), connecttest.Project, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) != 1 || strings.Contains(string(stored["api_token"]), token) {
		t.Errorf("stored secrets: %d fields, or in the clear", len(stored))
	}
	got, err := w.Connect.Account(t.Context(), connecttest.Project, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"site": w.Upstream.URL, "email": "ann@x.test"}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Error(diff)
	}
	if got.Identity["email"] != "ann@x.test" || got.Status != domain.AccountActive {
		t.Errorf("account %+v", got)
	}
	if _, err := w.Connect.Delete(t.Context(), connecttest.Other, a.ID, false); code(err) != domain.CodeNotFound {
		t.Errorf("another project may delete: %v", err)
	}
	if _, err := w.Connect.Delete(t.Context(), connecttest.Project, a.ID, false); err != nil {
		t.Fatal(err)
	}
	stored, err = w.DB.Secrets(t.Context(), connecttest.Project, a.ID)
	if err != nil || len(stored) != 0 {
		t.Errorf("%d secrets are left, err %v", len(stored), err)
	}
}

func TestWordIDsAndTheirBound(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	seen := map[string]bool{}
	for range 100 {
		in, err := w.Connect.Initiate(t.Context(), connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"})
		if err != nil {
			t.Fatal(err)
		}
		id := in.Account.WordID
		if seen[id] || !strings.HasPrefix(id, "notes_") || strings.Count(id, "_") != 2 {
			t.Fatalf("word id %q after %d", id, len(seen))
		}
		seen[id] = true
	}
	start := connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	if _, err := w.Connect.Initiate(t.Context(), start); code(err) != domain.CodeRateLimited {
		t.Errorf("one more than can wait: %v", err)
	}
	w.Clock.Advance(10 * time.Minute)
	if _, err := w.Connect.Initiate(t.Context(), start); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
}

func TestAliasIsTaken(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	start := connect.Start{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes", Alias: "work"}
	if _, err := w.Connect.Initiate(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	_, err := w.Connect.Initiate(t.Context(), start)
	if e := domain.AsError(err); e == nil || e.Code != domain.CodeConflict || e.Field != "alias" {
		t.Errorf("error %v", err)
	}
	start.UserID = "bob"
	if _, err := w.Connect.Initiate(t.Context(), start); err != nil {
		t.Errorf("another user's alias: %v", err)
	}
}

func TestChooseStopsWaitingWhenCanceled(t *testing.T) {
	t.Parallel()
	p := &sandbox{t: t, block: make(chan struct{}), entered: make(chan struct{}, 1)}
	w := connecttest.New(t, p)
	p.w = w
	c := connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	first := make(chan error, 1)
	go func() {
		_, err := w.Connect.Choose(context.WithoutCancel(t.Context()), c)
		first <- err
	}()
	<-p.entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := w.Connect.Choose(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting ended with %v", err)
	}
	close(p.block)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// The store gives a user's newest 50 accounts; one that a call names, or that a
// session is pinned to, may be older.
func TestChooseAmongMany(t *testing.T) {
	t.Parallel()
	w := connecttest.New(t)
	first := w.Account(t, connecttest.Project, "ann", "ann@first.test", "first")
	for i := range 50 {
		w.Account(t, connecttest.Project, "ann", fmt.Sprintf("ann@%d.test", i), "")
	}
	for name, c := range map[string]connect.Choice{
		"by id":     {Account: first.ID},
		"by alias":  {Account: "first"},
		"by name":   {Account: first.WordID},
		"pinned":    {Pinned: []string{first.ID}},
		"both":      {Pinned: []string{first.ID}, Account: "first"},
		"no choice": {Pinned: []string{first.ID}, Explicit: true},
	} {
		c.ProjectID, c.UserID, c.Toolkit = connecttest.Project, "ann", "notes"
		a, err := w.Connect.Choose(t.Context(), c)
		if err != nil || a.ID != first.ID {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}
