package connect_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// sandbox connects everybody to the notes toolkit. Like the real one it forgets
// its tokens when it restarts.
type sandbox struct {
	t       testing.TB
	w       *connecttest.World
	block   chan struct{} // when set, Provision waits for it
	entered chan struct{}

	mu    sync.Mutex
	good  map[string]bool // account ids that are still good
	calls int
	made  int
}

func (s *sandbox) Toolkit() string { return "notes" }

func (s *sandbox) Provision(_ context.Context, _, userID string, earlier *domain.ConnectedAccount) (*connect.Grant, error) {
	if s.block != nil {
		s.entered <- struct{}{}
		<-s.block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if earlier != nil && s.good[earlier.ID] {
		return nil, nil
	}
	if earlier != nil {
		s.good = map[string]bool{earlier.ID: true}
	}
	s.made++
	email := userID + "@sandbox.test"
	return &connect.Grant{
		Fields:   map[string]string{"site": s.w.Upstream.URL, "email": email},
		Secrets:  toolkit.Secrets{"api_token": s.w.Upstream.Grant(email)},
		Identity: toolkit.Identity{"email": email},
	}, nil
}

func sandboxed(t *testing.T) (*connecttest.World, *sandbox) {
	p := &sandbox{t: t}
	w := connecttest.New(t, p)
	p.w = w
	return w, p
}

func accountsOf(t *testing.T, w *connecttest.World, user string) []domain.ConnectedAccount {
	t.Helper()
	list, _, err := w.Connect.Accounts(t.Context(), connecttest.Project, store.AccountFilter{UserIDs: []string{user}}, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Two processes with many first calls at once make one account.
func TestProvisionRace(t *testing.T) {
	t.Parallel()
	w, p := sandboxed(t)
	other := w.NewConnect(p)
	ids := make([]string, 40)
	var wg sync.WaitGroup
	for i := range ids {
		svc := w.Connect
		if i%2 == 1 {
			svc = other
		}
		wg.Go(func() {
			a, err := svc.Choose(t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = a.ID
		})
	}
	wg.Wait()
	list := accountsOf(t, w, "ann")
	if len(list) != 1 {
		t.Fatalf("%d accounts were made", len(list))
	}
	for _, id := range ids {
		if id != list[0].ID {
			t.Fatalf("a call got account %q, want %q", id, list[0].ID)
		}
	}
	configs, n, err := w.Connect.AuthConfigs(t.Context(), connecttest.Project, "notes", store.Page{})
	if err != nil || n != 1 || configs[0].Origin != domain.OriginSandbox {
		t.Errorf("auth configs %+v, err %v", configs, err)
	}
}

func TestProvisionIsPerUserAndProject(t *testing.T) {
	t.Parallel()
	w, _ := sandboxed(t)
	seen := map[string]string{}
	for _, c := range []connect.Choice{
		{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"},
		{ProjectID: connecttest.Project, UserID: "bob", Toolkit: "notes"},
		{ProjectID: connecttest.Other, UserID: "ann", Toolkit: "notes"},
	} {
		a, err := w.Connect.Choose(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if a.UserID != c.UserID || a.ProjectID != c.ProjectID || seen[a.ID] != "" {
			t.Errorf("choice %+v got %+v", c, a)
		}
		seen[a.ID] = c.UserID
	}
}

func TestProvisionRenewsInPlace(t *testing.T) {
	t.Parallel()
	w, p := sandboxed(t)
	c := connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	whose := func() string {
		t.Helper()
		a, err := w.Connect.Choose(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		tk, _ := w.Catalog.Toolkit(t.Context(), connecttest.Project, "notes")
		call, err := w.Connect.Prepare(t.Context(), tk, a, nil)
		if err != nil {
			t.Fatal(err)
		}
		me, err := tk.Check(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		if me["email"] != "ann@sandbox.test" {
			t.Errorf("ran as %v", me)
		}
		return a.ID
	}
	first := whose()
	if again := whose(); again != first { // not known as good yet: renewed
		t.Errorf("account %q, want %q", again, first)
	}
	made := p.made
	if again := whose(); again != first || p.made != made {
		t.Errorf("a good account was renewed: %d grants, want %d", p.made, made)
	}
	p.mu.Lock()
	p.good = nil // the sandbox started anew
	p.mu.Unlock()
	if again := whose(); again != first || p.made != made+1 {
		t.Errorf("account %q with %d grants, want %q with %d", again, p.made, first, made+1)
	}
	if n := len(accountsOf(t, w, "ann")); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

func TestRealAccountGoesBeforeTheSandbox(t *testing.T) {
	t.Parallel()
	w, p := sandboxed(t)
	c := connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	provisioned, err := w.Connect.Choose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(1e9)
	realOne := w.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	calls := p.calls
	a, err := w.Connect.Choose(t.Context(), c)
	if err != nil || a.ID != realOne.ID || p.calls != calls {
		t.Errorf("chose %+v, err %v, %d provisioner calls more", a, err, p.calls-calls)
	}
	// Without the sandbox its account is passed over, even when it is named.
	without := w.NewConnect()
	if _, err := w.Connect.Delete(t.Context(), connecttest.Project, realOne.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, err := without.Choose(t.Context(), c); code(err) != domain.CodeNoConnection {
		t.Errorf("error %v", err)
	}
	c.Account = provisioned.ID
	if _, err := without.Choose(t.Context(), c); code(err) != domain.CodeNoConnection {
		t.Errorf("error %v", err)
	}
}

// A sandbox account that was switched off does not stand in the way of a new one.
func TestProvisionBesideAnUnusableOne(t *testing.T) {
	t.Parallel()
	w, _ := sandboxed(t)
	c := connect.Choice{ProjectID: connecttest.Project, UserID: "ann", Toolkit: "notes"}
	first, err := w.Connect.Choose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	first.Disabled = true
	if err := w.DB.UpdateAccount(t.Context(), connecttest.Project, *first); err != nil {
		t.Fatal(err)
	}
	second, err := w.Connect.Choose(t.Context(), c)
	if err != nil || second.ID == first.ID || second.WordID == first.WordID {
		t.Errorf("second %+v, err %v", second, err)
	}
	c.Pinned = []string{first.ID}
	if _, err := w.Connect.Choose(t.Context(), c); code(err) != domain.CodeNoConnection {
		t.Errorf("pinned to an unusable account: %v", err)
	}
}

// A first use makes an account: for no user that a session could not have.
func TestProvisionForNobody(t *testing.T) {
	t.Parallel()
	w, p := sandboxed(t)
	for _, user := range []string{" ", "ann\nbob", strings.Repeat("a", 257)} {
		_, err := w.Connect.Choose(t.Context(), connect.Choice{ProjectID: connecttest.Project, UserID: user, Toolkit: "notes"})
		if code(err) != domain.CodeInvalid || !strings.Contains(err.Error(), "user_id") {
			t.Errorf("%.20q: %v", user, err)
		}
	}
	_, n, err := w.Connect.Accounts(t.Context(), connecttest.Project, store.AccountFilter{}, store.Page{})
	if err != nil || n != 0 || p.made != 0 {
		t.Errorf("%d accounts, %d made, %v", n, p.made, err)
	}
}
