package confluence

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// feed follows a list whose newest items come first, or nearly.
//
// A walk goes from the newest item down to Cut, as far as one poll may read, and
// on from there at the next poll. Items at or after Cut that are not in Seen are
// new. Cut stays behind the newest item until the site's own clock is overlap
// past it, so that what becomes visible late is still found. All times are the
// site's, in milliseconds.
type feed struct {
	Cut  int64           `json:"cut"`
	Prev int64           `json:"prev"` // Cut of the walk before
	Seen map[string]mark `json:"seen,omitempty"`
	Walk *walk           `json:"walk,omitempty"`
}

// mark is a state of an item: when it came about, and its version.
type mark struct {
	At int64 `json:"t"`
	N  int   `json:"n,omitempty"`
}

func (m mark) after(o mark) bool { return m.At > o.At || m.At == o.At && m.N > o.N }

// walk is one that did not end in one poll.
type walk struct {
	Next  string `json:"next,omitempty"` // the API's cursor; empty: from the top, over what was read
	Top   int64  `json:"top"`            // the newest item
	Low   int64  `json:"low"`            // the oldest that was read
	Site  int64  `json:"site"`           // the site's clock at the beginning
	Quiet bool   `json:"quiet,omitempty"`
}

const (
	// overlap is how late an item may become visible.
	overlap = 10 * time.Minute
	// maxSeen bounds what is remembered; beyond it Cut moves up.
	maxSeen = 6000
	// The first page is small, since mostly nothing is new.
	firstPage, nextPage = 10, 100
)

// source is a list that a feed follows.
type source[T any] struct {
	list func(ctx context.Context, limit int, cursor string) (list[T], error)
	mark func(item T) (id string, m mark)
	// loose lists are only nearly in order: a walk ends after a page without
	// anything new. whole lists are read to their end.
	loose, whole bool
	first, each  int // page sizes, where firstPage and nextPage do not fit
	// same says that an item only looks new beside what was seen before.
	same func(seen map[string]mark, m mark) bool
}

// newItem is an item that a walk found. Known items were seen in an earlier
// state, was; of others what came about since the feed's floor is new.
type newItem[T any] struct {
	item  T
	base  string
	known bool
	was   mark
}

// floor is since when everything has been read, whatever moved during a walk.
func (f *feed) floor() int64 { return f.Prev }

// follow walks on. It calls emit for what is new, the newest first; when emit
// gives false it stops before that item and goes on with it at the next poll.
func follow[T any](ctx context.Context, c *client, f *feed, s source[T], emit func(newItem[T]) (bool, error)) (more bool, err error) {
	baseline := f.Cut == 0 && f.Walk == nil
	if f.Seen == nil {
		f.Seen = map[string]mark{}
	}
	v := visit[T]{feed: f, source: s, emit: emit}
	if s.same != nil {
		v.before = maps.Clone(f.Seen)
	}
	v.again = f.Walk != nil && f.Walk.Next == "" && f.Walk.Low > 0
	for range maxPollPages {
		limit, cursor := cmp.Or(s.first, firstPage), ""
		if f.Walk != nil {
			limit, cursor = cmp.Or(s.each, nextPage), f.Walk.Next
		}
		got, err := s.list(ctx, limit, cursor)
		if err != nil && cursor != "" && refused(err) {
			f.Walk.Next = "" // the next poll goes over it from the top
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if f.Walk == nil {
			f.Walk = &walk{Site: c.now().UnixMilli(), Quiet: baseline}
			if baseline {
				f.begin(newest(got.items, s))
			}
		}
		end, err := v.page(got)
		switch {
		case err != nil:
			return false, err
		case end == stopped:
			return true, nil
		case end == reached || got.cursor == "" || len(got.items) == 0:
			f.end()
			return false, nil
		}
		f.Walk.Next = got.cursor
		f.forget(s.whole)
		if c.isBusy(0) {
			break
		}
	}
	return true, nil
}

// visit is what one poll does with the pages of a list.
type visit[T any] struct {
	feed   *feed
	source source[T]
	before map[string]mark // what was seen before this poll
	again  bool            // the walk goes over what it read already
	emit   func(newItem[T]) (bool, error)
}

// How a page ends: there may be more below, all below is known, or emit stopped.
type ending int

const (
	below ending = iota
	reached
	stopped
)

// page takes one page of the list.
func (v *visit[T]) page(got list[T]) (ending, error) {
	f, fresh := v.feed, false
	top := f.Walk.Top
	for _, item := range got.items {
		id, m := v.source.mark(item)
		if m.At < f.Cut {
			if v.source.loose || v.source.whole {
				continue
			}
			return reached, nil
		}
		if v.again && !v.source.loose && !v.source.whole && m.At > f.Walk.Low && m.At <= top {
			continue
		}
		was, known := f.Seen[id]
		fresh = fresh || !known || v.again
		if !known || m.after(was) {
			ok, err := v.report(newItem[T]{item: item, base: got.base, known: known, was: was}, m)
			if err != nil {
				return 0, err
			}
			if !ok {
				return stopped, nil
			}
			f.Seen[id] = m
		}
		f.Walk.Top = max(f.Walk.Top, m.At)
		if f.Walk.Low == 0 || m.At < f.Walk.Low {
			f.Walk.Low = m.At
		}
	}
	if v.source.loose && !fresh {
		return reached, nil
	}
	return below, nil
}

func (v *visit[T]) report(n newItem[T], m mark) (bool, error) {
	if v.feed.Walk.Quiet || v.source.same != nil && v.source.same(v.before, m) {
		return true, nil
	}
	return v.emit(n)
}

func markOf[T any](s source[T], item T) mark {
	_, m := s.mark(item)
	return m
}

func newest[T any](items []T, s source[T]) int64 {
	var top int64
	for _, item := range items {
		top = max(top, markOf(s, item).At)
	}
	return top
}

// begin sets Cut before the first walk.
func (f *feed) begin(top int64) {
	f.Cut = max(f.Cut, settled(top, f.Walk.Site))
	f.Prev = f.Cut
}

// settled is the time before which nothing more becomes visible.
func settled(top, site int64) int64 {
	late := overlap.Milliseconds()
	if top == 0 {
		return site - late
	}
	return min(top, max(site-late, top-late))
}

// forget drops what a long walk no longer needs; what it drops comes twice,
// with one key, only if it changes during the walk.
func (f *feed) forget(whole bool) {
	if whole || len(f.Seen) <= maxSeen+maxSeen/2 {
		return
	}
	cut := settled(f.Walk.Top, f.Walk.Site)
	for id, m := range f.Seen {
		if m.At > f.Walk.Low && m.At < cut {
			delete(f.Seen, id)
		}
	}
}

// end finishes a walk.
func (f *feed) end() {
	cut := max(f.Cut, settled(f.Walk.Top, f.Walk.Site))
	f.Prev, f.Cut, f.Walk = f.Cut, cut, nil
	for id, m := range f.Seen {
		if m.At < f.Prev {
			delete(f.Seen, id)
		}
	}
	if len(f.Seen) <= maxSeen {
		return
	}
	ids := make([]string, 0, len(f.Seen))
	for id := range f.Seen {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(f.Seen[b].At, f.Seen[a].At) })
	for _, id := range ids[maxSeen:] {
		f.Cut = max(f.Cut, f.Seen[id].At+1)
		delete(f.Seen, id)
	}
	f.Prev = min(f.Prev, f.Cut)
}
