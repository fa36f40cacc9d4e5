package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/sluice-run/sluice/internal/domain"
)

// openSQLite makes the file where there is none, brings its tables up to date
// and gives the pools.
func openSQLite(ctx context.Context, opts Options) (_ *sqlitePool, err error) {
	if opts.Path == "" {
		return nil, domain.Invalid("path", "the database needs a file path")
	}
	path, err := filepath.Abs(opts.Path)
	if err != nil {
		return nil, unusable(opts.Path, err)
	}
	if err := makeFile(path); err != nil {
		return nil, unusable(path, err)
	}
	pool := &sqlitePool{}
	defer func() {
		if err != nil {
			_ = pool.close()
		}
	}()
	if err := pool.connect(path, cmp.Or(opts.BusyWait, busyWait)); err != nil {
		return nil, unusable(path, err)
	}
	if err := migrate(ctx, pool, path); err != nil {
		return nil, err
	}
	// SQLite opens a file that it may not write for reading alone. A change that
	// finds no row tells.
	if _, err := pool.exec(ctx, `DELETE FROM keysets WHERE id = 0`, nil); err != nil {
		return nil, unusable(path, err)
	}
	if err := pool.prepare(ctx); err != nil {
		return nil, unusable(path, err)
	}
	return pool, nil
}

// makeFile makes an empty database file that only its owner can read; SQLite
// gives its side files the same mode. The file gets its name only when it is
// closed: closing a file drops every lock that this process holds on it, those
// of a connection made meanwhile too.
func makeFile(path string) error {
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("it is a directory")}
	case err == nil:
		if info.Mode().Perm()&0o077 != 0 {
			return os.Chmod(path, 0o600)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".sluice-new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// A file system without links.
	f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

const (
	migrateFor   = 20 * time.Second
	migratePause = 20 * time.Millisecond
)

// migrate brings the tables up to date. Processes that start together race for
// each step; the loser's step fails as a whole, and it looks again.
func migrate(ctx context.Context, pool *sqlitePool, path string) error {
	steps, err := migrationsFor(false)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(migrateFor)
	last := int64(-1)
	for {
		version, err := migrateOnce(ctx, pool, steps, path)
		if err == nil {
			return nil
		}
		var ours *domain.Error
		if errors.As(err, &ours) {
			return err
		}
		// Another process made progress, or holds the file for a moment.
		again := version > last || isBusy(err)
		last = max(last, version)
		if !again || time.Now().After(deadline) {
			return unusable(path, err)
		}
		select {
		case <-ctx.Done():
			return unusable(path, ctx.Err())
		case <-time.After(migratePause):
		}
	}
}

// migrateOnce gives the version that the database had before.
func migrateOnce(ctx context.Context, pool *sqlitePool, steps fs.FS, path string) (int64, error) {
	p, err := goose.NewProvider(goose.DialectSQLite3, pool.w, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return -1, err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return -1, err
	}
	if current > target {
		return current, newerDatabase(path, current, target).
			WithFix("Run the newer program, or set SLUICE_HOME to another directory.")
	}
	if current == target {
		return current, nil
	}
	_, err = p.Up(ctx)
	return current, err
}

func isBusy(err error) bool { return classifySQLite(err) == kindBusy }

// unusable says in plain words why the file cannot be the database.
func unusable(path string, err error) error {
	if errors.Is(err, context.Canceled) {
		return domain.Errorf(domain.CodeCanceled, "opening the database %s was canceled", path).WithCause(err)
	}
	var pathErr *fs.PathError
	var engine *sqlite.Error
	why := "it cannot be opened"
	switch {
	case errors.As(err, &pathErr):
		why = pathErr.Err.Error()
	case isBusy(err):
		return domain.Errorf(domain.CodeUnavailable, "the database %s is held by another process", path).WithCause(err)
	case errors.As(err, &engine):
		switch engine.Code() & 0xff {
		case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
			why = "it is not a readable SQLite database"
		case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
			why = "it or its directory cannot be written"
		case lib.SQLITE_FULL:
			why = "the disk is full"
		case lib.SQLITE_IOERR:
			why = "the disk fails"
		}
	}
	return domain.Invalid("path", "cannot use the database %s: %s", path, why).
		WithFix("Make the directory writable for this user, or set SLUICE_HOME to another one.").WithCause(err)
}
