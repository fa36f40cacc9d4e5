package confluence

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a [Change] is of.
const (
	// ChangedStatus: "" before it was made, then draft, current, archived, trashed,
	// and "" once it is purged.
	ChangedStatus = "status"
	// ChangedVersion: the numbers of the version before and of a new one. At is
	// the version's own time. Version numbers that fall tell of a deleted version.
	ChangedVersion = "version"
	// ChangedPlace: "<space id>/<parent id>".
	ChangedPlace = "place"
	// ChangedLikes: how many like it.
	ChangedLikes = "likes"
	// ChangedLabels: the names of its labels, sorted, with commas.
	ChangedLabels = "labels"
	// ChangedLimits: a digest of its restrictions.
	ChangedLimits = "restrictions"
	// ChangedDetails: of a space, its name, description, home page, type and alias.
	ChangedDetails = "details"
)

// Change is one line of a site's change log: what happened, whoever could see it.
type Change struct {
	N    int       // counted from 1
	At   time.Time // by the site's clock
	Type string    // page, blogpost, comment, attachment, …, space, property, task or audit
	ID   string    // as the API writes it; of an audit record its number
	On   string    // what it is on or part of: content of a comment, owner of a property
	What string    // one of the Changed constants
	// Before and After are the states; empty where there is none.
	Before, After string
}

// String tells of the change in one line.
func (c Change) String() string {
	return fmt.Sprintf("%d %s %s %s %s: %q → %q", c.N, c.At.Format("15:04:05.000"), c.Type, c.ID, c.What, c.Before, c.After)
}

// maxChanges bounds the change log.
const maxChanges = 1_000_000

// Changes gives the change log from the line after the given number on; all of it
// for 0. It is kept with [Options] KeepChanges, and empty otherwise.
func (s *Sandbox) Changes(after int) []Change {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.log == nil {
		return nil
	}
	return slices.Clone(s.log.lines[min(max(after, 0), len(s.log.lines)):])
}

// changeLog finds out what changed by comparing the whole site with how it was: no
// write can forget to tell it. It costs each write a walk over the site.
type changeLog struct {
	lines    []Change
	contents map[int64]known
	spaces   map[int64]known
	props    map[int64]known
	tasks    map[int64]known
	audited  int
}

// known is the state of one thing as it was last seen.
type known struct {
	typ, id, on, status, place, labels, limits, details string
	version, likes                                      int
	owner                                               int64 // of a property or task
}

// unlock ends a write.
func (s *Sandbox) unlock() {
	if s.log != nil {
		s.log.compare(&s.st, s.now())
	}
	if len(s.auto.rules) > 0 {
		s.auto.notice(s)
	}
	s.mu.Unlock()
}

func (l *changeLog) compare(st *store, now time.Time) {
	if l.contents == nil {
		l.contents, l.spaces, l.props, l.tasks = map[int64]known{}, map[int64]known{}, map[int64]known{}, map[int64]known{}
	}
	for id, sp := range st.spaces {
		l.meet(l.spaces, id, now, known{typ: "space", id: itoa(id), status: sp.status, details: strings.Join([]string{
			sp.name, sp.desc, itoa(sp.homepageID), sp.typ, sp.alias,
		}, "\x00")})
	}
	forget(l, l.spaces, now, func(id int64) bool { return st.spaces[id] != nil })
	for _, id := range st.order {
		x := st.contents[id]
		k := l.content(st, x)
		if was, ok := l.contents[id]; !ok || was != k {
			l.versions(x, was.version, k.version)
			l.meet(l.contents, id, now, k)
		}
		for _, o := range x.todos {
			l.meet(l.tasks, o.id, now, known{typ: "task", id: itoa(o.id), on: x.ref(), owner: id, status: o.status()})
		}
	}
	forget(l, l.contents, now, func(id int64) bool { return st.contents[id] != nil })
	forget(l, l.tasks, now, func(id int64) bool { return st.hasTask(l.tasks[id].owner, id) })
	for owner, list := range st.props {
		for _, p := range list {
			k := known{typ: "property", id: itoa(p.id), on: itoa(owner), owner: owner, status: statusCurrent, version: p.number}
			if was := l.props[p.id]; was.version != k.version && was.version > 0 {
				l.add(Change{At: p.at, Type: k.typ, ID: k.id, On: k.on, What: ChangedVersion, Before: itoa(int64(was.version)), After: itoa(int64(k.version))})
			}
			l.meet(l.props, p.id, now, k)
		}
	}
	forget(l, l.props, now, func(id int64) bool { return st.hasProperty(l.props[id].owner, id) })
	for ; l.audited < st.auditedInAll; l.audited++ {
		l.add(Change{At: now, Type: "audit", ID: itoa(int64(l.audited + 1)), What: ChangedStatus, After: statusCurrent})
	}
}

