package jobs

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// engine is River's client on one of the databases.
type engine interface {
	start(ctx context.Context) error
	stop(ctx context.Context) error // waits for running jobs
	cut(ctx context.Context) error  // ends their contexts
	insert(ctx context.Context, tx store.Tx, args envelope, opts *river.InsertOpts) error
}

// client is an engine whose driver has transactions of type T.
type client[T any] struct {
	river *river.Client[T]
	txOf  func(tx any) (T, error)
}

func newEngine(ctx context.Context, db *sqlstore.DB, cfg *river.Config) (engine, error) {
	if pool := db.Postgres(); pool != nil {
		cfg.PollOnly = db.Pooled()
		driver := riverpgxv5.New(pool)
		m, err := migrator(driver)
		if err != nil {
			return nil, err
		}
		if current, err := m.current(ctx); current || err != nil {
			return newClient(driver, cfg, sqlstore.PostgresTx, err)
		}
		err = db.Exclusively(ctx, func(ctx context.Context) error {
			_, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil) // looks again what is missing
			return err
		})
		return newClient(driver, cfg, sqlstore.PostgresTx, err)
	}
	cfg.ReindexerSchedule = river.NeverSchedule() // it is for PostgreSQL's indexes, and fails on those of SQLite every midnight
	driver := riversqlite.New(db.SQLite())
	m, err := migrator(driver)
	if err != nil {
		return nil, err
	}
	if current, err := m.current(ctx); current || err != nil {
		return newClient(driver, cfg, sqlstore.SQLiteTx, err)
	}
	// The transaction has the only right to write from its beginning: of processes
	// that start together one makes the tables, and the others find them. What
	// cannot be migrated in one transaction is PostgreSQL's alone.
	err = db.InTx(ctx, func(tx store.Tx) error {
		inner, err := sqlstore.SQLiteTx(tx)
		if err != nil {
			return err
		}
		_, err = m.MigrateTx(ctx, inner, rivermigrate.DirectionUp, nil) //nolint:staticcheck // see above
		return err
	})
	return newClient(driver, cfg, sqlstore.SQLiteTx, err)
}

// newClient makes the engine, unless preparing its tables failed.
func newClient[T any](driver riverdriver.Driver[T], cfg *river.Config, txOf func(any) (T, error), failed error) (engine, error) {
	if failed != nil {
		return nil, migrationError(failed)
	}
	c, err := river.NewClient(driver, cfg)
	if err != nil {
		return nil, domain.Internal("making the job engine", err)
	}
	return &client[T]{river: c, txOf: txOf}, nil
}

// tables are River's, with their own versions.
type tables[T any] struct{ *rivermigrate.Migrator[T] }

func migrator[T any](driver riverdriver.Driver[T]) (tables[T], error) {
	m, err := rivermigrate.New(driver, nil)
	if err != nil {
		return tables[T]{}, domain.Internal("reading the migrations of jobs", err)
	}
	return tables[T]{m}, nil
}

// current says whether the tables are as this program knows them.
func (t tables[T]) current(ctx context.Context) (bool, error) {
	have, err := t.ExistingVersions(ctx)
	if err != nil {
		return false, err
	}
	return len(have) == len(t.AllVersions()), nil
}

func migrationError(err error) error {
	return domain.Internal("bringing the tables of jobs up to date", err)
}

func (c *client[T]) start(ctx context.Context) error { return c.river.Start(ctx) }

func (c *client[T]) stop(ctx context.Context) error { return c.river.Stop(ctx) }

func (c *client[T]) cut(ctx context.Context) error { return c.river.StopAndCancel(ctx) }

func (c *client[T]) insert(ctx context.Context, tx store.Tx, args envelope, opts *river.InsertOpts) error {
	inner, err := c.txOf(tx)
	if err != nil {
		return err
	}
	_, err = c.river.InsertTx(ctx, inner, args, opts)
	return err
}
