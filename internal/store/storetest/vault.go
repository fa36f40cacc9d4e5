package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func secretKeys(items []store.SecretInfo) string {
	return ids(items, func(i store.SecretInfo) string { return i.ProjectID + "/" + i.AccountID + "/" + i.Field })
}

func testSecretWalk(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	began := time.Now().Add(-time.Minute)
	other := account(w.a.config, "ca_a2", "else")
	other.Toolkit, other.Status = "notes", domain.AccountRevoked
	other.Scopes = []string{"read:page", "write:page"}
	ok(t, s.CreateAccount(ctx, other))
	ok(t, s.PutSecret(ctx, "pr_a", "ca_a2", "api_token", []byte("\x01abcd rest")))
	ok(t, s.PutSecret(ctx, "pr_a", "ca_a2", "z", []byte("\x01abce rest")))
	ok(t, s.PutSecret(ctx, "pr_a", "ca_a2", "empty", nil))
	ok(t, s.PutConfigSecret(ctx, "pr_a", w.a.config.ID, "z_secret", []byte("\x01abcd of a config")))
	ok(t, s.PutWebhookSecret(ctx, "pr_a", w.a.hook.ID, "a_secret", []byte("\x01abcd of a webhook")))
	ok(t, s.PutEndpointSecret(ctx, "pr_a", w.a.endpoint.ID, "z_secret", []byte("\x01abcd of an endpoint")))
	const ofProject = "\x01abcd of a project"
	same(t, []byte(ofProject), must(s.KeepProjectSecret(ctx, "pr_a", "another", []byte(ofProject)))(t))
	const want = "pr_a/ca_a/access_token pr_a/ca_a2/api_token pr_a/ca_a2/empty pr_a/ca_a2/z pr_b/ca_b/access_token " +
		"pr_a/ac_a/client_secret pr_a/ac_a/z_secret pr_b/ac_b/client_secret pr_a/whs_a/a_secret pr_a/whs_a/secret pr_b/whs_b/secret pr_a/pr_a/another pr_a/pr_a/own pr_b/pr_b/own " +
		"pr_a/we_a/secret pr_a/we_a/z_secret pr_b/we_b/secret"

	all := must(s.SecretsAfter(ctx, store.SecretFilter{}, store.SecretKey{}, 100))(t)
	if secretKeys(all) != want {
		t.Fatalf("all: %s", secretKeys(all))
	}
	for size := 1; size <= len(all)+1; size++ {
		var got []store.SecretInfo
		var after store.SecretKey
		for {
			page := must(s.SecretsAfter(ctx, store.SecretFilter{}, after, size))(t)
			if got = append(got, page...); len(page) < size {
				break
			}
			after = page[len(page)-1].SecretKey
		}
		if keys := secretKeys(got); keys != secretKeys(all) {
			t.Errorf("in steps of %d: %s", size, keys)
		}
	}
	for _, tt := range []struct {
		f    store.SecretFilter
		want string
	}{
		{store.SecretFilter{Under: []byte("\x01abcd")}, "pr_a/ca_a2/api_token pr_a/ac_a/z_secret pr_a/whs_a/a_secret pr_a/pr_a/another pr_a/we_a/z_secret"},
		{store.SecretFilter{UserID: "else", Under: []byte("\x01abcd")}, "pr_a/ca_a2/api_token"},
		{store.SecretFilter{Toolkit: "notes", NotUnder: []byte("\x01abcd")}, "pr_a/ca_a2/empty pr_a/ca_a2/z"},
		{store.SecretFilter{Toolkit: "notes", ProjectID: "pr_b"}, ""},
		{store.SecretFilter{UserID: "user", Under: []byte("sealed ")}, "pr_a/ca_a/access_token pr_b/ca_b/access_token"},
	} {
		got := must(s.SecretsAfter(ctx, tt.f, store.SecretKey{}, 100))(t)
		if keys := secretKeys(got); keys != tt.want {
			t.Errorf("%+v gives %q, want %q", tt.f, keys, tt.want)
		}
		if n := must(s.CountSecrets(ctx, tt.f))(t); n != len(got) {
			t.Errorf("%+v counts %d of %d", tt.f, n, len(got))
		}
	}
	i := must(s.SecretsAfter(ctx, store.SecretFilter{UserID: "else"}, store.SecretKey{}, 1))(t)[0]
	if i.CreatedAt.Before(began) || !i.SealedAt.Equal(i.CreatedAt) || !i.UsedAt.IsZero() {
		t.Errorf("times of a new secret: %v %v %v", i.CreatedAt, i.SealedAt, i.UsedAt)
	}
	i.CreatedAt, i.SealedAt = time.Time{}, time.Time{}
	same(t, store.SecretInfo{
		SecretKey: store.SecretKey{ProjectID: "pr_a", AccountID: "ca_a2", Field: "api_token"}, Sealed: []byte("\x01abcd rest"),
		UserID: "else", Toolkit: "notes", Scheme: other.Scheme, Status: domain.AccountRevoked, Scopes: other.Scopes,
	}, i)
}

