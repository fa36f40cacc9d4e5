package confluence

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// pageArgs are the arguments of every tool that lists. The API knows cursors
// only; start and all are walked.
type pageArgs struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=250,default=25" jsonschema_description:"How many items to return at most."`
	Cursor string `json:"cursor,omitempty" jsonschema:"maxLength=8000" jsonschema_description:"Where to go on: next_cursor of the answer before."`
	Start  int    `json:"start,omitempty" jsonschema:"minimum=0,maximum=5000" jsonschema_description:"How many items to skip. Slow; prefer cursor, and never both."`
	All    bool   `json:"all,omitempty" jsonschema_description:"Get all items in one answer, up to 1,000; limit is ignored then."`
}

// What all gets at most in one answer. The rest is said and can be had with the cursor.
const (
	maxAllItems = 1000
	maxAllCalls = 20
	maxAllBytes = 8 << 20
)

func (a pageArgs) check() error {
	if a.Cursor != "" && a.Start > 0 {
		return toolkit.Invalid("start", "give cursor or start, not both; a cursor already says where to go on")
	}
	return nil
}

// paging ends every list.
type paging struct {
	NextCursor string `json:"next_cursor,omitempty" jsonschema_description:"Give it as cursor to get what comes next; absent at the end."`
	More       string `json:"more,omitempty" jsonschema_description:"Says how to get the rest when there is more."`
}

// newPaging says how to go on after shown items of total; total 0 is unknown.
func newPaging(cursor string, shown, total int) paging {
	if cursor == "" {
		return paging{}
	}
	count := fmt.Sprintf("%d items", shown)
	if total > shown {
		count = fmt.Sprintf("%d of about %d items", shown, total)
	}
	return paging{
		NextCursor: cursor,
		More:       count + "; there is more: call again with the same arguments and cursor set to next_cursor.",
	}
}

// listLinks are the links of a list.
type listLinks struct {
	Next string `json:"next"`
	Base string `json:"base"`
}

// list is one page of results.
type list[T any] struct {
	items  []T
	cursor string
	base   string
	bytes  int // how much was read for them
}

func (l list[T]) paging() paging { return newPaging(l.cursor, len(l.items), 0) }

// fetch gets the items that a asks for.
func fetch[T any](ctx context.Context, c *client, r request, a pageArgs) (list[T], error) {
	each := 250
	if r.query.Get("body-format") != "" {
		each = 50
	}
	return gather(c, a, each, func(limit int, cursor string) (list[T], error) {
		return fetchOne[T](ctx, c, r, limit, cursor)
	})
}

// gather walks pages: over what start skips, and then, for all, to the end or
// to a bound. each is how many items to ask for at once.
func gather[T any](c *client, a pageArgs, each int, get func(limit int, cursor string) (list[T], error)) (list[T], error) {
	if err := a.check(); err != nil {
		return list[T]{}, err
	}
	cursor := a.Cursor
	for skip := a.Start; skip > 0; {
		got, err := get(min(skip, 250), cursor)
		if err != nil {
			return list[T]{}, err
		}
		skip -= len(got.items)
		cursor = got.cursor
		if cursor == "" || len(got.items) == 0 {
			return list[T]{base: got.base}, nil
		}
	}
	if !a.All {
		return get(a.Limit, cursor)
	}
	all := list[T]{cursor: cursor}
	for range maxAllCalls {
		got, err := get(min(each, maxAllItems-len(all.items)), all.cursor)
		if err != nil {
			return list[T]{}, err
		}
		all.items, all.bytes = append(all.items, got.items...), all.bytes+got.bytes
		all.cursor, all.base = got.cursor, got.base
		if got.cursor == "" || len(got.items) == 0 || len(all.items) >= maxAllItems || all.bytes > maxAllBytes {
			break
		}
		c.call.Progress(float64(len(all.items)), 0, fmt.Sprintf("%d items so far", len(all.items)))
	}
	return all, nil
}

// fetchOne gets one page.
func fetchOne[T any](ctx context.Context, c *client, r request, limit int, cursor string) (list[T], error) {
	return fetchOneInto[T](ctx, c, r, limit, cursor, nil)
}

// fetchOneInto gets one page and fills what else is in the answer into rest.
func fetchOneInto[T any](ctx context.Context, c *client, r request, limit int, cursor string, rest any) (list[T], error) {
	q := url.Values{}
	for k, v := range r.query {
		q[k] = v
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	answer := answerOf[T]{rest: rest}
	var header http.Header
	r.query, r.out, r.header = q, &answer, &header
	if err := c.do(ctx, r); err != nil {
		return list[T]{}, err
	}
	next := answer.Links.Next
	if next == "" {
		next = nextLink(header)
	}
	return list[T]{items: answer.Results, cursor: cursorOf(next), base: answer.Links.Base, bytes: answer.bytes}, nil
}

// answerOf reads an answer that is a list.
type answerOf[T any] struct {
	Results []T       `json:"results"`
	Links   listLinks `json:"_links"`
	rest    any
	bytes   int
}

// UnmarshalJSON fills the list, and rest from the same object.
func (a *answerOf[T]) UnmarshalJSON(data []byte) error {
	type plain answerOf[T]
	a.bytes = len(data)
	if err := json.Unmarshal(data, (*plain)(a)); err != nil {
		return err
	}
	if a.rest == nil {
		return nil
	}
	return json.Unmarshal(data, a.rest)
}

// nextLink finds rel="next" in Link headers.
func nextLink(h http.Header) string {
	for _, line := range h.Values("Link") {
		for part := range strings.SplitSeq(line, ",") {
			address, params, ok := strings.Cut(part, ";")
			if ok && strings.Contains(params, `rel="next"`) {
				return strings.Trim(strings.TrimSpace(address), "<>")
			}
		}
	}
	return ""
}

func cursorOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("cursor")
}

// set adds a query parameter unless it is empty.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
