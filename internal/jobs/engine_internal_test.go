package jobs

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// Indexes are rebuilt at midnight, where the database can.
func TestNoReindexOnSQLite(t *testing.T) {
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: filepath.Join(t.TempDir(), "sluice.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cfg := &river.Config{}
	if _, err := newEngine(t.Context(), db, cfg); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if next := cfg.ReindexerSchedule; next == nil || next.Next(now).Before(now.AddDate(100, 0, 0)) {
		t.Error("indexes of SQLite are to be rebuilt")
	}
}
