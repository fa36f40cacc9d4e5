package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
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
	// URL is the address of a PostgreSQL database, postgres://…; it comes before
	// Path. It may hold a password, and shows in no error.
	URL string
	// BusyWait is how long a write to SQLite waits for another process; 0 means
	// 5 s.
	BusyWait time.Duration
}

// DB is an open database.
type DB struct {
	queries
	pool  pool
	close func() error
}

// pool is a database's connections.
type pool interface {
	querier
	// begin opens a transaction, in which statements see and change what they
	// would if no other ran.
	begin(ctx context.Context) (transaction, error)
	close() error
}

// transaction is an open one. end must be called; before a commit it rolls back.
type transaction interface {
	querier
	commit() error
	end()
}

var (
	_ store.Store = (*DB)(nil)
	_ store.Tx    = (*queries)(nil)
)

// Open opens the database, making and migrating it as needed; several processes
// may do so at once. A database that a newer program made is refused with
// CodeUnsupported, a path that cannot be used with CodeInvalid.
func Open(ctx context.Context, opts Options) (*DB, error) {
	if opts.URL != "" {
		p, err := openPostgres(ctx, opts)
		if err != nil {
			return nil, err
		}
		return newDB(p, postgresDialect()), nil
	}
	p, err := openSQLite(ctx, opts)
	if err != nil {
		return nil, err
	}
	return newDB(p, sqliteDialect()), nil
}

func newDB(p pool, d *dialect) *DB {
	return &DB{queries: queries{q: p, d: d}, pool: p, close: sync.OnceValue(p.close)}
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error { return db.close() }

// Ready says whether the database answers a read.
func (db *DB) Ready(ctx context.Context) error {
	_, err := one(ctx, &db.queries, noun{name: "database"}, scanInt, `SELECT count(*) FROM keysets`)
	return err
}

// AddFile implements store.Files. To weigh and to add must be one step; inside a
// transaction it is.
func (db *DB) AddFile(ctx context.Context, f domain.File, quota int64) (added bool, err error) {
	err = db.InTx(ctx, func(tx store.Tx) error {
		added, err = tx.AddFile(ctx, f, quota)
		return err
	})
	return added, err
}

const (
	// maxTries bounds how often a transaction that lost to another is repeated.
	maxTries = 40
	// maxPause bounds the pause before it is.
	maxPause = 50 * time.Millisecond
)

// InTx runs f in one transaction, as store.Store says. f must not use db: on
// SQLite the one writer is taken, and the call would wait until it gives up.
func (db *DB) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	for try := 1; ; try++ {
		err := db.inTx(ctx, f)
		if err == nil || try == maxTries || db.d.classify(err) != kindSerialization {
			return err
		}
		if err := pause(ctx, min(time.Millisecond<<min(try, 16), maxPause)); err != nil {
			return db.fail(ctx, err, noun{name: "transaction"})
		}
	}
}

// pause waits for up to the given time, so that those who lost to each other do
// not meet again.
func pause(ctx context.Context, most time.Duration) error {
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (db *DB) inTx(ctx context.Context, f func(tx store.Tx) error) (err error) {
	what := noun{name: "transaction"}
	tx, err := db.pool.begin(ctx)
	if err != nil {
		return db.fail(ctx, err, what)
	}
	defer tx.end() // rolls back unless committed, also when f panics
	var broken error
	q := &queries{q: tx, d: db.d, broke: func(err error) { broken = cmp.Or(broken, err) }}
	err = f(q)
	switch {
	case broken != nil && (err == nil || db.d.classify(broken) == kindSerialization):
		return db.fail(ctx, broken, what)
	case err != nil:
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
	kindSlow // the statement took too long
	kindGone // the server is
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
	if s.broke != nil {
		s.broke(err)
	}
	switch s.d.classify(err) {
	case kindUnique:
		return n.conflict().WithCause(err)
	case kindForeign:
		return n.orphan().WithCause(err)
	case kindBusy, kindSerialization:
		return errBusy().WithCause(err)
	case kindSlow:
		return domain.Errorf(domain.CodeUnavailable, "the database did not answer in time").WithCause(err)
	case kindGone:
		e := domain.Errorf(domain.CodeUnavailable, "the database cannot be reached; try again").WithCause(err)
		e.RetryAfter = busyRetry
		return e
	case kindFull:
		return domain.Errorf(domain.CodeUnavailable, "the database's disk is full or cannot be written").
			WithFix("Free space where the database lives and check its permissions.").WithCause(err)
	}
	if gone := ctx.Err(); gone != nil && !errors.Is(err, gone) {
		return s.fail(ctx, errors.Join(gone, err), n)
	}
	return domain.Internal("the database failed on "+n.label(), err)
}
