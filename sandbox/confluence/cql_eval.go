package confluence

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/cql"
)

var (
	contentFields = sync.OnceValue(cqlFields)
	peopleFields  = sync.OnceValue(userFields)
)

func (e *searchEnv) fields() map[string]cqlField {
	if e.users {
		return peopleFields()
	}
	return contentFields()
}

// found is the outcome of a search, in order.
type found struct {
	rows  []row
	texts []textQuery
}

type searchOptions struct {
	contentOnly bool
	archived    bool
	users       bool
	lag         time.Duration
}

// search runs a query for a user. The site's lock is held.
func (st *store) search(src string, me *user, now time.Time, o searchOptions) (found, *apiError) {
	q, e := cql.Parse(src)
	var syntax *cql.SyntaxError
	if errors.As(e, &syntax) {
		return found{}, badRequest("%s", syntax.Error())
	}
	env := &searchEnv{st: st, me: me, now: now, users: o.users}
	match := func(row) bool { return true }
	if q.Where != nil {
		p, err := env.expr(q.Where, true)
		if err != nil {
			return found{}, err
		}
		match = p
	}
	less, err := env.order(q.Order)
	if err != nil {
		return found{}, err
	}
	var out found
	for _, r := range st.candidates(me, now, q.Where, o) {
		if match(r) {
			out.rows = append(out.rows, r)
		}
	}
	out.texts = env.texts
	if less == nil {
		less = env.relevance(out.rows)
	}
	slices.SortStableFunc(out.rows, less)
	return out, nil
}

// candidates are the rows that a query may find: live contents, and spaces or
// users where the query names their type.
func (st *store) candidates(me *user, now time.Time, where *cql.Expr, o searchOptions) []row {
	if o.users {
		return st.userRows()
	}
	rows := make([]row, 0, len(st.order))
	for _, id := range st.order {
		x := st.contents[id]
		if x.status != statusCurrent || !st.visible(x, me) || o.lag > 0 && now.Sub(x.index.at) < o.lag {
			continue
		}
		if sp := st.spaces[x.spaceID]; !o.archived && sp != nil && sp.status == statusArchived {
			continue
		}
		if on := st.contents[x.containerID]; x.containerID != 0 && (on == nil || on.status != statusCurrent) {
			continue
		}
		rows = append(rows, row{c: x})
	}
	if o.contentOnly {
		return rows
	}
	if namesType(where, "space") {
		for _, sp := range st.spaces {
			if st.spaceVisible(sp, me) {
				rows = append(rows, row{sp: sp})
			}
		}
	}
	if namesType(where, "user") {
		rows = append(rows, st.userRows()...)
	}
	return rows
}

func (st *store) userRows() []row {
	rows := make([]row, 0, len(st.users))
	for _, u := range st.users {
		rows = append(rows, row{u: u})
	}
	return rows
}

// namesType says whether a query asks for a type by name.
func namesType(e *cql.Expr, typ string) bool {
	if e == nil {
		return false
	}
	if c := e.Clause; c != nil {
		return !e.Not && strings.EqualFold(c.Field, "type") && (c.Op == "=" || c.Op == "in") &&
			slices.ContainsFunc(c.Values, func(v cql.Value) bool { return strings.EqualFold(v.Text, typ) })
	}
	return !e.Not && slices.ContainsFunc(e.Terms, func(t *cql.Expr) bool { return namesType(t, typ) })
}

// expr compiles an expression. Without parentheses "and" and "or" bind alike,
// from left to right, as Atlassian documents.
func (e *searchEnv) expr(x *cql.Expr, top bool) (predicate, *apiError) {
	p, err := e.inner(x, top)
	if err != nil || !x.Not {
		return p, err
	}
	return func(r row) bool { return !p(r) }, nil
}

func (e *searchEnv) inner(x *cql.Expr, top bool) (predicate, *apiError) {
	if x.Clause != nil {
		return e.clause(x.Clause)
	}
	var out predicate
	for i, t := range x.Terms {
		// The server forgets siteSearch in the middle of three or more clauses.
		if top && i > 0 && i < len(x.Terms)-1 && t.Clause != nil && strings.EqualFold(t.Clause.Field, "siteSearch") {
			continue
		}
		p, err := e.expr(t, false)
		if err != nil {
			return nil, err
		}
		switch left := out; {
		case i == 0:
			out = p
		case x.Ops[i-1] == "and":
			out = func(r row) bool { return left(r) && p(r) }
		default:
			out = func(r row) bool { return left(r) || p(r) }
		}
	}
	return out, nil
}

func (e *searchEnv) clause(c *cql.Clause) (predicate, *apiError) {
	f, err := e.field(c.Field)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(f.ops, c.Op) {
		return nil, badRequest("Expecting a value for operator '%s' after field '%s' but got '%s'", f.ops[0], c.Field, c.Op)
	}
	return f.compile(e, c)
}

func (e *searchEnv) field(name string) (cqlField, *apiError) {
	f, ok := e.fields()[strings.ToLower(name)]
	if ok {
		return f, nil
	}
	type near struct {
		name string
		d    int
	}
	var all []near
	for n := range e.fields() {
		all = append(all, near{n, distance(strings.ToLower(name), n, 100)})
	}
	slices.SortFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.d, b.d), strings.Compare(a.name, b.name)) })
	var hints []string
	for _, n := range all[:min(5, len(all))] {
		hints = append(hints, strings.ReplaceAll(n.name, "sitesearch", "siteSearch"))
	}
	return f, badRequest("No field exists with the name: '%s' Did you mean one of : %s", name, strings.Join(hints, ", "))
}

// order builds the comparison of "order by"; nil without one.
func (e *searchEnv) order(fields []cql.Order) (func(a, b row) int, *apiError) {
	if len(fields) == 0 {
		return nil, nil
	}
	type key struct {
		get  func(*searchEnv, row) string
		desc bool
	}
	var keys []key
	for _, o := range fields {
		f, err := e.field(o.Field)
		if err != nil {
			return nil, err
		}
		if f.order == nil {
			return nil, badRequest("Could not parse cql : The field '%s' does not support sorting", o.Field)
		}
		keys = append(keys, key{f.order, o.Desc})
	}
	return func(a, b row) int {
		for _, k := range keys {
			n := strings.Compare(k.get(e, a), k.get(e, b))
			if k.desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(a.id(), b.id())
	}, nil
}

// relevance orders by score, then by the latest change.
func (e *searchEnv) relevance(rows []row) func(a, b row) int {
	scores := make(map[row]float64, len(rows))
	for _, r := range rows {
		if r.c == nil {
			continue
		}
		for _, q := range e.texts {
			scores[r] += q.score(r.c)
		}
	}
	return func(a, b row) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), b.modified().Compare(a.modified()), cmp.Compare(a.id(), b.id()), strings.Compare(a.title(), b.title()))
	}
}
