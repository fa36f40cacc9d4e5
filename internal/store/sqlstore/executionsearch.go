package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// searchable are the columns that a caller may name: they go into the statement.
var searchable = []store.ExecutionColumn{
	store.ExecutionID, store.ExecutionTool, store.ExecutionToolkit, store.ExecutionUser, store.ExecutionSession,
	store.ExecutionAccount, store.ExecutionAuthConfig, store.ExecutionRequest, store.ExecutionUpstream, store.ExecutionParent,
	store.ExecutionDoor, store.ExecutionOutcome, store.ExecutionErrorCode, store.ExecutionErrorMessage,
}

func column(c store.ExecutionColumn, allowed []store.ExecutionColumn) (string, error) {
	if !slices.Contains(allowed, c) {
		return "", domain.Internal("searching executions", fmt.Errorf("no column %q", c))
	}
	return string(c), nil
}

// SearchExecutions implements store.Executions.
func (s *queries) SearchExecutions(ctx context.Context, projectID string, q store.ExecutionQuery, limit int) ([]domain.Execution, error) {
	f := newFilter(projectID)
	f.between("started_at", q.From, q.To)
	for _, t := range q.Tests {
		if err := f.test(t); err != nil {
			return nil, err
		}
	}
	order, beyond := "started_at DESC, id DESC", "<"
	if q.Oldest {
		order, beyond = "started_at, id", ">"
	}
	if q.After != (store.Mark{}) {
		// As a pair alone the condition would not be a bound of the index on SQLite.
		f.where.WriteString(" AND started_at " + beyond + "= ? AND (started_at, id) " + beyond + " (?, ?)")
		f.args = append(f.args, micros(q.After.At), micros(q.After.At), q.After.ID)
	}
	limit, _ = window(store.Page{Limit: limit})
	return list(ctx, s, noun{name: "execution"}, scanExecution,
		`SELECT `+executionColumns+` FROM executions`+f.where.String()+` ORDER BY `+order+` LIMIT ?`, append(f.args, limit)...)
}

// between keeps rows whose time is in a range; a zero time is no bound.
func (f *filter) between(name string, from, to time.Time) {
	for _, b := range []struct {
		op string
		at time.Time
	}{{">=", from}, {"<", to}} {
		if !b.at.IsZero() {
			f.where.WriteString(" AND " + name + " " + b.op + " ?")
			f.args = append(f.args, micros(b.at))
		}
	}
}

// test keeps rows that pass t. That a text contains another is said by replace,
// which has no signs of its own, as LIKE does, and is alike on both databases.
func (f *filter) test(t store.ExecutionTest) error {
	var any []string
	for _, c := range t.Columns {
		name, err := column(c, searchable)
		if err != nil {
			return err
		}
		switch {
		case !t.Contains:
			any = append(any, name+" IN ("+marks(len(t.Values))+")")
			f.values(t.Values)
		case t.Case:
			for _, v := range t.Values {
				any = append(any, "replace("+name+", ?, '') <> "+name)
				f.args = append(f.args, v)
			}
		default:
			for _, v := range t.Values {
				any = append(any, "replace(lower("+name+"), ?, '') <> lower("+name+")")
				f.args = append(f.args, lowerASCII(v))
			}
		}
	}
	if len(any) == 0 || len(t.Values) == 0 {
		return domain.Internal("searching executions", fmt.Errorf("a test without columns or values"))
	}
	not := ""
	if t.Not {
		not = "NOT "
	}
	f.where.WriteString(" AND " + not + "(" + strings.Join(any, " OR ") + ")")
	return nil
}

func (f *filter) values(list []string) {
	for _, v := range list {
		f.args = append(f.args, v)
	}
}

// lowerASCII is lower() as both databases have it.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, text)
}

// CountExecutions implements store.Executions.
func (s *queries) CountExecutions(ctx context.Context, projectID string, u store.UsageQuery) (store.Usage, error) {
	f := newFilter(projectID)
	f.between("started_at", u.From, u.To)
	in(f, "outcome", u.Outcomes)
	in(f, "user_id", u.Users)
	in(f, "session_id", u.Sessions)
	return s.usage(ctx, "executions", f, u, searchable, "")
}

// CountSessions implements store.Executions.
func (s *queries) CountSessions(ctx context.Context, projectID string, u store.UsageQuery) (store.Usage, error) {
	f := newFilter(projectID)
	f.between("created_at", u.From, u.To)
	in(f, "user_id", u.Users)
	in(f, "id", u.Sessions)
	return s.usage(ctx, "sessions", f, u, []store.ExecutionColumn{store.ExecutionUser, store.ExecutionSession}, "id")
}

// usage counts what f keeps. session is the column of a session's id, when it is
// another one.
func (s *queries) usage(ctx context.Context, table string, f *filter, u store.UsageQuery, allowed []store.ExecutionColumn, session string) (store.Usage, error) {
	n := noun{name: "usage"}
	from := " FROM " + table + f.where.String()
	total, err := one(ctx, s, n, scanInt, `SELECT count(*)`+from, f.args...)
	out := store.Usage{Total: total}
	if err != nil || u.Limit == 0 || total == 0 {
		return out, err
	}
	by, err := column(u.By, allowed)
	if err != nil {
		return out, err
	}
	if u.By == store.ExecutionSession && session != "" {
		by = session
	}
	// What is equal is ordered by key, so that a cut list is always the same.
	way := " DESC"
	if u.Ascending {
		way = ""
	}
	order := "2" + way + ", 1"
	if u.ByKey {
		order = "1" + way
	}
	limit, _ := window(store.Page{Limit: u.Limit})
	out.Groups, err = list(ctx, s, n, func(r row) (g store.UsageGroup, err error) { return g, r.Scan(&g.Key, &g.Count) },
		`SELECT `+by+`, count(*)`+from+` GROUP BY `+by+` ORDER BY `+order+` LIMIT ?`, append(f.args, limit)...)
	return out, err
}