func testSwapSecret(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	key := store.SecretKey{ProjectID: w.a.project.ID, AccountID: w.a.account.ID, Field: "access_token"}
	before := must(s.SecretsAfter(ctx, store.SecretFilter{ProjectID: key.ProjectID}, store.SecretKey{}, 1))(t)[0]
	for _, tt := range []struct {
		key       store.SecretKey
		was, want string
		swapped   bool
	}{
		{key, "else", "sealed a", false},
		{key, "sealed a", "new", true},
		{key, "sealed a", "new", false}, // once
		{store.SecretKey{ProjectID: key.ProjectID, AccountID: key.AccountID, Field: "none"}, "new", "new", false},
	} {
		if got := must(s.SwapSecret(ctx, tt.key, []byte(tt.was), []byte("new")))(t); got != tt.swapped {
			t.Errorf("%+v in the place of %q: %v", tt.key, tt.was, got)
		}
		same(t, map[string][]byte{"access_token": []byte(tt.want)}, must(s.Secrets(ctx, key.ProjectID, key.AccountID))(t))
	}
	after := must(s.SecretsAfter(ctx, store.SecretFilter{ProjectID: key.ProjectID}, store.SecretKey{}, 1))(t)[0]
	if !after.CreatedAt.Equal(before.CreatedAt) || after.SealedAt.Before(before.SealedAt) {
		t.Errorf("times changed from %v, %v to %v, %v", before.CreatedAt, before.SealedAt, after.CreatedAt, after.SealedAt)
	}
	ok(t, s.PutConfigSecret(ctx, w.a.project.ID, w.a.config.ID, "z_secret", []byte("old")))
	config := store.SecretKey{ProjectID: w.a.project.ID, AccountID: w.a.config.ID, Field: "z_secret"}
	for _, want := range []bool{true, false} {
		if got := must(s.SwapSecret(ctx, config, []byte("old"), []byte("new")))(t); got != want {
			t.Errorf("a config's secret: %v", got)
		}
	}
	same(t, []byte("new"), must(s.ConfigSecrets(ctx, w.a.project.ID, w.a.config.ID))(t)["z_secret"])
	same(t, []byte("sealed for a"), must(s.KeepProjectSecret(ctx, "pr_a", "own", []byte("too late")))(t))
	own := store.SecretKey{ProjectID: "pr_a", AccountID: "pr_a", Field: "own"}
	for _, want := range []bool{true, false} {
		if got := must(s.SwapSecret(ctx, own, []byte("sealed for a"), []byte("new")))(t); got != want {
			t.Errorf("a project's secret: %v", got)
		}
	}
	same(t, []byte("new"), must(s.ProjectSecret(ctx, "pr_a", "own"))(t))
	// Of many that replace the same one, one does.
	won := atOnce(t, 8, func(i int) (bool, error) {
		return s.SwapSecret(ctx, key, []byte("new"), fmt.Appendf(nil, "by %d", i))
	})
	if i := slices.Index(won, true); i < 0 || slices.Contains(won[i+1:], true) ||
		string(must(s.Secrets(ctx, key.ProjectID, key.AccountID))(t)["access_token"]) != fmt.Sprintf("by %d", i) {
		t.Errorf("winners: %v", won)
	}
}

func testDeleteSecrets(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	ok(t, s.PutSecret(ctx, w.a.project.ID, w.a.account.ID, "refresh_token", []byte("x")))
	for _, want := range []int{2, 0} {
		if n := must(s.DeleteSecrets(ctx, w.a.project.ID, w.a.account.ID))(t); n != want {
			t.Errorf("%d went, want %d", n, want)
		}
	}
	if n := must(s.CountSecrets(ctx, store.SecretFilter{UserID: "user", Under: []byte("sealed ")}))(t); n != 1 {
		t.Errorf("%d secrets are left, want the other project's", n)
	}
	must(s.Account(ctx, w.a.project.ID, w.a.account.ID))(t)
}

func testUses(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	used := func() time.Time {
		return must(s.SecretsAfter(ctx, store.SecretFilter{ProjectID: w.a.project.ID}, store.SecretKey{}, 1))(t)[0].UsedAt
	}
	for _, tt := range []struct{ at, want int }{{5, 5}, {7, 7}, {6, 7}} {
		ok(t, s.TouchAccount(ctx, w.a.project.ID, w.a.account.ID, at(tt.at)))
		if got := used(); !got.Equal(at(tt.want)) {
			t.Errorf("used at %v, want minute %d", got, tt.want)
		}
	}
	ok(t, s.TouchAccount(ctx, w.a.project.ID, "ca_none", at(1))) // it may be gone
	ok(t, s.DeleteAccount(ctx, w.a.project.ID, w.a.account.ID))
	ok(t, s.CreateAccount(ctx, w.a.account))
	ok(t, s.PutSecret(ctx, w.a.project.ID, w.a.account.ID, "access_token", []byte("x")))
	if got := used(); !got.IsZero() {
		t.Errorf("a use outlived its account: %v", got)
	}
}

func testSwapKeyset(t *testing.T, s store.Store) {
	ctx := t.Context()
	if must(s.SwapKeyset(ctx, nil, []byte("x")))(t) {
		t.Error("replaced a keyset that is not there")
	}
	must(s.SaveKeyset(ctx, []byte("first")))(t)
	if must(s.SwapKeyset(ctx, []byte("else"), []byte("x")))(t) || !must(s.SwapKeyset(ctx, []byte("first"), []byte("second")))(t) {
		t.Error("what was there did not decide")
	}
	_, err := s.SwapKeyset(ctx, []byte("second"), nil)
	wantCode(t, err, domain.CodeInvalid)
	same(t, []byte("second"), must(s.LoadKeyset(ctx))(t))
}
