package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-run/sluice/internal/domain"
)

// rows is a result being read.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// row is one row of it.
type row interface{ Scan(dest ...any) error }

// querier sends statements: to the pools, or into one transaction.
type querier interface {
	// exec runs a change and says how many rows it touched.
	exec(ctx context.Context, query string, args []any) (int64, error)
	query(ctx context.Context, query string, args []any) (rows, error)
}

// queries is every aggregate over one querier.
type queries struct {
	q querier
	d *dialect
	// broke hears of statements that failed; nil outside a transaction.
	broke func(err error)
}

// exec runs a change of n.
func (s *queries) exec(ctx context.Context, n noun, query string, args ...any) (int64, error) {
	if err := checkText(args); err != nil {
		return 0, err
	}
	touched, err := s.q.exec(ctx, s.bound(query), args)
	if err != nil {
		return 0, s.fail(ctx, err, n)
	}
	return touched, nil
}

// change runs a change that must touch a row, else n is not there.
func (s *queries) change(ctx context.Context, n noun, query string, args ...any) error {
	touched, err := s.exec(ctx, n, query, args...)
	if err == nil && touched == 0 {
		return n.notFound()
	}
	return err
}

// each calls scan for every row.
func (s *queries) each(ctx context.Context, n noun, scan func(row) error, query string, args []any) (err error) {
	if err := checkText(args); err != nil {
		return err
	}
	rs, err := s.q.query(ctx, s.bound(query), args)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	defer func() {
		if cerr := rs.Close(); err == nil && cerr != nil {
			err = s.fail(ctx, cerr, n)
		}
	}()
	for rs.Next() {
		if err := scan(rs); err != nil {
			return s.fail(ctx, err, n)
		}
	}
	if err := rs.Err(); err != nil {
		return s.fail(ctx, err, n)
	}
	return nil
}

func (s *queries) bound(query string) string {
	if s.d.bind == nil {
		return query
	}
	return s.d.bind(query)
}

// list reads all rows of a statement.
func list[T any](ctx context.Context, s *queries, n noun, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := s.each(ctx, n, func(r row) error {
		v, err := scan(r)
		if err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, query, args)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// one reads the only row of a statement; without a row n is not there.
func one[T any](ctx context.Context, s *queries, n noun, scan func(row) (T, error), query string, args ...any) (T, error) {
	var out T
	found := false
	err := s.each(ctx, n, func(r row) (err error) {
		found = true
		out, err = scan(r)
		return err
	}, query, args)
	if err == nil && !found {
		err = s.fail(ctx, sql.ErrNoRows, n)
	}
	return out, err
}

func scanInt(r row) (n int, err error) { return n, r.Scan(&n) }

// checkText refuses text that one of the databases could not keep.
func checkText(args []any) error {
	for _, a := range args {
		if t, ok := a.(string); ok && (!utf8.ValidString(t) || strings.IndexByte(t, 0) >= 0) {
			return domain.Errorf(domain.CodeInvalid, "text must be valid UTF-8 without NUL characters")
		}
	}
	return nil
}

// noun names what a statement is about, for its errors.
type noun struct {
	name  string // "connected account"
	id    string // which one; optional
	clash string // what is wrong when it is there already; optional
	owner string // what must exist first; optional
}

func (n noun) label() string {
	if n.id == "" || len(n.id) > 80 {
		return "the " + n.name
	}
	return fmt.Sprintf("the %s %q", n.name, n.id)
}

func (n noun) notFound() *domain.Error {
	if n.id == "" || len(n.id) > 80 {
		return domain.Errorf(domain.CodeNotFound, "no such %s", n.name)
	}
	return domain.Errorf(domain.CodeNotFound, "no %s %q in this project", n.name, n.id)
}

func (n noun) conflict() *domain.Error {
	if n.clash != "" {
		return domain.Errorf(domain.CodeConflict, "%s", n.clash)
	}
	return domain.Errorf(domain.CodeConflict, "%s is already there", n.label())
}

func (n noun) orphan() *domain.Error {
	if n.owner == "" {
		return domain.Errorf(domain.CodeConflict, "%s is still in use", n.label())
	}
	return domain.Errorf(domain.CodeNotFound, "no such %s for the %s in this project", n.owner, n.name)
}

func errBusy() *domain.Error {
	e := domain.Errorf(domain.CodeUnavailable, "the database is busy; try again")
	e.RetryAfter = busyRetry
	return e
}
