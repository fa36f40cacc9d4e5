package confluence

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// What pages and blog posts have in common: that they appear, and that they get
// versions. Both are read from the list of what was changed last, since that is
// where a page turns up whose draft is older than its publication.

// changed lists pages or blog posts, those changed last first.
func (c *client) changed(kind string, q url.Values) source[page] {
	query := url.Values{"sort": {"-modified-date"}, "status": {"current"}}
	for k, v := range q {
		query[k] = v
	}
	return source[page]{
		list: func(ctx context.Context, limit int, cursor string) (list[page], error) {
			return fetchOne[page](ctx, c, request{path: v2 + "/" + kind + "s", query: query, scopes: []string{scopeReadPage}}, limit, cursor)
		},
		mark: func(p page) (string, mark) {
			if p.Version == nil {
				return p.ID, mark{At: millis(p.CreatedAt)}
			}
			return p.ID, mark{At: millis(p.Version.CreatedAt), N: p.Version.Number}
		},
	}
}

// createdIn follows what appears among pages or blog posts. keep says which.
func (c *client) createdIn(ctx context.Context, f *feed, kind string, q url.Values, keep func(*page) bool) (events []toolkit.Event[contentEvent], more bool, err error) {
	more, err = follow(ctx, c, f, c.changed(kind, q), func(n newItem[page]) (bool, error) {
		if n.known {
			return true, nil // it was there before
		}
		if c.isBusy(len(events)) {
			return false, nil
		}
		fresh, err := c.appeared(ctx, kind, &n.item, f.floor())
		if err != nil {
			return false, err
		}
		if fresh && keep(&n.item) {
			events = append(events, c.createdEvent(kind, &n.item, n.base))
		}
		return true, nil
	})
	return inOrder(events), more, err
}

// appeared says whether content that changed since a time was also published
// since then. That of an older draft is known by its first version.
func (c *client) appeared(ctx context.Context, kind string, p *page, since int64) (bool, error) {
	if p.Version == nil || p.Version.Number == 1 || millis(p.CreatedAt) >= since {
		return true, nil
	}
	var first version
	err := c.do(ctx, request{
		path: v2 + "/" + kind + "s/" + p.ID + "/versions/1", out: &first, probe: true, scopes: []string{scopeReadPage},
	})
	if isStatus(err, 404) {
		return false, nil // gone meanwhile, or its first version is
	}
	return millis(first.CreatedAt) >= since, err
}

// createdEvent tells of new content.
func (c *client) createdEvent(kind string, p *page, base string) toolkit.Event[contentEvent] {
	at := p.CreatedAt
	if p.Version != nil && p.Version.Number == 1 {
		at = p.Version.CreatedAt
	}
	return toolkit.Event[contentEvent]{
		Key: kind + ":" + p.ID + ":created", OccurredAt: c.when(at),
		Payload: contentEvent{happened{OccurredAt: stampOf(c.when(at)), Actor: by(p.AuthorID), Resource: c.about(kind, p, base)}},
	}
}

// updatedIn follows the versions of pages or blog posts, each of them.
func (c *client) updatedIn(ctx context.Context, f *feed, kind string, q url.Values, noMinor bool) (events []toolkit.Event[contentEvent], more bool, err error) {
	more, err = follow(ctx, c, f, c.changed(kind, q), func(n newItem[page]) (bool, error) {
		if c.isBusy(len(events)) {
			return false, nil
		}
		versions, err := c.versionsSince(ctx, kind, &n.item, func(v version) bool {
			m := versionMark(v)
			return n.known && m.after(n.was) || !n.known && m.At >= f.floor()
		}, n.known && n.item.Version != nil && n.item.Version.Number == n.was.N+1)
		if err != nil {
			return false, err
		}
		for _, v := range versions {
			if v.Number > 1 && !(noMinor && v.MinorEdit) {
				events = append(events, c.updatedEvent(kind, n.item, v, n.base))
			}
		}
		return true, nil
	})
	return inOrder(events), more, err
}

func versionMark(v version) mark { return mark{At: millis(v.CreatedAt), N: v.Number} }

// maxVersionPages bounds how many versions of one page are looked for; Confluence
// gives 50 at once.
const maxVersionPages = 20

