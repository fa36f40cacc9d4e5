package confluence

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/cql"
)

// row is one thing that a search can find: a content, a space or a user.
type row struct {
	c  *content
	sp *space
	u  *user
}

type predicate func(row) bool

// searchEnv is what a query is read against. The site's lock is held.
type searchEnv struct {
	st    *store
	me    *user
	now   time.Time
	users bool // user search: only user fields exist

	texts []textQuery // of all positive text clauses, for ranking and highlights
}

type cqlField struct {
	ops     []string
	compile func(*searchEnv, *cql.Clause) (predicate, *apiError)
	order   func(*searchEnv, row) string // nil = cannot be sorted by
}

var (
	opsKey  = []string{"=", "!=", "in", "not in"}
	opsText = []string{"~", "!~"}
	opsDate = []string{"=", "!=", ">", ">=", "<", "<="}
)

// cqlFields is the table of fields by lower-case name.
func cqlFields() map[string]cqlField {
	ids := func(get func(*store, *content) []int64) cqlField { return cqlField{ops: opsKey, compile: idField(get)} }
	keys := func(get func(*store, row) []string) cqlField { return cqlField{ops: opsKey, compile: keyField(get)} }
	id := ids(func(_ *store, x *content) []int64 { return []int64{x.id} })
	id.order = func(_ *searchEnv, r row) string { return orderInt(r) }
	space := keys(func(st *store, r row) []string { return spaceKeysOf(st, r) })
	space.order = func(e *searchEnv, r row) string { return strings.Join(spaceKeysOf(e.st, r)[:1], "") }
	typ := cqlField{ops: opsKey, compile: typeField, order: func(_ *searchEnv, r row) string { return r.typ() }}
	favourite := keys(func(_ *store, r row) []string { return r.audience().favourites })
	return map[string]cqlField{
		"ancestor": ids(func(st *store, x *content) []int64 {
			var out []int64
			for _, a := range st.ancestors(pageOf(st, x)) {
				out = append(out, a.id)
			}
			return out
		}),
		"parent":    ids(func(_ *store, x *content) []int64 { return []int64{x.parentID} }),
		"container": ids(func(_ *store, x *content) []int64 { return []int64{x.containerID} }),
		"id":        id,
		"content":   id,
		"space":     space,
		"space.key": space,
		"space.type": keys(func(st *store, r row) []string {
			if sp := r.space(st); sp != nil {
				return []string{sp.typ}
			}
			return nil
		}),
		"space.title":  {ops: []string{"=", "!=", "~", "!~"}, compile: spaceTitleField},
		"type":         typ,
		"subtype":      keys(func(_ *store, r row) []string { return r.subtypes() }),
		"pagestatus":   keys(func(*store, row) []string { return nil }),
		"label":        keys(labelsOf),
		"macro":        users(func(_ *store, x *content) []string { return x.index.macros }),
		"creator":      users(func(_ *store, x *content) []string { return []string{x.authorID} }),
		"contributor":  users(func(_ *store, x *content) []string { return contributors(x) }),
		"mention":      users(func(_ *store, x *content) []string { return x.index.mentions }),
		"watcher":      keys(func(_ *store, r row) []string { return r.audience().watchers }),
		"favourite":    favourite,
		"favorite":     favourite,
		"title":        {ops: []string{"=", "!=", "~", "!~", "in", "not in"}, compile: titleField, order: func(_ *searchEnv, r row) string { return strings.ToLower(r.title()) }},
		"text":         {ops: opsText, compile: textField},
		"sitesearch":   {ops: []string{"~"}, compile: textField},
		"created":      {ops: opsDate, compile: dateField(row.created), order: func(_ *searchEnv, r row) string { return stamp(r.created()) }},
		"lastmodified": {ops: opsDate, compile: dateField(row.modified), order: func(_ *searchEnv, r row) string { return stamp(r.modified()) }},
	}
}

func userFields() map[string]cqlField {
	account := cqlField{ops: opsKey, compile: keyField(func(_ *store, r row) []string {
		if r.u == nil {
			return nil
		}
		return []string{r.u.AccountID}
	})}
	return map[string]cqlField{
		"user": account, "user.accountid": account, "user.userkey": account,
		"user.fullname": {ops: []string{"~"}, compile: fullNameField},
		"type":          {ops: opsKey, compile: typeField},
	}
}

func (r row) typ() string {
	switch {
	case r.c != nil:
		if r.c.typ == typeCustom {
			return r.c.appType
		}
		return string(r.c.typ)
	case r.sp != nil:
		return "space"
	}
	return "user"
}

func (r row) title() string {
	switch {
	case r.c != nil:
		return r.c.title()
	case r.sp != nil:
		return r.sp.name
	}
	return r.u.DisplayName
}

func (r row) id() int64 {
	switch {
	case r.c != nil:
		return r.c.id
	case r.sp != nil:
		return r.sp.id
	}
	return 0
}

