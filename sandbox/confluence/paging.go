package confluence

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// cursor marks the last row given. Rows are found again by their sort key and
// id, so that a list may change between two pages without repeating or
// losing rows.
type cursor struct {
	Sort string `json:"s,omitempty"`
	Key  string `json:"k,omitempty"`
	ID   int64  `json:"i"`
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil { // strings and a number: cannot fail
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (cursor, bool) {
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(b, &c) != nil {
		return cursor{}, false
	}
	return c, true
}

const (
	defaultLimit = 25
	maxLimit     = 250
)

// limit reads the page size. v2 refuses one out of bounds; v1 lowers it.
func (c *call) limit(def, most int) (int, *apiError) {
	raw := c.q.Get("limit")
	if raw == "" {
		return def, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil {
		return 0, wrongType(raw, "limit", "int")
	}
	if c.v1 {
		if n < 0 {
			return 0, badRequest("Limit should not be negative")
		}
		return min(n, most), nil
	}
	if n < 1 || n > most {
		return 0, badRequest("Provided value {%d} for 'limit' is out of bounds. It must be between 1 and %d.", n, most)
	}
	return n, nil
}

// sorter orders rows of a list: by a key, then by id.
type sorter[T any] struct {
	name string
	desc bool
	key  func(T) string // nil = by id alone
	id   func(T) int64
}

type keyedRow[T any] struct {
	row T
	key string
	id  int64
}

func (s sorter[T]) compare(ka string, ia int64, kb string, ib int64) int {
	n := cmp.Or(strings.Compare(ka, kb), cmp.Compare(ia, ib))
	if s.desc {
		return -n
	}
	return n
}

func (s sorter[T]) keyOf(row T) string {
	if s.key == nil {
		return ""
	}
	return s.key(row)
}

type v2Links struct {
	Next string `json:"next,omitempty"`
	Base string `json:"base,omitempty"`
}

type v2List[T any] struct {
	Results []T     `json:"results"`
	Links   v2Links `json:"_links"`
}

// page sorts rows, cuts out the page that the request asks for and shows it.
// It sets the Link header when more is left.
func page[T, R any](c *call, rows []T, s sorter[T], show func(T) R) (any, *apiError) {
	limit, err := c.limit(defaultLimit, maxLimit)
	if err != nil {
		return nil, err
	}
	return pageLimited(c, rows, s, limit, show)
}

func pageLimited[T, R any](c *call, rows []T, s sorter[T], limit int, show func(T) R) (any, *apiError) {
	keyed := make([]keyedRow[T], len(rows))
	for i, row := range rows {
		keyed[i] = keyedRow[T]{row: row, key: s.keyOf(row), id: s.id(row)}
	}
	slices.SortFunc(keyed, func(a, b keyedRow[T]) int { return s.compare(a.key, a.id, b.key, b.id) })
	if raw := c.q.Get("cursor"); raw != "" {
		cur, ok := parseCursor(raw)
		if !ok || cur.Sort != s.name {
			return nil, badRequest("Provided value {%s} for 'cursor' is not a valid cursor for this request", raw)
		}
		keyed = keyed[sort.Search(len(keyed), func(i int) bool {
			return s.compare(keyed[i].key, keyed[i].id, cur.Key, cur.ID) > 0
		}):]
	}
	more := len(keyed) > limit
	if more {
		keyed = keyed[:limit]
	}
	out := v2List[R]{Results: make([]R, 0, len(keyed)), Links: v2Links{Base: c.base + "/wiki"}}
	for _, k := range keyed {
		out.Results = append(out.Results, show(k.row))
	}
	if more && limit > 0 {
		last := keyed[len(keyed)-1]
		q := url.Values{}
		for k, v := range c.q {
			q[k] = v
		}
		q.Set("limit", strconv.Itoa(limit))
		q.Set("cursor", cursor{Sort: s.name, Key: last.key, ID: last.id}.String())
		out.Links.Next = c.r.URL.Path + "?" + q.Encode()
		c.w.Header().Set("Link", "<"+out.Links.Next+`>; rel="next"`)
	}
	return out, nil
}

// contentSort reads the sort parameter of lists of contents.
func (c *call) contentSort(allowed ...string) (sorter[*content], *apiError) {
	all := make([]string, 0, 2*len(allowed))
	for _, a := range allowed {
		all = append(all, a, "-"+a)
	}
	name, err := c.oneOf("sort", "id", all...)
	if err != nil {
		return sorter[*content]{}, err
	}
	s := sorter[*content]{name: name, id: func(x *content) int64 { return x.id }}
	bare, desc := strings.CutPrefix(name, "-")
	s.desc = desc
	switch bare {
	case "created-date":
		s.key = func(x *content) string { return stamp(x.createdAt) }
	case "modified-date":
		s.key = func(x *content) string { return stamp(x.current().at) }
	case "title":
		s.key = func(x *content) string { return strings.ToLower(x.title()) }
	case "child-position":
		s.key = func(x *content) string { return strconv.Itoa(1<<30 + x.position) }
	}
	return s, nil
}
