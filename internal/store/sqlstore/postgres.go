package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluice-run/sluice/internal/domain"
)

const (
	// connectionWait bounds how long a statement waits for a free connection.
	connectionWait = 10 * time.Second
	// statementMax bounds a statement on the server; finishMax bounds, here, what
	// runs on after its caller has left. The server gives up first.
	statementMax = 30 * time.Second
	finishMax    = 40 * time.Second
	// idleTxMax is when the server ends a transaction whose process has gone quiet.
	idleTxMax = time.Minute
)

// postgresPool is a pool of connections.
type postgresPool struct{ pool *pgxpool.Pool }

// acquire waits for a connection, for a bounded time.
func (p *postgresPool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, connectionWait)
	defer cancel()
	conn, err := p.pool.Acquire(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return nil, errBusy().WithCause(err)
	}
	return conn, err
}

// exec does not let go half-way, as on SQLite: a statement cut short could have
// been committed while the caller hears that it was not.
func (p *postgresPool) exec(ctx context.Context, query string, args []any) (int64, error) {
	conn, err := p.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	ctx, cancel := finishing(ctx)
	defer cancel()
	tag, err := conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

// finishing gives a context for what must come to its end.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishMax)
}

func (p *postgresPool) query(ctx context.Context, query string, args []any) (rows, error) {
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	rs, err := conn.Query(ctx, query, args...)
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &postgresRows{Rows: rs, release: conn.Release}, nil
}

// postgresRows gives its connection back when it is closed.
type postgresRows struct {
	pgx.Rows
	release func() // nil in a transaction
}

// Close ends reading.
func (r *postgresRows) Close() error {
	r.Rows.Close()
	if r.release != nil {
		r.release()
		r.release = nil
	}
	return r.Err()
}

// begin opens a transaction that behaves as if it ran alone: what it decides on
// is still so when it commits, or it fails and is repeated.
func (p *postgresPool) begin(ctx context.Context) (transaction, error) {
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &postgresTx{conn: conn, tx: tx}, nil
}

func (p *postgresPool) close() error {
	p.pool.Close()
	return nil
}

type postgresTx struct {
	conn *pgxpool.Conn
	tx   pgx.Tx
}

func (t *postgresTx) exec(ctx context.Context, query string, args []any) (int64, error) {
	tag, err := t.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (t *postgresTx) query(ctx context.Context, query string, args []any) (rows, error) {
	rs, err := t.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return &postgresRows{Rows: rs}, nil
}

func (t *postgresTx) commit() error {
	ctx, cancel := finishing(context.Background())
	defer cancel()
	return t.tx.Commit(ctx)
}

func (t *postgresTx) end() {
	ctx, cancel := finishing(context.Background())
	defer cancel()
	_ = t.tx.Rollback(ctx) // after a commit it does nothing
	t.conn.Release()
}

func postgresDialect() *dialect { return &dialect{bind: numbered, classify: classifyPostgres} }

// numbered turns each ? into $1, $2 …. No statement of ours has one in a literal.
func numbered(query string) string {
	n := strings.Count(query, "?")
	if n == 0 {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 2*n)
	for i := 1; ; i++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i))
		query = after
	}
}

func classifyPostgres(err error) errKind {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return classifyWire(err)
	}
	switch e.Code {
	case "23505":
		return kindUnique
	case "23503":
		return kindForeign
	case "40001", "40P01": // could not serialize, deadlock
		return kindSerialization
	case "57014": // over statement_timeout
		return kindSlow
	case "53100", "25006": // disk full, read-only
		return kindFull
	case "55P03", "53300", "53200": // lock, connections or memory not to be had
		return kindBusy
	case "25P03": // idle in a transaction for too long
		return kindBusy
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "57": // connection, shutdown
		return kindGone
	}
	return kindOther
}

// classifyWire reads an error that does not come from the server.
func classifyWire(err error) errKind {
	var connecting *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connecting) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return kindGone
	}
	return kindOther
}

// applyDefaults bounds what the URL leaves open.
func applyDefaults(cfg *pgxpool.Config, given map[string]bool) {
	if !given["pool_max_conns"] {
		cfg.MaxConns = 16
	}
	cc := cfg.ConnConfig
	if !given["connect_timeout"] {
		cc.ConnectTimeout = 5 * time.Second
	}
	params := cc.RuntimeParams
	for name, value := range map[string]string{
		"application_name":                    "sluice",
		"statement_timeout":                   strconv.FormatInt(statementMax.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": strconv.FormatInt(idleTxMax.Milliseconds(), 10),
	} {
		params[name] = cmp.Or(params[name], value)
	}
}

// Postgres gives the pool when the database is PostgreSQL, else nil. It is for
// the job engine, which brings its own statements.
func (db *DB) Postgres() *pgxpool.Pool {
	if p, ok := db.pool.(*postgresPool); ok {
		return p.pool
	}
	return nil
}

// Pooled says whether the address asks for what a pooler needs that gives each
// transaction another connection: then nothing can be listened for.
func (db *DB) Pooled() bool {
	p, ok := db.pool.(*postgresPool)
	if !ok {
		return false
	}
	mode := p.pool.Config().ConnConfig.DefaultQueryExecMode
	return mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol
}

// Exclusively runs f while no other process of the same PostgreSQL database does
// the like: one changes tables at a time.
func (db *DB) Exclusively(ctx context.Context, f func(ctx context.Context) error) error {
	p, ok := db.pool.(*postgresPool)
	if !ok {
		return f(ctx)
	}
	return p.exclusively(ctx, func(ctx context.Context, _ *sql.DB) error { return f(ctx) })
}

// TxFailed turns the failure of a foreign statement in a transaction of InTx into
// an error of ours, and has InTx take notice of it.
func (db *DB) TxFailed(ctx context.Context, tx any, err error) error {
	if q, ok := tx.(*queries); ok {
		return q.fail(ctx, err, noun{name: "job"})
	}
	return db.fail(ctx, err, noun{name: "job"})
}

// SQLite gives the writing connection when the database is SQLite, else nil. It
// is for the job engine; a use of it inside InTx would wait for ever.
func (db *DB) SQLite() *sql.DB {
	if p, ok := db.pool.(*sqlitePool); ok {
		return p.w
	}
	return nil
}

// errForeignTx is for a transaction that no DB of this package gave.
var errForeignTx = domain.Internal("joining a transaction", errors.New("sqlstore: not a transaction of this store"))

// PostgresTx gives the driver's transaction of one that InTx gave.
func PostgresTx(tx any) (pgx.Tx, error) {
	if q, ok := tx.(*queries); ok {
		if t, ok := q.q.(*postgresTx); ok {
			return t.tx, nil
		}
	}
	return nil, errForeignTx
}

// SQLiteTx gives the driver's transaction of one that InTx gave.
func SQLiteTx(tx any) (*sql.Tx, error) {
	if q, ok := tx.(*queries); ok {
		if t, ok := q.q.(*sqliteTx); ok {
			return t.tx, nil
		}
	}
	return nil, errForeignTx
}
