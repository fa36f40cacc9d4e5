package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	readers   = 4
	busyWait  = 5 * time.Second
	busyRetry = time.Second
	// writerWait bounds how long a write waits for its turn. It is longer than
	// SQLite's own wait for another process, so that it only ends a pile-up.
	writerWait = 10 * time.Second
)

// sqlitePool is one connection that writes and a few that read. With one writer
// no transaction can lose to another one of this process, and waiting is fair.
type sqlitePool struct {
	w, r   *sql.DB
	turn   chan struct{}        // holds one token while nobody writes
	wstmts map[string]*sql.Stmt // prepared on w, by text
	rstmts map[string]*sql.Stmt // prepared on r
}

// dsn gives the driver's name of the file. busy_timeout comes first, because the
// later pragmas may have to wait as well.
func dsn(path string, wait time.Duration, readOnly bool) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive letter
	}
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()), "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"}
	if readOnly {
		// Each reader has a page cache of its own and reads few pages a call; what
		// it misses is in the system's cache.
		pragmas = append(pragmas, "query_only(1)", "cache_size(-512)")
	} else {
		pragmas = append(pragmas, "journal_size_limit(67108864)")
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
	return "file:" + (&url.URL{Path: slashed}).EscapedPath() + "?" + q.Encode()
}

func (p *sqlitePool) connect(path string, wait time.Duration) error {
	for _, side := range []struct {
		db       **sql.DB
		conns    int
		readOnly bool
	}{{db: &p.w, conns: 1}, {db: &p.r, conns: readers, readOnly: true}} {
		db, err := sql.Open("sqlite", dsn(path, wait, side.readOnly))
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(side.conns)
		db.SetMaxIdleConns(side.conns)
		*side.db = db
	}
	p.turn = make(chan struct{}, 1)
	p.turn <- struct{}{}
	return nil
}

// prepare readies the statements of every tool call.
func (p *sqlitePool) prepare(ctx context.Context) error {
	for _, side := range []struct {
		db    *sql.DB
		into  *map[string]*sql.Stmt
		texts []string
	}{{p.w, &p.wstmts, hotWrites()}, {p.r, &p.rstmts, hotReads()}} {
		*side.into = make(map[string]*sql.Stmt, len(side.texts))
		for _, text := range side.texts {
			stmt, err := side.db.PrepareContext(ctx, text)
			if err != nil {
				return err
			}
			(*side.into)[text] = stmt
		}
	}
	return nil
}

// close ends reading first: the last connection to go folds the log into the file.
func (p *sqlitePool) close() error {
	var errs []error
	for _, stmts := range []map[string]*sql.Stmt{p.rstmts, p.wstmts} {
		for _, s := range stmts {
			errs = append(errs, s.Close())
		}
	}
	for _, db := range []*sql.DB{p.r, p.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return domain.Internal("closing the database", err)
	}
	return nil
}

// acquire waits for the turn to write; release gives it back.
func (p *sqlitePool) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-p.turn:
		return nil
	default:
	}
	late := time.NewTimer(writerWait)
	defer late.Stop()
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return errBusy()
	}
}

func (p *sqlitePool) release() { p.turn <- struct{}{} }

// exec does not let go half-way: a statement cut short could have been committed
// while the caller hears that it was not.
func (p *sqlitePool) exec(ctx context.Context, query string, args []any) (int64, error) {
	if err := p.acquire(ctx); err != nil {
		return 0, err
	}
	defer p.release()
	ctx = context.WithoutCancel(ctx)
	var res sql.Result
	var err error
	if stmt := p.wstmts[query]; stmt != nil {
		res, err = stmt.ExecContext(ctx, args...)
	} else {
		res, err = p.w.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (p *sqlitePool) query(ctx context.Context, query string, args []any) (rows, error) {
	if stmt := p.rstmts[query]; stmt != nil {
		// These read a row or a few by key. To watch for the caller's leaving takes
		// two goroutines a statement, which cost more than the reading.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return stmt.QueryContext(context.WithoutCancel(ctx), args...)
	}
	return p.r.QueryContext(ctx, query, args...)
}

// begin opens a transaction on the writer.
func (p *sqlitePool) begin(ctx context.Context) (transaction, error) {
	if err := p.acquire(ctx); err != nil {
		return nil, err
	}
	// The transaction outlives ctx, or database/sql would roll it back behind the
	// commit's back. Statements inside still stop with their own context.
	tx, err := p.w.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		p.release()
		return nil, err
	}
	return &sqliteTx{pool: p, tx: tx}, nil
}

type sqliteTx struct {
	pool *sqlitePool
	tx   *sql.Tx
}

func (t *sqliteTx) exec(ctx context.Context, query string, args []any) (int64, error) {
	res, err := t.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *sqliteTx) query(ctx context.Context, query string, args []any) (rows, error) {
	return t.tx.QueryContext(ctx, query, args...)
}

func (t *sqliteTx) commit() error { return t.tx.Commit() }

func (t *sqliteTx) end() {
	_ = t.tx.Rollback() // after a commit it does nothing
	t.pool.release()
}

func sqliteDialect() *dialect { return &dialect{classify: classifySQLite} }

func classifySQLite(err error) errKind {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return kindOther
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY:
		return kindUnique
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return kindForeign
	case lib.SQLITE_BUSY_SNAPSHOT:
		return kindSerialization
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return kindBusy
	case lib.SQLITE_FULL, lib.SQLITE_READONLY, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
		return kindFull
	}
	return kindOther
}
