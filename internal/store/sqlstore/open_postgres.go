package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/sluice-run/sluice/internal/domain"
)

// migrationLock is the advisory lock that one process holds while it changes
// tables.
const migrationLock = 0x51_0c_e0_01

// migrateMax bounds the steps of one opening, the wait for others included.
const migrateMax = 10 * time.Minute

// CheckURL says what is wrong with the address of a PostgreSQL database, without
// its text: it may hold a password.
func CheckURL(address string) error {
	_, _, err := parseURL(address)
	return err
}

func parseURL(address string) (*pgxpool.Config, string, error) {
	wrong := domain.Invalid("database", "the address of the database is not understood: expected postgres://user:password@host:5432/name").
		WithFix("Percent-encode special characters of the password, or keep it in a password file of PostgreSQL.")
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, "", wrong
	}
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, "", wrong // the cause would quote the address
	}
	given := map[string]bool{}
	for name := range u.Query() {
		given[name] = true
	}
	applyDefaults(cfg, given)
	return cfg, placeOf(cfg.ConnConfig), nil
}

// placeOf names a database without user and password.
func placeOf(c *pgx.ConnConfig) string {
	if strings.HasPrefix(c.Host, "/") {
		return strconv.Quote(c.Database) + " at " + c.Host
	}
	return strconv.Quote(c.Database) + " at " + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

// openPostgres connects, brings the tables up to date and gives the pool.
func openPostgres(ctx context.Context, opts Options) (_ *postgresPool, err error) {
	cfg, place, err := parseURL(opts.URL)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, unreachable(place, err)
	}
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	p := &postgresPool{pool: pool}
	current, err := isCurrent(ctx, p, place)
	if err != nil {
		return nil, err
	}
	if !current {
		if err := migratePostgres(ctx, p, place); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// isCurrent says whether the tables are as this program knows them, at the price
// of one statement.
func isCurrent(ctx context.Context, p *postgresPool, place string) (bool, error) {
	var version int64
	conn, err := p.acquire(ctx)
	if err != nil {
		return false, unreachable(place, err)
	}
	defer conn.Release()
	err = conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&version)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P01" { // there is no such table
		return false, nil
	}
	if err != nil {
		return false, unreachable(place, err)
	}
	target, err := lastMigration()
	if err != nil {
		return false, err
	}
	if version > target {
		return false, newerDatabase(place, version, target).
			WithFix("Run the newer program, or set SLUICE_DATABASE to another database.")
	}
	return version == target, nil
}

// migratePostgres brings the tables up to date while no other process does.
func migratePostgres(ctx context.Context, p *postgresPool, place string) error {
	err := p.exclusively(ctx, func(ctx context.Context, db *sql.DB) error {
		steps, err := migrationsFor(true)
		if err != nil {
			return err
		}
		g, err := goose.NewProvider(goose.DialectPostgres, db, steps, goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return err
		}
		_, err = g.Up(ctx)
		return err
	})
	if err != nil {
		return unreachable(place, err)
	}
	return nil
}

// exclusively runs f while no other process of the same database does the like,
// on connections whose statements may take long.
func (p *postgresPool) exclusively(ctx context.Context, f func(ctx context.Context, db *sql.DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, migrateMax)
	defer cancel()
	cc := p.pool.Config().ConnConfig
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		cc.RuntimeParams[name] = strconv.FormatInt(migrateMax.Milliseconds(), 10)
	}
	db := stdlib.OpenDB(*cc)
	defer func() { _ = db.Close() }()
	// The lock is a transaction's, so that it also holds behind a pooler that gives
	// each transaction another connection.
	lock, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
		return err
	}
	return f(ctx, db)
}

// lastMigration is the version that this program brings tables to.
func lastMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, domain.Internal("reading the migrations", err)
	}
	var last int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, domain.Internal("reading the migrations", err)
		}
		last = max(last, version)
	}
	return last, nil
}

// unreachable says in plain words why the database cannot be used. The driver's
// text names the user and may quote a statement: it is the cause only.
func unreachable(place string, err error) error {
	var ours *domain.Error
	if errors.As(err, &ours) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return domain.Errorf(domain.CodeCanceled, "opening the database %s was canceled", place).WithCause(err)
	}
	why, fix := "it does not answer", "Is PostgreSQL running there, and does its pg_hba.conf let this machine in?"
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch {
		case strings.HasPrefix(refused.Code, "28"):
			why, fix = "it refuses the user or the password", "Check SLUICE_DATABASE."
		case refused.Code == "3D000":
			why, fix = "there is no such database", "Make it with CREATE DATABASE, owned by the user that Sluice connects as."
		case refused.Code == "42501":
			why, fix = "the user may not make tables in it", "Make the user the owner of the database, or grant CREATE on its schema."
		case classifyPostgres(err) == kindFull:
			why, fix = "its disk is full or it is read-only", "Free space, or connect to the primary."
		case classifyPostgres(err) == kindOther:
			return domain.Internal("opening the database "+place, err)
		}
	}
	return domain.Errorf(domain.CodeUnavailable, "cannot use the database %s: %s", place, why).WithFix("%s", fix).WithCause(err)
}
