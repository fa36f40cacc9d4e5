package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// page is one of a list. The wire has three names for its items and two for what
// leads to the next one.
type page[T any] struct {
	Items []T     `json:"items"`
	Data  []T     `json:"data"`
	Logs  []T     `json:"logs"`
	Next  *string `json:"next_cursor"`
	Older *string `json:"nextCursor"`
}

// pages walks a list that is got with a GET. Each loop over it begins anew, and
// asks for no page before the one at hand was read.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return walk(func(cursor string, into *page[T]) error {
		q := maps.Clone(query)
		q.Set("limit", strconv.Itoa(200))
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		return c.do(ctx, http.MethodGet, path, q, nil, into)
	})
}

// asked walks a list that is got with a POST.
func asked[T any](ctx context.Context, c *Client, path string, in map[string]any) iter.Seq2[T, error] {
	return walk(func(cursor string, into *page[T]) error {
		q := maps.Clone(in)
		if cursor != "" {
			q["cursor"] = cursor
		}
		return c.ask(ctx, path, q, into)
	})
}

func walk[T any](get func(cursor string, into *page[T]) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			var p page[T]
			if err := get(cursor, &p); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range slices.Concat(p.Items, p.Data, p.Logs) {
				if !yield(item, nil) {
					return
				}
			}
			next := p.Next
			if next == nil {
				next = p.Older
			}
			if next == nil || *next == "" {
				return
			}
			if *next == cursor {
				var none T
				yield(none, &Error{Message: "the list does not end: its next page is the same one"})
				return
			}
			cursor = *next
		}
	}
}

// numberedPage is a page of a list whose pages have numbers.
type numberedPage[T any] struct {
	Items      []T `json:"items"`
	Instances  []T `json:"instances"`
	TotalPages int `json:"total_pages"`
}

// numbered walks such a list, in the order in which its items were made, so that
// one that is changed meanwhile does not move.
func numbered[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := maps.Clone(query)
		q.Set("limit", "100")
		q.Set("order_by", "created_at")
		for number, last := 1, 1; number <= last; number++ {
			q.Set("page_no", strconv.Itoa(number))
			var p numberedPage[T]
			if err := c.do(ctx, http.MethodGet, path, q, nil, &p); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range slices.Concat(p.Items, p.Instances) {
				if !yield(item, nil) {
					return
				}
			}
			last = p.TotalPages
		}
	}
}

// values makes query parameters of what is not empty: lists are joined by commas.
func values(texts map[string]string, lists map[string][]string) url.Values {
	v := url.Values{}
	for name, text := range texts {
		if text != "" {
			v.Set(name, text)
		}
	}
	for name, list := range lists {
		if text := strings.Join(list, ","); text != "" {
			v.Set(name, text)
		}
	}
	return v
}

// moment is a time on the wire; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// unixMillis is a time on the wire where that counts; 0 is no bound.
func unixMillis(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1000
}
