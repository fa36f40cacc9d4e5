package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// raw opens the file beside the store, as a foreign program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func wantError(t *testing.T, err error, code domain.Code, parts ...string) {
	t.Helper()
	var e *domain.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v of %q, want %q", err, domain.CodeOf(err), code)
	}
	for _, p := range parts {
		if !strings.Contains(e.Message+" "+e.Fix, p) {
			t.Errorf("%q (fix %q) does not say %q", e.Message, e.Fix, p)
		}
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "home")
	path := filepath.Join(dir, "sluice.db")
	db := openAt(t, path)
	if err := db.CreateProject(t.Context(), domain.Project{ID: "pr_1", Name: "x"}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s: %v, %v", d, info.Mode(), err)
			}
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 3 {
			t.Fatalf("files %v, %v; want the database, its log and index", files, err)
		}
		for _, f := range files {
			if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
			}
		}
	}
	check()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("after Close there are %v, %v; want one whole file", left, err)
	}
	if err := os.Chmod(path, 0o644); err != nil { // as an older copy may be
		t.Fatal(err)
	}
	if _, err := openAt(t, path).Project(t.Context(), "pr_1"); err != nil {
		t.Error(err)
	}
	check()
}

func TestUnusablePaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	text := filepath.Join(dir, "text.db")
	for path, content := range map[string]string{file: "x", text: strings.Repeat("not a database ", 100)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	readOnly := filepath.Join(dir, "read-only.db")
	if err := openAt(t, readOnly).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(readOnly, 0o400); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path string
		says []string
	}{
		"empty":               {"", []string{"path"}},
		"below a file":        {filepath.Join(file, "sluice.db"), []string{file, "not a directory"}},
		"deep below a file":   {filepath.Join(file, "a", "b.db"), []string{file, "not a directory"}},
		"a directory":         {dir, []string{dir, "directory"}},
		"not a database":      {text, []string{text, "not a readable SQLite database"}},
		"read-only file":      {readOnly, []string{readOnly, "cannot be written"}},
		"read-only directory": {filepath.Join(locked, "sluice.db"), []string{locked, "permission denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "read-only") && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: tc.path})
			if err == nil {
				_ = db.Close()
			}
			wantError(t, err, domain.CodeInvalid, tc.says...)
		})
	}
	if got, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(got), "not a database") {
		t.Errorf("the foreign file was changed: %.20q %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sqlstore.Open(ctx, sqlstore.Options{Path: filepath.Join(dir, "new.db")})
	wantError(t, err, domain.CodeCanceled)
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	db := openAt(t, path)
	if err := db.CreateProject(t.Context(), domain.Project{ID: "pr_1", Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	foreign := raw(t, path)
	if _, err := foreign.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`); err != nil {
		t.Fatal(err)
	}
	_, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: path})
	wantError(t, err, domain.CodeUnsupported, "made by a newer Sluice", path, "99999", "Run the newer program")
	if _, err := foreign.Exec(`DELETE FROM goose_db_version WHERE version_id = 99999`); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, path).Project(t.Context(), "pr_1"); err != nil {
		t.Errorf("the refused database was changed: %v", err)
	}
}

func TestOpenInOneProcessAtOnce(t *testing.T) { onBoth(t, testOpenInOneProcessAtOnce) }

func testOpenInOneProcessAtOnce(t *testing.T, path string) {
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := sqlstore.Open(t.Context(), at(path))
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Another process that holds the file makes a write fail as busy, not as broken,
// and reading goes on.
func TestBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Path: path, BusyWait: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	project := domain.Project{ID: "pr_1", Name: "x"}
	if err := db.CreateProject(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	conn, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err = db.CreateProject(t.Context(), domain.Project{ID: "pr_2", Name: "y"})
	wantError(t, err, domain.CodeUnavailable, "busy")
	if domain.AsError(err).RetryAfter <= 0 {
		t.Error("it does not say when to come back")
	}
	err = db.InTx(t.Context(), func(store.Tx) error {
		t.Error("the transaction began")
		return nil
	})
	wantError(t, err, domain.CodeUnavailable, "busy")
	if _, err := db.Project(t.Context(), project.ID); err != nil {
		t.Errorf("reading meanwhile: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateProject(t.Context(), domain.Project{ID: "pr_2", Name: "y"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A transaction that never ends does not hold others for ever; neither does a
// write that a transaction sends past itself.
func TestWritersWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openAt(t, filepath.Join(t.TempDir(), "sluice.db"))
		project := domain.Project{ID: "pr_1", Name: "x"}
		err := db.InTx(t.Context(), func(tx store.Tx) error {
			if err := tx.CreateProject(t.Context(), project); err != nil {
				return err
			}
			began := time.Now()
			wantError(t, db.CreateProject(t.Context(), project), domain.CodeUnavailable, "busy")
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("gave up after %v", took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			wantError(t, db.CreateProject(ctx, project), domain.CodeUnavailable, "in time")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Project(t.Context(), project.ID); err != nil {
			t.Error(err)
		}
	})
}

// A write whose caller leaves in the midst is either made and reported as made,
// or not made: never made and reported as not.
func TestCanceledWritesTellTheTruth(t *testing.T) { onBoth(t, testCanceledWritesTellTheTruth) }

func testCanceledWritesTellTheTruth(t *testing.T, path string) {
	db := openAt(t, path)
	if err := db.CreateProject(t.Context(), domain.Project{ID: "pr_1", Name: "x"}); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		e := domain.Execution{ID: domain.NewID(domain.PrefixExecution), ProjectID: "pr_1"}
		var wg sync.WaitGroup
		wg.Go(cancel)
		err := db.RecordExecution(ctx, e)
		wg.Wait()
		_, found := db.Execution(t.Context(), "pr_1", e.ID)
		if (err == nil) != (found == nil) {
			t.Fatalf("writing said %v, reading says %v", err, found)
		}

		ctx, cancel = context.WithCancel(t.Context())
		e.ID = domain.NewID(domain.PrefixExecution)
		err = db.InTx(ctx, func(tx store.Tx) error {
			wg.Go(cancel)
			return tx.RecordExecution(ctx, e)
		})
		wg.Wait()
		_, found = db.Execution(t.Context(), "pr_1", e.ID)
		if (err == nil) != (found == nil) {
			t.Fatalf("the transaction said %v, reading says %v", err, found)
		}
		if err != nil && domain.CodeOf(err) != domain.CodeCanceled {
			t.Fatalf("got %v of %s", err, domain.CodeOf(err))
		}
	}
}
