package sqlstore_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-run/sluice/internal/store/pgtest"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// Schema reads, and makes nothing.
func TestSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "with ? and #.db")
	for name, opts := range map[string]sqlstore.Options{"sqlite": {Path: path}, "postgres": {URL: pgtest.URL(t)}} {
		have, want, err := sqlstore.Schema(t.Context(), opts)
		switch {
		case opts.URL == "" && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("%s: no file: %v", name, err)
		case opts.URL != "" && (err != nil || have != 0 || want == 0):
			t.Errorf("%s: an empty database: %d of %d, %v", name, have, want, err)
		}
		db, err := sqlstore.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if have, want, err = sqlstore.Schema(t.Context(), opts); err != nil || have != want || want == 0 {
			t.Errorf("%s, beside an open one: %d of %d, %v", name, have, want, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if have, want, err = sqlstore.Schema(t.Context(), opts); err != nil || have != want {
			t.Errorf("%s: %d of %d, %v", name, have, want, err)
		}
	}
	raw, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err == nil {
		_, err = raw.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	}
	if err = errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	if have, want, err := sqlstore.Schema(t.Context(), sqlstore.Options{Path: path}); err != nil || have != 9999 || want >= have {
		t.Errorf("a newer one: %d of %d, %v", have, want, err)
	}
	none := filepath.Join(t.TempDir(), "none.db")
	if err := os.WriteFile(none, []byte("this is no database at all, is it?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sqlstore.Schema(t.Context(), sqlstore.Options{Path: none}); err == nil {
		t.Error("a text is a database")
	}
	if _, _, err := sqlstore.Schema(t.Context(), sqlstore.Options{URL: "postgres://x:secret@127.0.0.1:1/none"}); err == nil {
		t.Error("a database where there is none")
	}
}
