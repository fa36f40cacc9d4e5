package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Options says which database to open.
type Options struct {
	// Path is the SQLite file. It and its directory are made when missing, for
	// their owner alone.
	Path string
	// BusyWait is how long a write waits for another process; 0 means 5 s.
	BusyWait time.Duration
}

// DB is an open database.
type DB struct {
	queries
	pool  *sqlitePool
	close func() error
}

var (
	_ store.Store = (*DB)(nil)
	_ store.Tx    = (*queries)(nil)
)

// Open opens the database, making and migrating it as needed; several processes
// may do so at once. A database that a newer program made is refused with
// CodeUnsupported, a path that cannot be used with CodeInvalid.
func Open(ctx context.Context, opts Options) (*DB, error) {
	pool, err := openSQLite(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &DB{
		queries: queries{q: pool, d: sqliteDialect()},
		pool:    pool,
		close:   sync.OnceValue(pool.close),
	}, nil
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error { return db.close() }

// Ready says whether the database answers a read.
func (db *DB) Ready(ctx context.Context) error {
	_, err := one(ctx, &db.queries, noun{name: "database"}, scanInt, `SELECT count(*) FROM keysets`)
	return err
}

// maxTries bounds how often a transaction that lost to another is repeated.
const maxTries = 5

// InTx runs f in one transaction, as store.Store says. f must not use db: the
// one writer is taken, and the call would wait until it gives up.
func (db *DB) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	for try := 1; ; try++ {
		err := db.inTx(ctx, f)
		if err == nil || try == maxTries || db.d.classify(err) != kindSerialization {
			return err
		}
	}
}

func (db *DB) inTx(ctx context.Context, f func(tx store.Tx) error) (err error) {
	what := noun{name: "transaction"}
	tx, err := db.pool.begin(ctx)
	if err != nil {
		return db.fail(ctx, err, what)
	}
	defer tx.end() // rolls back unless committed, also when f panics
	if err := f(&queries{q: tx, d: db.d}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return db.fail(ctx, err, what)
	}
	if err := tx.commit(); err != nil {
		return db.fail(ctx, err, what)
	}
	return nil
}

// errKind is what a driver's error means to us.
type errKind int

const (
	kindOther errKind = iota
	kindUnique
	kindForeign
	kindBusy
	kindFull
	kindSerialization
)

// dialect holds all that differs between databases.
type dialect struct {
	// bind rewrites the ? placeholders; nil leaves them.
	bind func(query string) string
	// classify reads a driver's error, wrapped or not.
	classify func(err error) errKind
}

// fail turns a driver's error into one of ours. The driver's own text, which may
// quote SQL, is kept as the cause only.
func (s *queries) fail(ctx context.Context, err error, n noun) error {
	var ours *domain.Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return n.notFound()
	case errors.Is(err, context.Canceled):
		return domain.Errorf(domain.CodeCanceled, "the request was canceled").WithCause(err)
	case errors.Is(err, context.DeadlineExceeded):
		return domain.Errorf(domain.CodeUnavailable, "the database did not answer in time").WithCause(err)
	}
	switch s.d.classify(err) {
	case kindUnique:
		return n.conflict().WithCause(err)
	case kindForeign:
		return n.orphan().WithCause(err)
	case kindBusy, kindSerialization:
		return errBusy().WithCause(err)
	case kindFull:
		return domain.Errorf(domain.CodeUnavailable, "the database's disk is full or cannot be written").
			WithFix("Free space where the database lives and check its permissions.").WithCause(err)
	}
	if gone := ctx.Err(); gone != nil && !errors.Is(err, gone) {
		return s.fail(ctx, errors.Join(gone, err), n)
	}
	return domain.Internal("the database failed on "+n.label(), err)
}
