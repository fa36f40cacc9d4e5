package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testProjects(t *testing.T, s store.Store) {
	ctx := t.Context()
	if got := must(s.ListProjects(ctx))(t); len(got) != 0 {
		t.Fatalf("a new store has projects: %v", got)
	}
	young := domain.Project{ID: "pr_1", Name: "young", CreatedAt: at(5)}
	twin := domain.Project{ID: "pr_3", Name: "twin", CreatedAt: t0}
	old := domain.Project{ID: "pr_2", Name: "old", CreatedAt: t0}
	for _, p := range []domain.Project{young, twin, old} {
		ok(t, s.CreateProject(ctx, p))
		same(t, p, must(s.Project(ctx, p.ID))(t))
	}
	same(t, []domain.Project{old, twin, young}, must(s.ListProjects(ctx))(t))
	_, err := s.Project(ctx, "pr_none")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.CreateProject(ctx, domain.Project{ID: "pr_4", Name: "old"}), domain.CodeConflict)
	wantCode(t, s.CreateProject(ctx, domain.Project{ID: "pr_1", Name: "new"}), domain.CodeConflict)
	same(t, young, must(s.Project(ctx, "pr_1"))(t))
}

func testAPIKeys(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	k := w.a.key
	same(t, k, must(s.APIKeyByHash(ctx, k.Hash))(t))
	_, err := s.APIKeyByHash(ctx, hash("unknown"))
	wantCode(t, err, domain.CodeNotFound)

	newer := k
	newer.ID, newer.Hash, newer.CreatedAt = "key_newer", hash("newer"), at(1)
	twin := k
	twin.ID, twin.Hash = "key_0twin", hash("twin") // as old as the first, sorts before it
	ok(t, s.CreateAPIKey(ctx, newer))
	ok(t, s.CreateAPIKey(ctx, twin))
	same(t, []domain.APIKey{newer, k, twin}, must(s.ListAPIKeys(ctx, w.a.project.ID))(t))

	again := newer
	again.ID = "key_again"
	wantCode(t, s.CreateAPIKey(ctx, again), domain.CodeConflict)
	again.Hash, again.ID = hash("fresh"), newer.ID
	wantCode(t, s.CreateAPIKey(ctx, again), domain.CodeConflict)
	again.ID, again.ProjectID = "key_lost", "pr_none"
	wantCode(t, s.CreateAPIKey(ctx, again), domain.CodeNotFound)

	ok(t, s.RevokeAPIKey(ctx, w.a.project.ID, k.ID, at(7)))
	k.RevokedAt = at(7)
	same(t, k, must(s.APIKeyByHash(ctx, k.Hash))(t))
	ok(t, s.RevokeAPIKey(ctx, w.a.project.ID, k.ID, at(9)))
	same(t, k, must(s.APIKeyByHash(ctx, k.Hash))(t))
	wantCode(t, s.RevokeAPIKey(ctx, w.a.project.ID, "key_none", at(9)), domain.CodeNotFound)
	// Without a time the key would stay good: that must not pass for success.
	wantCode(t, s.RevokeAPIKey(ctx, w.a.project.ID, newer.ID, time.Time{}), domain.CodeInvalid)
}

func testRevokedAPIKeys(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	if got := must(s.RevokedAPIKeys(ctx, nil))(t); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
	ok(t, s.RevokeAPIKey(ctx, w.b.project.ID, w.b.key.ID, at(1)))
	got := must(s.RevokedAPIKeys(ctx, []string{w.a.key.ID, "key_gone", w.b.key.ID}))(t)
	slices.Sort(got)
	same(t, []string{w.b.key.ID, "key_gone"}, got)

	many := []string{w.a.key.ID}
	for i := range 2500 {
		many = append(many, fmt.Sprintf("key_gone_%d", i))
	}
	if got := must(s.RevokedAPIKeys(ctx, many))(t); len(got) != 2500 || slices.Contains(got, w.a.key.ID) {
		t.Errorf("of %d keys %d are revoked or gone", len(many), len(got))
	}
}

func testKeyset(t *testing.T, s store.Store) {
	ctx := t.Context()
	if got := must(s.LoadKeyset(ctx))(t); got != nil {
		t.Errorf("a new store has a keyset: %q", got)
	}
	_, err := s.SaveKeyset(ctx, nil)
	wantCode(t, err, domain.CodeInvalid)
	first := []byte("sealed\x00\xff")
	same(t, first, must(s.SaveKeyset(ctx, first))(t))
	same(t, first, must(s.SaveKeyset(ctx, []byte("second")))(t))
	same(t, first, must(s.LoadKeyset(ctx))(t))
}

func testKeysetRace(t *testing.T, s store.Store) {
	got := atOnce(t, 8, func(i int) (string, error) {
		b, err := s.SaveKeyset(t.Context(), fmt.Appendf(nil, "keyset of %d", i))
		return string(b), err
	})
	stored := must(s.LoadKeyset(t.Context()))(t)
	for i, g := range got {
		if g != string(stored) {
			t.Errorf("process %d got %q, stored is %q", i, g, stored)
		}
	}
}
