package trigger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// ledger holds the events of every type against the site's change log: what had to
// be told, what could not be seen (and is counted), and what must not be there.
type ledger struct {
	w        *town
	things   map[string]*thing // by type and id
	baseline int               // the line of the log at which the watching began
	bad      []string
	seen     map[string]int // events, by slug
	unseen   map[string]int // changes that no event tells of, by slug
}

// thing is the history of one thing.
type thing struct {
	typ, id, on string
	before      map[string]string // its state when the watching began
	state       map[string]string // and at the end
	changes     []confluence.Change
	// born is when it became current for the first time; steady is since when it is
	// so without a break. Both are lines of the log, 0 for never.
	born, steady int
	broken       bool // it was not current for a while after it was born
}

func (x *thing) current() bool { return x.state[confluence.ChangedStatus] == "current" }

func read(w *town, baseline int) *ledger {
	l := &ledger{w: w, baseline: baseline, things: map[string]*thing{}, seen: map[string]int{}, unseen: map[string]int{}}
	for _, c := range w.site.Changes(0) {
		key := c.Type + " " + c.ID
		x := l.things[key]
		if x == nil {
			x = &thing{typ: c.Type, id: c.ID, before: map[string]string{}, state: map[string]string{}}
			l.things[key] = x
		}
		if c.On != "" {
			x.on = c.On
		}
		x.state[c.What] = c.After
		if c.N <= baseline {
			x.before[c.What] = c.After
		}
		x.changes = append(x.changes, c)
		if c.What != confluence.ChangedStatus {
			continue
		}
		switch {
		case c.After == "current" || c.Type == "task" && c.After != "":
			x.steady = c.N
			if x.born == 0 {
				x.born = c.N
			}
		case c.Before == "current" || c.After == "":
			x.steady, x.broken = 0, true
		}
	}
	return l
}

func (l *ledger) fail(slug, format string, args ...any) {
	l.bad = append(l.bad, slug+": "+fmt.Sprintf(format, args...))
}

// of gives the things of some types, in the order of their ids.
func (l *ledger) of(types ...string) []*thing {
	var out []*thing
	for _, key := range slices.Sorted(maps.Keys(l.things)) {
		if slices.Contains(types, l.things[key].typ) {
			out = append(out, l.things[key])
		}
	}
	return out
}

// told is an event as far as it is judged.
type told struct {
	key      string
	Resource struct {
		ID string `json:"id"`
	} `json:"resource"`
	Change struct {
		Hash      string          `json:"restrictionsHash"`
		RawBefore json.RawMessage `json:"before"`
		RawAfter  json.RawMessage `json:"after"`
	} `json:"change"`
}

// side is one side of a change.
type side struct {
	Count    int    `json:"count"`
	Name     string `json:"name"`
	ParentID string `json:"parentId"`
	SpaceID  string `json:"spaceId"`
}

func sideOf(raw json.RawMessage) (s side) {
	_ = json.Unmarshal(raw, &s) // a number, of properties, has none
	return s
}