// versionsSince gives the versions of content that are new, the latest first.
// Where only one can be, nothing is asked.
func (c *client) versionsSince(ctx context.Context, kind string, p *page, isNew func(version) bool, single bool) ([]version, error) {
	if p.Version == nil {
		return nil, nil
	}
	if single || p.Version.Number <= 2 {
		return []version{*p.Version}, nil
	}
	r := request{path: v2 + "/" + kind + "s/" + p.ID + "/versions", query: url.Values{"sort": {"-modified-date"}}, probe: true, scopes: []string{scopeReadPage}}
	var out []version
	limit, cursor := 2, ""
	for range maxVersionPages {
		got, err := fetchOne[version](ctx, c, r, limit, cursor)
		if isStatus(err, 404) {
			return []version{*p.Version}, nil // gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, v := range got.items {
			switch {
			case versionMark(v).after(versionMark(*p.Version)):
				continue // made since the list was read; the next poll finds it
			case !isNew(v):
				return out, nil
			}
			out = append(out, v)
		}
		if limit, cursor = 50, got.cursor; cursor == "" {
			break
		}
	}
	return out, nil
}

// updatedEvent tells of a version of content.
func (c *client) updatedEvent(kind string, p page, v version, base string) toolkit.Event[contentEvent] {
	p.Version = &v
	return toolkit.Event[contentEvent]{
		Key: fmt.Sprintf("%s:%s:v%d:%d", kind, p.ID, v.Number, millis(v.CreatedAt)), OccurredAt: c.when(v.CreatedAt),
		Payload: contentEvent{happened{OccurredAt: stampOf(c.when(v.CreatedAt)), Actor: by(v.AuthorID), Resource: c.about(kind, &p, base)}},
	}
}

// versionsOf follows the versions of one page or blog post.
func (c *client) versionsOf(ctx context.Context, f *feed, kind, id, field string, noMinor bool) (events []toolkit.Event[contentEvent], more bool, err error) {
	s := source[version]{
		first: 5, each: 50,
		list: func(ctx context.Context, limit int, cursor string) (list[version], error) {
			return fetchOne[version](ctx, c, request{
				path: v2 + "/" + kind + "s/" + id + "/versions", query: url.Values{"sort": {"-modified-date"}},
				what: wordOf[kind] + " with id " + id, field: field, scopes: []string{scopeReadPage},
			}, limit, cursor)
		},
		mark: func(v version) (string, mark) {
			at := millis(v.CreatedAt)
			return strconv.Itoa(v.Number) + "@" + strconv.FormatInt(at, 10), mark{At: at, N: v.Number}
		},
		same: renumbered,
	}
	var found []version
	more, err = follow(ctx, c, f, s, func(n newItem[version]) (bool, error) {
		if len(found) >= maxPollEvents {
			return false, nil
		}
		found = append(found, n.item)
		return true, nil
	})
	if err != nil || len(found) == 0 {
		return nil, more, err
	}
	p, err := c.content(ctx, kind, id, field)
	if err != nil {
		return nil, false, err
	}
	for _, v := range found {
		if v.Number > 1 && !(noMinor && v.MinorEdit) {
			events = append(events, c.updatedEvent(kind, *p, v, ""))
		}
	}
	return inOrder(events), more, nil
}

// renumbered: when a version is deleted those after it are numbered anew, each
// lower than before; their times stay.
func renumbered(seen map[string]mark, m mark) bool {
	for _, s := range seen {
		if s.At == m.At && s.N > m.N {
			return true
		}
	}
	return false
}

// exampleContent is new content in the documentation.
func exampleContent(kind, title string, number int) contentEvent {
	at := "2026-11-22T10:00:00.000Z"
	v := &version{Number: number, AuthorID: "5b10a2844c20165700ede21g", CreatedAt: at}
	r := eventResource{
		Type: kind, ID: "98321", Title: title, Status: "current", SpaceID: "98304", SpaceKey: "MKT", Version: v,
		URL: "https://example.atlassian.net/wiki/spaces/MKT/pages/98321/" + strings.ReplaceAll(title, " ", "+"),
	}
	if kind == "page" {
		r.ParentID = "98310"
	} else {
		r.URL = "https://example.atlassian.net/wiki/spaces/MKT/blog/2026/11/22/98321/" + strings.ReplaceAll(title, " ", "+")
	}
	return contentEvent{happened{OccurredAt: at, Actor: by(v.AuthorID), Resource: r}}
}

// usual is how often most triggers poll.
const (
	usual   = 5 * time.Minute
	soonest = time.Minute
)
