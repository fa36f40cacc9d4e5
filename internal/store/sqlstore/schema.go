package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const sqlSchemaVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version`

// Schema gives the version of a database's tables, 0 when it has none, and the
// one that this program brings them to. It changes nothing and makes nothing: a
// file that is not there is fs.ErrNotExist.
func Schema(ctx context.Context, opts Options) (have, want int64, err error) {
	if want, err = lastMigration(); err != nil {
		return 0, 0, err
	}
	if opts.URL != "" {
		have, err = postgresSchema(ctx, opts)
	} else {
		have, err = sqliteSchema(ctx, opts.Path)
	}
	return have, want, err
}

func sqliteSchema(ctx context.Context, path string) (have int64, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return 0, unusable(path, err)
	}
	if _, err := os.Stat(path); err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return 0, unusable(path, err)
	}
	defer func() { _ = db.Close() }()
	err = db.QueryRowContext(ctx, sqlSchemaVersion).Scan(&have)
	if err != nil && strings.Contains(err.Error(), "no such table") {
		return 0, nil
	}
	if err != nil {
		return 0, unusable(path, err)
	}
	return have, nil
}

func postgresSchema(ctx context.Context, opts Options) (have int64, err error) {
	cfg, place, err := parseURL(opts.URL)
	if err != nil {
		return 0, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return 0, unreachable(place, err)
	}
	defer pool.Close()
	err = pool.QueryRow(ctx, sqlSchemaVersion).Scan(&have)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P01" { // there is no such table
		return 0, nil
	}
	if err != nil {
		return 0, unreachable(place, err)
	}
	return have, nil
}