// judge holds the events of a type, in their order, against the log.
func (l *ledger) judge(slug string, events []domain.Event) {
	l.seen[slug] = len(events)
	var all []told
	keys := map[string]bool{}
	for i := range events {
		e := told{key: events[i].Key}
		if err := json.Unmarshal(events[i].Payload, &e); err != nil {
			l.fail(slug, "%v", err)
		}
		if keys[e.key] {
			l.fail(slug, "%s came twice", e.key)
		}
		keys[e.key] = true
		all = append(all, e)
	}
	w := l.w
	switch strings.TrimSuffix(strings.TrimPrefix(slug, "CONFLUENCE_"), "_TRIGGER") {
	case "PAGE_CREATED":
		l.born(slug, keys, "page:%s:created", l.of("page"), func(x *thing) bool { return !x.broken })
	case "NEW_BLOG_POST_CREATED":
		l.born(slug, keys, "blogpost:%s:created", l.of("blogpost"), func(x *thing) bool { return !x.broken })
	case "SPACE_CONTENT_ADDED":
		pages, posts := map[string]bool{}, map[string]bool{}
		for k := range keys {
			if strings.HasPrefix(k, "page") {
				pages[k] = true
				continue
			}
			posts[k] = true
		}
		l.born(slug, pages, "page:%s:created", l.here("page"), func(x *thing) bool { return !x.broken })
		l.born(slug, posts, "blogpost:%s:created", l.here("blogpost"), func(x *thing) bool { return !x.broken })
	case "SPACE_CREATED":
		l.born(slug, keys, "space:%s:created", l.of("space"), (*thing).current)
	case "NEW_CQL_CONTENT_MATCH":
		l.born(slug, keys, "match:%s", l.here("page"), (*thing).current)
	case "FOOTER_COMMENT_ADDED":
		l.born(slug, keys, "comment:%s:created", l.on(w.above, "comment"), (*thing).current)
	case "PAGE_INLINE_COMMENT_ADDED":
		l.born(slug, keys, "comment:%s:created", l.on(w.talk, "comment"), (*thing).current)
	case "BLOGPOST_INLINE_COMMENT_ADDED":
		l.born(slug, keys, "comment:%s:created", l.on(w.post, "comment"), (*thing).current)
	case "ATTACHMENT_ADDED":
		l.born(slug, keys, "attachment:%s:created", l.on(w.above, "attachment"), (*thing).current)
	case "NEW_TASK_CREATED":
		l.born(slug, keys, "task:%s:created", l.of("task"), func(x *thing) bool {
			page := l.things["page "+x.on]
			return x.steady > 0 && page.current() && !page.broken
		})
	case "NEW_AUDIT_LOG":
		if records := l.after(l.of("audit")); len(keys) != records {
			l.fail(slug, "%d events of %d records", len(keys), records)
		}
	case "PAGE_UPDATED":
		l.versions(slug, keys, l.of("page"))
	case "PAGE_VERSION_CREATED":
		l.versions(slug, keys, []*thing{l.things["page "+w.above]})
	case "BLOGPOST_UPDATED":
		l.versions(slug, keys, l.of("blogpost"))
	case "NEW_CHILD_PAGE":
		place := w.mkt + "/" + w.above
		l.joined(slug, all, l.of("page"), func(state map[string]string) bool {
			return state[confluence.ChangedStatus] == "current" && state[confluence.ChangedPlace] == place
		})
	case "BLOG_POST_ADDED_TO_LABEL":
		l.joined(slug, all, l.of("blogpost"), func(state map[string]string) bool {
			return state[confluence.ChangedStatus] == "current" && state[confluence.ChangedLabels] == "urgent"
		})
	case "PAGE_MOVED":
		l.moves(slug, all)
	case "PAGE_CONTENT_PROPERTIES_CHANGED":
		l.properties(slug, keys, l.on(w.above, "property"))
	case "SPACE_PROPERTIES_CHANGED":
		l.properties(slug, keys, l.on(w.mkt, "property"))
	case "PAGE_LIKE_COUNT_CHANGED":
		l.chain(slug, all, l.things["page "+w.liked], confluence.ChangedLikes, likes)
	case "BLOGPOST_LIKE_COUNT_CHANGED":
		l.chain(slug, all, l.things["blogpost "+w.post], confluence.ChangedLikes, likes)
	case "SPACE_DETAILS_CHANGED":
		eng := slices.IndexFunc(w.site.Spaces(), func(s confluence.Space) bool { return s.Key == w.eng })
		l.chain(slug, all, l.things["space "+w.site.Spaces()[eng].ID], confluence.ChangedDetails, func(s string) string {
			name, _, _ := strings.Cut(s, "\x00")
			return "name " + name
		})
	case "CONTENT_RESTRICTIONS_CHANGED":
		l.chain(slug, all, l.things["page "+w.secret], confluence.ChangedLimits, nil)
	default:
		l.fail(slug, "nobody judges it")
	}
}

func likes(count string) string {
	if count == "" {
		count = "0"
	}
	return "count " + count
}

func (l *ledger) on(owner, typ string) []*thing {
	return slices.DeleteFunc(l.of(typ), func(x *thing) bool { return x.on != owner })
}

