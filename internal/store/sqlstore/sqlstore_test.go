package sqlstore_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/store/storetest"
)

// open opens a new database below a path with every character that has a meaning
// in addresses and driver names.
func open(t testing.TB) *sqlstore.DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "home dir", "sl?uice#1%20&x=y.db"))
}

func openAt(t testing.TB, where string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), at(where))
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

// at names a database by its path or URL.
func at(where string) sqlstore.Options {
	if strings.HasPrefix(where, "postgres://") {
		return sqlstore.Options{URL: where}
	}
	return sqlstore.Options{Path: where}
}

// onBoth runs a test on each kind of database, given one that is new.
func onBoth(t *testing.T, test func(t *testing.T, where string)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "home", "sluice.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.URL(t))
	})
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

func TestStoreOnPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return openAt(t, pgtest.URL(t)) })
}
