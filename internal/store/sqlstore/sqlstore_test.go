package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

func open(t testing.TB) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "home dir", "sl?uice#1%.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return db
}

func TestSmoke(t *testing.T) {
	db := open(t)
	if err := db.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateProject(t.Context(), domain.Project{ID: "pr_1", Name: "default"}); err != nil {
		t.Fatal(err)
	}
	ps, err := db.ListProjects(t.Context())
	t.Log(ps, err)
	_, err = db.Project(t.Context(), "nope")
	t.Log(err, domain.CodeOf(err))
}
