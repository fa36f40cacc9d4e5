package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/store/storetest"
)

// open opens a new database below a path with every character that has a meaning
// in addresses and driver names.
func open(t testing.TB) *sqlstore.DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "home dir", "sl?uice#1%20&x=y.db"))
}

func openAt(t testing.TB, path string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: path})
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

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}