func orderInt(r row) string {
	s := strconv.FormatInt(r.id(), 10)
	return strings.Repeat("0", max(0, 20-len(s))) + s
}

func (r row) created() time.Time {
	switch {
	case r.c != nil:
		return r.c.createdAt
	case r.sp != nil:
		return r.sp.createdAt
	}
	return time.Time{}
}

func (r row) modified() time.Time {
	if r.c != nil {
		return r.c.current().at
	}
	return r.created()
}

func (r row) space(st *store) *space {
	if r.sp != nil {
		return r.sp
	}
	if r.c != nil {
		return st.spaces[r.c.spaceID]
	}
	return nil
}

func (r row) subtypes() []string {
	if r.c != nil && r.c.subtype != "" {
		return []string{r.c.subtype}
	}
	return nil
}

func spaceKeysOf(st *store, r row) []string {
	if sp := r.space(st); sp != nil {
		return []string{strings.ToLower(sp.key), strings.ToLower(sp.alias)}
	}
	return []string{""}
}

// pageOf is the page whose ancestors count: a comment's or an attachment's are
// those of its page.
func pageOf(st *store, x *content) *content {
	if on := st.contents[x.containerID]; on != nil {
		return pageOf(st, on)
	}
	return x
}

func labelsOf(st *store, r row) []string {
	if r.c == nil {
		return nil
	}
	var out []string
	for _, id := range r.c.labels {
		l := st.labels[id]
		out = append(out, l.name, l.prefix+":"+l.name)
	}
	return out
}

func contributors(x *content) []string {
	var out []string
	for _, v := range x.versions {
		if !slices.Contains(out, v.authorID) {
			out = append(out, v.authorID)
		}
	}
	return out
}

// negated wraps a predicate for != !~ and not in.
func negated(op string, p predicate) predicate {
	if strings.HasPrefix(op, "!") || op == "not in" {
		return func(r row) bool { return !p(r) }
	}
	return p
}

func (r row) audience() *audience {
	switch {
	case r.c != nil:
		return &r.c.audience
	case r.sp != nil:
		return &r.sp.audience
	}
	return &audience{}
}

// words gives the plain values of a clause, with the values that functions give.
func (e *searchEnv) words(c *cql.Clause) ([]string, *apiError) {
	var out []string
	for _, v := range c.Values {
		if !v.Func {
			out = append(out, v.Text)
			continue
		}
		values, err := e.function(v)
		if err != nil {
			return nil, err
		}
		out = append(out, values...)
	}
	return out, nil
}

// function gives the values of a function that stands for accounts, contents or spaces.
func (e *searchEnv) function(v cql.Value) ([]string, *apiError) {
	var out []string
	switch strings.ToLower(v.Text) {
	case "currentuser":
		return []string{e.me.AccountID}, checkArgs(v, 0)
	case "favouritespaces", "favoritespaces":
		for _, sp := range e.st.spaces {
			if slices.Contains(sp.audience.favourites, e.me.AccountID) {
				out = append(out, sp.key)
			}
		}
		return out, checkArgs(v, 0)
	case "recentlyviewedcontent":
		for _, x := range e.st.recent(e.me.AccountID) {
			out = append(out, itoa(x.id))
		}
		return window(v, out, 2)
	case "recentlyviewedspaces":
		return window(v, e.st.recentSpaces(e.me.AccountID), 1)
	}
	return nil, badRequest("Could not parse cql : No function exists with the name: '%s'", v.Text)
}

func checkArgs(v cql.Value, most int) *apiError {
	if len(v.Args) > most {
		return badRequest("Could not parse cql : Function '%s' takes at most %d arguments, got %d", v.Text, most, len(v.Args))
	}
	return nil
}

// window cuts a list by the arguments of a function: a limit and an offset.
func window(v cql.Value, list []string, most int) ([]string, *apiError) {
	if err := checkArgs(v, most); err != nil {
		return nil, err
	}
	var ns []int
	for _, a := range v.Args {
		n, err := strconv.Atoi(a)
		if err != nil || n < 0 {
			return nil, badRequest("Could not parse cql : The argument '%s' of function '%s' must be a number that is not negative", a, v.Text)
		}
		ns = append(ns, n)
	}
	if len(ns) == 2 {
		list = list[min(ns[1], len(list)):]
	}
	if len(ns) > 0 {
		list = list[:min(ns[0], len(list))]
	}
	return list, nil
}

func idField(get func(*store, *content) []int64) func(*searchEnv, *cql.Clause) (predicate, *apiError) {
	return func(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
		vs, err := e.words(c)
		if err != nil {
			return nil, err
		}
		want := map[int64]bool{}
		for _, v := range vs {
			n, bad := strconv.ParseInt(strings.TrimPrefix(v, attachmentPrefix), 10, 64)
			if bad != nil {
				return nil, badRequest("Could not parse cql : The value '%s' for the field '%s' must be a content id", v, c.Field)
			}
			want[n] = true
		}
		st := e.st
		return negated(c.Op, func(r row) bool {
			return r.c != nil && slices.ContainsFunc(get(st, r.c), func(id int64) bool { return want[id] })
		}), nil
	}
}

