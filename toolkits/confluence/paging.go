package confluence

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// pageArgs are the arguments of every tool that lists. The API knows cursors
// only; start is walked.
type pageArgs struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=250,default=25" jsonschema_description:"How many items to return at most."`
	Cursor string `json:"cursor,omitempty" jsonschema:"maxLength=8000" jsonschema_description:"Where to go on: next_cursor of the answer before."`
	Start  int    `json:"start,omitempty" jsonschema:"minimum=0,maximum=5000" jsonschema_description:"How many items to skip. Slow; prefer cursor, and never both."`
}

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

const moreText = "There is more: call again with the same arguments and cursor set to next_cursor."

func newPaging(cursor string) paging {
	if cursor == "" {
		return paging{}
	}
	return paging{NextCursor: cursor, More: moreText}
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
}

// fetch gets the items that a asks for; start is walked with cursors.
func fetch[T any](ctx context.Context, c *client, r request, a pageArgs) (list[T], error) {
	if err := a.check(); err != nil {
		return list[T]{}, err
	}
	cursor := a.Cursor
	for skip := a.Start; skip > 0; {
		got, err := fetchOne[T](ctx, c, r, min(skip, 250), cursor)
		if err != nil {
			return list[T]{}, err
		}
		skip -= len(got.items)
		cursor = got.cursor
		if cursor == "" || len(got.items) == 0 {
			return list[T]{base: got.base}, nil
		}
	}
	return fetchOne[T](ctx, c, r, a.Limit, cursor)
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
	return list[T]{items: answer.Results, cursor: cursorOf(next), base: answer.Links.Base}, nil
}

// answerOf reads an answer that is a list.
type answerOf[T any] struct {
	Results []T       `json:"results"`
	Links   listLinks `json:"_links"`
	rest    any
}

// UnmarshalJSON fills the list, and rest from the same object.
func (a *answerOf[T]) UnmarshalJSON(data []byte) error {
	type plain answerOf[T]
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
