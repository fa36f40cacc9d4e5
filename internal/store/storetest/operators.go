package storetest

import (
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func testOperatorKeys(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	if got := must(s.ListOperatorKeys(ctx))(t); len(got) != 0 {
		t.Fatalf("a new store has operator keys: %v", got)
	}
	old := domain.APIKey{ID: "okey_1", Name: "old", Hash: hash("old"), Hint: "eold", CreatedAt: t0}
	young := domain.APIKey{ID: "okey_0", Name: "young", Hash: hash("young"), Hint: "oung", CreatedAt: at(1)}
	ok(t, s.CreateOperatorKey(ctx, old))
	ok(t, s.CreateOperatorKey(ctx, young))
	same(t, []domain.APIKey{young, old}, must(s.ListOperatorKeys(ctx))(t))
	same(t, old, must(s.OperatorKeyByHash(ctx, old.Hash))(t))
	again := old
	again.ID = "okey_2"
	wantCode(t, s.CreateOperatorKey(ctx, again), domain.CodeConflict)

	// A project's key is none of them, and they are no project's.
	_, err := s.OperatorKeyByHash(ctx, w.a.key.Hash)
	wantCode(t, err, domain.CodeNotFound)
	_, err = s.APIKeyByHash(ctx, old.Hash)
	wantCode(t, err, domain.CodeNotFound)

	wantCode(t, s.RevokeOperatorKey(ctx, "okey_none", at(2)), domain.CodeNotFound)
	wantCode(t, s.RevokeOperatorKey(ctx, w.a.key.ID, at(2)), domain.CodeNotFound)
	wantCode(t, s.RevokeOperatorKey(ctx, old.ID, time.Time{}), domain.CodeInvalid)
	ok(t, s.RevokeOperatorKey(ctx, old.ID, at(2)))
	ok(t, s.RevokeOperatorKey(ctx, old.ID, at(3)))
	old.RevokedAt = at(2)
	same(t, old, must(s.OperatorKeyByHash(ctx, old.Hash))(t))
}

func testRevokeAPIKeys(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	wantCode(t, s.RevokeAPIKeys(ctx, w.a.project.ID, time.Time{}), domain.CodeInvalid)
	more := w.a.key
	more.ID, more.Hash = "key_more", hash("more")
	ok(t, s.CreateAPIKey(ctx, more))
	ok(t, s.RevokeAPIKey(ctx, w.a.project.ID, more.ID, at(1)))
	ok(t, s.RevokeAPIKeys(ctx, w.a.project.ID, at(2)))
	for id, want := range map[[32]byte]time.Time{w.a.key.Hash: at(2), more.Hash: at(1), w.b.key.Hash: {}} {
		same(t, want, must(s.APIKeyByHash(ctx, id))(t).RevokedAt)
	}
}

// drain removes rows of a project until there are none, and says how many.
func drain(t *testing.T, s store.Store, id string) (total int) {
	t.Helper()
	for {
		n := must(s.DropOfProject(t.Context(), id, 2))(t)
		if total += n; n == 0 {
			return total
		}
	}
}

func testProjectEnds(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	before := snapshot(ctx, t, s, w.b)
	id := w.a.project.ID
	ended := func(project string, at time.Time) error {
		return s.InTx(ctx, func(tx store.Tx) error { return tx.EndProject(ctx, project, at) })
	}
	wantCode(t, ended("pr_none", at(1)), domain.CodeNotFound)
	wantCode(t, ended(id, time.Time{}), domain.CodeInvalid)
	if n := drain(t, s, id); n != 0 {
		t.Fatalf("of a project that is there %d rows were removed", n)
	}
	ok(t, s.ExpireFiles(ctx, id, at(0)))
	ok(t, s.DropProject(ctx, id))
	same(t, w.a.project, must(s.Project(ctx, id))(t))
	same(t, []string(nil), must(s.EndedProjects(ctx))(t))

	ok(t, ended(id, at(1)))
	wantCode(t, ended(id, at(2)), domain.CodeNotFound)
	_, err := s.Project(ctx, id)
	wantCode(t, err, domain.CodeNotFound)
	for _, p := range must(s.ListProjects(ctx))(t) {
		if p.ID == id {
			t.Error("a project that has ended is listed")
		}
	}
	same(t, []string{id}, must(s.EndedProjects(ctx))(t))
	_, err = s.APIKeyByHash(ctx, w.a.key.Hash)
	wantCode(t, err, domain.CodeNotFound)
	same(t, []string{w.a.key.ID}, must(s.RevokedAPIKeys(ctx, []string{w.a.key.ID, w.b.key.ID}))(t))
	ok(t, s.CreateProject(ctx, domain.Project{ID: "pr_heir", Name: w.a.project.Name, CreatedAt: at(1)})) // its name is free

	f := domain.File{ProjectID: id, Key: "left", Name: "x", SHA256: hash("left"), CreatedAt: t0, ExpiresAt: at(100)}
	must(s.AddFile(ctx, f, 1<<20))(t)
	wantCode(t, s.DropProject(ctx, id), domain.CodeNotFound)
	if n := drain(t, s, id); n < 10 {
		t.Errorf("only %d rows were removed", n)
	}
	wantCode(t, s.DropProject(ctx, id), domain.CodeNotFound) // the file
	ok(t, s.ExpireFiles(ctx, id, at(0)))
	ok(t, s.InTx(ctx, func(tx store.Tx) error {
		_, err := tx.DropExpiredFiles(ctx, at(0), 1000)
		return err
	}))
	ok(t, s.DropProject(ctx, id))
	ok(t, s.DropProject(ctx, id))
	same(t, []string(nil), must(s.EndedProjects(ctx))(t))
	wantCode(t, s.CreateAPIKey(ctx, w.a.key), domain.CodeNotFound)
	if after := snapshot(ctx, t, s, w.b); after != before {
		t.Errorf("the other project changed:\n%s\n%s", before, after)
	}
}