// here gives the things in the space where people write.
func (l *ledger) here(typ string) []*thing {
	return slices.DeleteFunc(l.of(typ), func(x *thing) bool { return !strings.HasPrefix(x.state[confluence.ChangedPlace], l.w.mkt+"/") })
}

// after counts the changes since the watching began.
func (l *ledger) after(all []*thing) (n int) {
	for _, x := range all {
		for _, c := range x.changes {
			if c.N > l.baseline {
				n++
			}
		}
	}
	return n
}

// born: each thing that came about is told once, if it was there long enough; of the
// others some are told.
func (l *ledger) born(slug string, keys map[string]bool, form string, all []*thing, must func(*thing) bool) {
	may := map[string]bool{}
	for _, x := range all {
		key := fmt.Sprintf(form, x.id)
		if x.born <= l.baseline && keys[key] {
			l.fail(slug, "%s was there before, or never", key)
			continue
		}
		if x.born <= l.baseline {
			continue
		}
		may[key] = true
		switch {
		case keys[key]:
		case must(x):
			l.fail(slug, "%s is missing: %v", key, x.changes)
		default:
			l.unseen[slug]++
		}
	}
	for key := range keys {
		if !may[key] {
			l.fail(slug, "%s is of nothing that happened", key)
		}
	}
}

// versions: each version is told once, if its content was not in the trash after it.
func (l *ledger) versions(slug string, keys map[string]bool, all []*thing) {
	may := map[string]bool{}
	for _, x := range all {
		for _, c := range x.changes {
			if c.What != confluence.ChangedVersion || c.N <= l.baseline {
				continue
			}
			key := fmt.Sprintf("%s:%s:v%s:%d", x.typ, x.id, c.After, c.At.UnixMilli())
			may[key] = true
			switch {
			case keys[key]:
			case x.current() && (!x.broken || c.N > x.steady):
				l.fail(slug, "%s is missing: %v", key, x.changes)
			default:
				l.unseen[slug]++
			}
		}
	}
	for key := range keys {
		if !may[key] {
			l.fail(slug, "%s is of no version", key)
		}
	}
}

// joined: whoever came in is told at most as often as he came, and at least once if
// he is there and was not before.
func (l *ledger) joined(slug string, all []told, among []*thing, in func(state map[string]string) bool) {
	times := map[string]int{}
	for _, e := range all {
		times[e.Resource.ID]++
	}
	for _, x := range among {
		entries, state, was := 0, map[string]string{}, false
		for _, c := range x.changes {
			state[c.What] = c.After
			now := in(state)
			if now && !was && c.N > l.baseline {
				entries++
			}
			was = now
		}
		n := times[x.id]
		delete(times, x.id)
		if n > entries || was && !in(x.before) && n == 0 {
			l.fail(slug, "%s came in %d times and was told %d times: %v", x.id, entries, n, x.changes)
			continue
		}
		l.unseen[slug] += entries - n
	}
	if len(times) > 0 {
		l.fail(slug, "told of %v", times)
	}
}

// chain: each event begins where the one before ended, the first at the beginning and
// the last at the end, and there are no more than changes.
func (l *ledger) chain(slug string, all []told, x *thing, what string, word func(string) string) {
	changes := 0
	for _, c := range x.changes {
		if c.What == what && c.N > l.baseline {
			changes++
		}
	}
	if len(all) > changes {
		l.fail(slug, "%d events of %d changes", len(all), changes)
	}
	l.unseen[slug] += changes - len(all)
	if word == nil { // the restrictions, which have a sum only
		if len(all) > 0 && all[len(all)-1].Change.Hash != x.state[what] || len(all) == 0 && x.before[what] != x.state[what] {
			l.fail(slug, "it ends at another state than %q", x.state[what])
		}
		return
	}
	shown := func(raw json.RawMessage) string {
		s := sideOf(raw)
		if s.Name != "" {
			return "name " + s.Name
		}
		return "count " + strconv.Itoa(s.Count)
	}
	at := word(x.before[what])
	for _, e := range all {
		if from := shown(e.Change.RawBefore); from != at {
			l.fail(slug, "an event begins at %s, not at %s", from, at)
		}
		at = shown(e.Change.RawAfter)
	}
	if end := word(x.state[what]); at != end {
		l.fail(slug, "the events end at %s, not at %s", at, end)
	}
}