func (l *changeLog) content(st *store, x *content) known {
	k := known{typ: string(x.typ), id: x.ref(), status: x.status, version: x.current().number, likes: len(x.audience.likes)}
	if x.containerID != 0 {
		k.on = itoa(x.containerID)
	} else {
		k.place = itoa(x.spaceID) + "/" + itoa(x.parentID)
	}
	if len(x.labels) > 0 {
		var names []string
		for _, id := range x.labels {
			names = append(names, st.labels[id].name)
		}
		slices.Sort(names)
		k.labels = strings.Join(names, ",")
	}
	if len(x.limits) > 0 {
		k.limits = restrictionsHash(x)
	}
	return k
}

// versions tells of each new version by itself.
func (l *changeLog) versions(x *content, was, is int) {
	if was == 0 || was == is {
		return
	}
	c := Change{Type: string(x.typ), ID: x.ref(), What: ChangedVersion, Before: itoa(int64(was)), After: itoa(int64(is))}
	if is < was {
		c.At = x.current().at
		l.add(c)
		return
	}
	for _, v := range x.versions {
		if v.number > was {
			c.At, c.After = v.at, itoa(int64(v.number))
			l.add(c)
			c.Before = c.After
		}
	}
}

// meet tells of what differs from what was known of a thing, but of its versions.
func (l *changeLog) meet(all map[int64]known, key int64, now time.Time, k known) {
	was := all[key]
	if was == k {
		return
	}
	all[key] = k
	for _, f := range []struct{ what, before, after string }{
		{ChangedStatus, was.status, k.status},
		{ChangedPlace, was.place, k.place},
		{ChangedLikes, count(was.likes), count(k.likes)},
		{ChangedLabels, was.labels, k.labels},
		{ChangedLimits, was.limits, k.limits},
		{ChangedDetails, was.details, k.details},
	} {
		if f.before != f.after {
			l.add(Change{At: now, Type: k.typ, ID: k.id, On: k.on, What: f.what, Before: f.before, After: f.after})
		}
	}
}

// forget tells of what is gone.
func forget(l *changeLog, all map[int64]known, now time.Time, there func(int64) bool) {
	for key, k := range all {
		if !there(key) {
			l.add(Change{At: now, Type: k.typ, ID: k.id, On: k.on, What: ChangedStatus, Before: k.status})
			delete(all, key)
		}
	}
}

func (l *changeLog) add(c Change) {
	if len(l.lines) >= maxChanges {
		return
	}
	c.N = len(l.lines) + 1
	l.lines = append(l.lines, c)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return itoa(int64(n))
}

// hasTask says whether content has a task.
func (st *store) hasTask(owner, id int64) bool {
	x := st.contents[owner]
	return x != nil && slices.ContainsFunc(x.todos, func(o *todo) bool { return o.id == id })
}

// hasProperty says whether content or a space has a property.
func (st *store) hasProperty(owner, id int64) bool {
	return slices.ContainsFunc(st.props[owner], func(p *property) bool { return p.id == id })
}