func keyField(get func(*store, row) []string) func(*searchEnv, *cql.Clause) (predicate, *apiError) {
	return func(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
		vs, err := e.words(c)
		if err != nil {
			return nil, err
		}
		st := e.st
		return negated(c.Op, func(r row) bool {
			return slices.ContainsFunc(get(st, r), func(have string) bool {
				return slices.ContainsFunc(vs, func(v string) bool { return strings.EqualFold(v, have) })
			})
		}), nil
	}
}

func users(get func(*store, *content) []string) cqlField {
	return cqlField{ops: opsKey, compile: keyField(func(st *store, r row) []string {
		if r.c == nil {
			return nil
		}
		return get(st, r.c)
	})}
}

var typeWords = []string{"page", "blogpost", "comment", "attachment", "whiteboard", "database", "embed", "folder", "slide", "space", "user"}

func typeField(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
	vs, err := e.words(c)
	if err != nil {
		return nil, err
	}
	for _, v := range vs {
		if !slices.Contains(typeWords, strings.ToLower(v)) && !strings.Contains(v, ":") { // apps name their types ac:app:type
			return nil, badRequest("Could not parse cql : The value '%s' is not supported for the field 'type'. Supported values are: %s", v, strings.Join(typeWords, ", "))
		}
	}
	return keyField(func(_ *store, r row) []string { return []string{r.typ()} })(e, c)
}

func titleField(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
	if c.Op == "~" || c.Op == "!~" {
		q, err := e.text(c)
		if err != nil {
			return nil, err
		}
		return negated(c.Op, func(r row) bool { return q.in(e.titleTokens(r)) }), nil
	}
	return keyField(func(_ *store, r row) []string { return []string{foldTitle(r.title())} })(e, c)
}

// titleTokens gives the numbered words of a row's title.
func (e *searchEnv) titleTokens(r row) []uint32 {
	if r.c != nil {
		return r.c.index.title
	}
	return e.known(r.title())
}

// known numbers the words that the vocabulary has; the others match nothing.
func (e *searchEnv) known(text string) []uint32 {
	var out []uint32
	eachWord(text, func(w string, _, _ int) {
		id, ok := e.st.words.ids[w]
		if !ok {
			id = ^uint32(0)
		}
		out = append(out, id)
	})
	return out
}

// text reads the value of a text clause and keeps it for ranking.
func (e *searchEnv) text(c *cql.Clause) (textQuery, *apiError) {
	vs, err := e.words(c)
	if err != nil {
		return textQuery{}, err
	}
	q, err := e.st.words.parseText(strings.Join(vs, " "))
	if err == nil && c.Op == "~" {
		e.texts = append(e.texts, q)
	}
	return q, err
}

func textField(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
	if strings.EqualFold(c.Field, "siteSearch") && strings.TrimSpace(c.Values[0].Text) == "" {
		return nil, refuse(500, "INTERNAL_SERVER_ERROR", "ServiceException", "An unexpected error occurred while searching")
	}
	q, err := e.text(c)
	if err != nil {
		return nil, err
	}
	return negated(c.Op, func(r row) bool {
		if r.c == nil {
			return q.in(e.titleTokens(r))
		}
		if q.in(r.c.index.title, r.c.index.body) {
			return true
		}
		if len(r.c.labels) == 0 {
			return false
		}
		return q.in(r.c.index.title, r.c.index.body, e.known(strings.Join(labelsOf(e.st, r), " ")))
	}), nil
}

func spaceTitleField(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
	name := func(r row) string {
		if sp := r.space(e.st); sp != nil {
			return sp.name
		}
		return ""
	}
	if c.Op == "=" || c.Op == "!=" {
		return keyField(func(_ *store, r row) []string { return []string{name(r)} })(e, c)
	}
	q, err := e.text(c)
	if err != nil {
		return nil, err
	}
	return negated(c.Op, func(r row) bool { return q.in(e.known(name(r))) }), nil
}

// fullNameField matches the beginnings of the words of a name, as user search does.
func fullNameField(e *searchEnv, c *cql.Clause) (predicate, *apiError) {
	vs, err := e.words(c)
	if err != nil {
		return nil, err
	}
	want := strings.Fields(strings.ToLower(strings.NewReplacer("*", " ", `"`, " ").Replace(strings.Join(vs, " "))))
	return func(r row) bool {
		if r.u == nil || len(want) == 0 {
			return false
		}
		have := strings.Fields(strings.ToLower(r.u.DisplayName))
		for _, w := range want {
			if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, w) }) {
				return false
			}
		}
		return true
	}, nil
}
