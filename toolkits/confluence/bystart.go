package confluence

import (
	"context"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

// fetchByStart is fetch for the lists of v1 that count their items instead of
// giving cursors: the number to go on from stands in as the cursor. each is how
// many items to ask for at once; rest receives what else is in an answer.
func fetchByStart[T any](ctx context.Context, c *client, r request, each int, a pageArgs, rest any) (list[T], error) {
	if err := a.check(); err != nil {
		return list[T]{}, err
	}
	if a.Start > 0 {
		a.Cursor, a.Start = strconv.Itoa(a.Start), 0
	}
	return gather(c, a, each, func(limit int, cursor string) (list[T], error) {
		start, err := startOf(cursor)
		if err != nil {
			return list[T]{}, err
		}
		return oneByStart[T](ctx, c, r, start, limit, rest)
	})
}

// startOf reads the number that stands in as the cursor.
func startOf(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(cursor)
	if err != nil || n < 0 {
		return 0, toolkit.Invalid("cursor", "cursor: expected next_cursor of the answer before")
	}
	return n, nil
}

// oneByStart gets one page that begins with item start.
func oneByStart[T any](ctx context.Context, c *client, r request, start, limit int, rest any) (list[T], error) {
	q := make(map[string][]string, len(r.query)+2)
	for k, v := range r.query {
		q[k] = v
	}
	q["start"], q["limit"] = []string{strconv.Itoa(start)}, []string{strconv.Itoa(limit)}
	answer := answerOf[T]{rest: rest}
	r.query, r.out = q, &answer
	if err := c.do(ctx, r); err != nil {
		return list[T]{}, err
	}
	out := list[T]{items: answer.Results, base: answer.Links.Base, bytes: answer.bytes}
	if answer.Links.Next != "" && len(out.items) > 0 {
		out.cursor = strconv.Itoa(start + len(out.items))
	}
	return out, nil
}
