package api

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// param documents a query parameter. Reading is by hand, because the contract
// takes lists as a,b, as repeated parameters and in brackets alike, an empty
// value as absent, and a limit of any size.
type param struct{ name, typ, doc string }

func parameters(list []param) []*huma.Param {
	out := make([]*huma.Param, 0, len(list))
	for _, p := range list {
		schema := &huma.Schema{Type: p.typ}
		if p.typ == huma.TypeArray {
			schema.Items = &huma.Schema{Type: huma.TypeString}
		}
		hp := &huma.Param{Name: p.name, In: "query", Description: p.doc, Schema: schema}
		if p.typ == huma.TypeArray {
			no := false
			hp.Explode = &no
		}
		out = append(out, hp)
	}
	return out
}

// Query is the parsed query of a request, embedded in an operation's input.
type Query struct{ values url.Values }

// Resolve takes the query from the request; huma calls it.
func (q *Query) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	q.values = u.Query()
	return nil
}

// text gives a parameter; absent and empty are the same.
func (q *Query) text(name string) string { return strings.TrimSpace(q.values.Get(name)) }

// list gives the elements of a=x,y, of a=x&a=y and of a[]=x&a[0]=y, without
// empty ones, once each.
func (q *Query) list(name string) []string {
	var raw []string
	keys := make([]string, 0, 2)
	for key := range q.values {
		if key == name || (strings.HasPrefix(key, name+"[") && strings.HasSuffix(key, "]")) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		raw = append(raw, q.values[key]...)
	}
	var out []string
	for _, v := range raw {
		for _, one := range strings.Split(v, ",") {
			if one = strings.TrimSpace(one); one != "" && !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	return out
}

// pairs gives the entries of name[key]=value.
func (q *Query) pairs(name string) map[string]string {
	out := map[string]string{}
	for key, values := range q.values {
		inner, ok := strings.CutPrefix(key, name+"[")
		inner, closed := strings.CutSuffix(inner, "]")
		if ok && closed && inner != "" && values[0] != "" {
			out[inner] = values[0]
		}
	}
	return out
}

// flag gives a boolean; nil when absent.
func (q *Query) flag(name string) (*bool, error) {
	v := q.text(name)
	if v == "" {
		return nil, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return nil, domain.Invalid(name, "%s: expected true or false", name)
	}
	return &b, nil
}

// choice gives a parameter that is one of a few words; absent is the first.
func (q *Query) choice(name string, words ...string) (string, error) {
	v := q.text(name)
	if v == "" {
		return words[0], nil
	}
	if !slices.Contains(words, v) {
		return "", domain.Invalid(name, "%s: expected one of %s", name, strings.Join(words, ", "))
	}
	return v, nil
}

// window is a page of a list.
type window struct{ page, limit int }

var pageParams = []param{
	{"limit", huma.TypeInteger, "Items on a page; brought into its bounds, never refused"},
	{"cursor", huma.TypeString, "Next page: next_cursor of the page before"},
}

func paged(params ...param) []param { return append(params, pageParams...) }

// window reads cursor and limit. A limit outside 1–most is brought into these
// bounds. A cursor brings its own limit. Old clients send a page number.
func (q *Query) window(usual, most int) (window, error) {
	w := window{page: 1, limit: usual}
	if v := q.text("limit"); v != "" {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(f) {
			return w, domain.Invalid("limit", "limit: expected a number")
		}
		w.limit = int(min(max(f, 1), float64(most)))
	}
	if v := q.text("cursor"); v != "" {
		return parseCursor(v, most)
	}
	if v := q.text("page"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n > maxPage {
			return w, domain.Invalid("page", "page: expected a page number")
		}
		w.page = max(1, n)
	}
	return w, nil
}

// maxPage keeps offsets within an int32.
const maxPage = 1 << 20

// cursor is base64 of "page:limit": opaque to clients, nothing to keep for us.
func cursor(page, limit int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%d", page, limit))
}

func parseCursor(v string, most int) (window, error) {
	bad := domain.Invalid("cursor", "cursor: not one that this server gave").
		WithFix("Send next_cursor of the page before, or no cursor for the first page.")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil {
		return window{}, bad
	}
	p, l, ok := strings.Cut(string(raw), ":")
	page, err1 := strconv.Atoi(p)
	limit, err2 := strconv.Atoi(l)
	if !ok || err1 != nil || err2 != nil || page < 1 || page > maxPage || limit < 1 {
		return window{}, bad
	}
	return window{page: page, limit: min(limit, most)}, nil
}

func (w window) store() store.Page { return store.Page{Offset: (w.page - 1) * w.limit, Limit: w.limit} }

// page is the contract's envelope of a list (§1.6).
type page[T any] struct {
	Items       []T     `json:"items"`
	NextCursor  *string `json:"next_cursor"`
	TotalPages  int     `json:"total_pages"`
	CurrentPage int     `json:"current_page"`
	TotalItems  int     `json:"total_items"`
}

// pageOf wraps the items of one window of total.
func pageOf[T any](w window, items []T, total int) page[T] {
	if items == nil {
		items = []T{}
	}
	pages := (total + w.limit - 1) / w.limit
	p := page[T]{Items: items, TotalPages: max(1, pages), CurrentPage: w.page, TotalItems: total}
	if w.page < pages {
		next := cursor(w.page+1, w.limit)
		p.NextCursor = &next
	}
	return p
}

// cut takes a window out of a whole list and wraps it.
func cut[T, U any](w window, all []T, wire func(T) U) page[U] {
	from := min((w.page-1)*w.limit, len(all))
	to := min(from+w.limit, len(all))
	items := make([]U, 0, to-from)
	for _, v := range all[from:to] {
		items = append(items, wire(v))
	}
	return pageOf(w, items, len(all))
}

func lower(list []string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return out
}