// moves: the events of each page make a chain of places that ends where it is.
func (l *ledger) moves(slug string, all []told) {
	byPage := map[string][]told{}
	for _, e := range all {
		byPage[e.Resource.ID] = append(byPage[e.Resource.ID], e)
	}
	for _, x := range l.of("page") {
		moved := 0
		for _, c := range x.changes {
			if c.What == confluence.ChangedPlace && c.Before != "" && c.N > l.baseline {
				moved++
			}
		}
		events := byPage[x.id]
		delete(byPage, x.id)
		if len(events) > moved {
			l.fail(slug, "%s moved %d times and was told %d times: %v", x.id, moved, len(events), x.changes)
			continue
		}
		l.unseen[slug] += moved - len(events)
		at := x.before[confluence.ChangedPlace]
		for _, e := range events {
			before, after := sideOf(e.Change.RawBefore), sideOf(e.Change.RawAfter)
			if from := before.SpaceID + "/" + orZero(before.ParentID); at != "" && from != at && !x.broken {
				l.fail(slug, "%s: an event begins at %s, not at %s", x.id, from, at)
			}
			at = after.SpaceID + "/" + orZero(after.ParentID)
		}
		if end := x.state[confluence.ChangedPlace]; at != "" && at != end && x.current() && !x.broken {
			l.fail(slug, "%s: the events end at %s, not at %s: %v", x.id, at, end, x.changes)
		}
	}
	if len(byPage) > 0 {
		l.fail(slug, "told of %v", slices.Collect(maps.Keys(byPage)))
	}
}

func orZero(id string) string {
	if id == "" {
		return "0"
	}
	return id
}

// properties: the last version of each is told, of those in between some; that one is
// gone is told when it was known.
func (l *ledger) properties(slug string, keys map[string]bool, all []*thing) {
	may := map[string]bool{}
	for _, x := range all {
		number, known := 0, x.before[confluence.ChangedStatus] != ""
		version := func(n int, must bool) {
			key := fmt.Sprintf("property:%s:v%d", x.id, n)
			may[key] = true
			known = known || keys[key]
			if must && !keys[key] {
				l.fail(slug, "%s is missing: %v", key, x.changes)
			} else if !keys[key] {
				l.unseen[slug]++
			}
		}
		last := 0
		for _, c := range x.changes {
			if c.What == confluence.ChangedVersion || c.What == confluence.ChangedStatus && c.After != "" {
				last++
			}
		}
		for _, c := range x.changes {
			switch {
			case c.What == confluence.ChangedStatus && c.After == "":
				key := "property:" + x.id + ":deleted"
				if may[key] = true; keys[key] != known {
					l.fail(slug, "%s: told %v, known %v: %v", key, keys[key], known, x.changes)
				}
				continue
			case c.What == confluence.ChangedStatus || c.What == confluence.ChangedVersion:
				number++
			}
			if c.N > l.baseline {
				version(number, number == last && x.current())
			}
		}
	}
	for key := range keys {
		if !may[key] {
			l.fail(slug, "%s is of nothing that happened", key)
		}
	}
}

// report is the outcome by type, for the log.
func (l *ledger) report() string {
	events, unseen := 0, 0
	var each []string
	for _, slug := range slices.Sorted(maps.Keys(l.seen)) {
		events, unseen = events+l.seen[slug], unseen+l.unseen[slug]
		if l.unseen[slug] > 0 {
			each = append(each, fmt.Sprintf("%s %d", strings.TrimSuffix(strings.TrimPrefix(slug, "CONFLUENCE_"), "_TRIGGER"), l.unseen[slug]))
		}
	}
	return fmt.Sprintf("%d changes, %d events, %d changes that polling could not see (%s)",
		len(l.w.site.Changes(l.baseline)), events, unseen, strings.Join(each, ", "))
}
