package offline

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	verbsRead   = []string{"get", "read", "fetch", "show", "view", "retrieve"}
	verbsList   = []string{"list", "get", "fetch"}
	verbsMake   = []string{"create", "add", "new", "publish", "post", "write", "make"}
	verbsSearch = []string{"search", "find", "query"}
)

// maxListed bounds what is read of a list, in rows.
const maxListed = 500

// list runs a listing tool, page after page.
func (t *turn) list(tl tool, v values, doing string) ([]item, error) {
	var all []item
	v.limit = 100
	for len(all) < maxListed {
		args, missing, unplaced := fill(tl.schema, v)
		if len(missing) > 0 || len(unplaced) > 0 {
			return nil, fail("I could not %s: I do not know how to use %s.", doing, tl.slug)
		}
		data, err := t.run(tl, args, doing)
		if err != nil {
			return nil, err
		}
		items, cursor := listOf(data, v.kind)
		all = append(all, items...)
		if cursor == "" || cursor == v.cursor || len(items) == 0 {
			break
		}
		v.cursor = cursor
	}
	return all, nil
}

func takes(roles ...role) func(kind string) func(tool) bool {
	return func(kind string) func(tool) bool {
		return func(tl tool) bool {
			for _, r := range roles {
				if !slices.ContainsFunc(tl.schema.order(), func(name string) bool { return roleOf(name, kind) == r }) {
					return false
				}
			}
			return true
		}
	}
}

func (t *turn) spaces() ([]item, error) {
	if t.spaced != nil {
		return t.spaced, nil
	}
	tl, err := t.find(need{useCase: "list spaces", verbs: verbsList, nouns: []string{"spaces"}})
	if err != nil {
		return nil, err
	}
	t.spaced, err = t.list(tl, values{kind: "space"}, "list the spaces")
	return t.spaced, err
}

// spaceNamed finds a space by its name, key or the name's words. found is false
// when there is none; two are asked about.
func spaceNamed(all []item, name string) (it item, found bool) {
	for _, s := range all {
		if strings.EqualFold(s.Key, name) || same(s.Title, name) {
			return s, true
		}
	}
	var near []item
	for _, s := range all {
		want := significant(name)
		if len(want) > 0 && holdsAll(significant(s.Title), want) {
			near = append(near, s)
		}
	}
	if len(near) == 1 {
		return near[0], true
	}
	return item{}, false
}

// theSpace resolves the space of an intent. With none named and several there,
// the user is asked.
func (t *turn) theSpace(name string) (item, error) {
	if name == sameSpace {
		if t.space != nil {
			return *t.space, nil
		}
		name = ""
	}
	all, err := t.spaces()
	if err != nil {
		return item{}, err
	}
	if name != "" {
		if s, ok := spaceNamed(all, name); ok {
			t.space = &s
			return s, nil
		}
		return item{}, ask("space", "I found no space called “%s”. Which space do you mean: %s?", name, names(all))
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return item{}, ask("space", "In which space: %s?", names(all))
}

func names(items []item) string {
	var out []string
	for _, it := range items {
		if len(out) == 12 {
			out = append(out, "…")
			break
		}
		out = append(out, it.Title)
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

// search runs the plain search of content.
func (t *turn) search(query string) ([]item, error) {
	tl, err := t.find(need{
		useCase: "search pages and blog posts by words", verbs: verbsSearch, fits: takes(roleQuery)("search"),
	})
	if err != nil {
		return nil, err
	}
	args, missing, _ := fill(tl.schema, values{kind: "search", query: query, limit: 25})
	if len(missing) > 0 {
		return nil, fail("I could not search: %s needs %s.", tl.slug, strings.Join(missing, " and "))
	}
	data, err := t.run(tl, args, "search")
	if err != nil {
		return nil, err
	}
	items, _ := listOf(data, "")
	return items, nil
}

// titled lists the pages or blog posts with exactly this title, where a tool
// can: a search index may not know yet what was made a moment ago.
func (t *turn) titled(title, kind string) ([]item, error) {
	n := need{useCase: "list pages by title", verbs: verbsList, nouns: []string{"pages"}, fits: takes(roleTitle)("page")}
	if kind == "blogpost" {
		n = need{useCase: "list blog posts by title", verbs: verbsList, nouns: []string{"blogposts"}, fits: takes(roleTitle)("blogpost")}
	}
	tl, err := t.find(n)
	if err == nil {
		var items []item
		items, err = t.list(tl, values{kind: kind, title: title}, "look for “"+title+"”")
		return slices.DeleteFunc(items, func(it item) bool { return !same(it.Title, title) }), err
	}
	var p *problem
	if errors.As(err, &p) {
		return nil, nil // the search alone has to do
	}
	return nil, err
}

// locate finds the page or blog post that the user names, or asks.
func (t *turn) locate(tg target) (item, error) {
	switch {
	case tg.Exact != nil:
		return *tg.Exact, nil
	case tg.Focus && t.focus == nil:
		return item{}, ask("target", "Which page do you mean?")
	case tg.Focus && tg.Kind != "" && t.focus.Kind != "" && tg.Kind != t.focus.Kind:
		return item{}, ask("target", "Which %s do you mean?", item{Kind: tg.Kind}.noun())
	case tg.Focus:
		return *t.focus, nil
	}
	found, err := t.candidates(tg.Title, tg.Kind)
	if err != nil {
		return item{}, err
	}
	if len(found) == 0 && tg.Loose && tg.Space == "" {
		// The unquoted words may end with the name of a space.
		if at := strings.LastIndex(strings.ToLower(tg.Title), " in "); at > 0 {
			if head, ok := (&words{}).target(tg.Title[:at]); ok && !head.Focus {
				head.Kind, head.Space = orElse(head.Kind, tg.Kind), spaceName(tg.Title[at+4:])
				return t.locate(head)
			}
		}
	}
	if tg.Space != "" {
		s, err := t.theSpace(tg.Space)
		if err != nil {
			return item{}, err
		}
		if found, err = t.inSpace(found, s); err != nil {
			return item{}, err
		}
	}
	switch len(found) {
	case 1:
		return t.certain(found[0], tg)
	case 0:
		return item{}, ask("target", "I found no %s called “%s”. Which one do you mean?", item{Kind: tg.Kind}.noun(), tg.Title)
	}
	q := &question{slot: "target", choices: found[:min(len(found), 9)]}
	q.text = fmt.Sprintf("There are several that fit “%s”. Which one do you mean?", tg.Title)
	for i, it := range q.choices {
		q.text += fmt.Sprintf("\n%d. %s%s", i+1, it.link(), where(it))
	}
	return item{}, q
}

// certain: a title that only holds the user's words is taken for the one that
// is meant, but not when the words are the name of a space.
func (t *turn) certain(it item, tg target) (item, error) {
	if same(it.Title, tg.Title) || tg.Kind != "" {
		return it, nil
	}
	all, err := t.spaces()
	if err != nil {
		return item{}, err
	}
	for _, s := range all {
		if same(s.Title, tg.Title) || strings.EqualFold(s.Key, tg.Title) {
			return item{}, &question{
				slot: "target", choices: []item{it},
				text: fmt.Sprintf("“%s” is a space. Which page do you mean: 1. %s?", tg.Title, it.link()),
			}
		}
	}
	return it, nil
}

func where(it item) string {
	if it.SpaceName != "" {
		return " in " + it.SpaceName
	}
	return ""
}

// candidates are what the words may mean: exactly titled ones when there are,
// else those whose titles hold all the words.
func (t *turn) candidates(title, kind string) ([]item, error) {
	exact, near, err := t.matches(title, kind)
	if len(exact) > 0 {
		return exact, err
	}
	return near, err
}

func (t *turn) matches(title, kind string) (exact, near []item, err error) {
	hits, err := t.search(title)
	if err != nil {
		return nil, nil, err
	}
	hits = slices.DeleteFunc(hits, func(it item) bool {
		return it.ID == "" || it.Kind != "" && it.Kind != "page" && it.Kind != "blogpost" || kind != "" && it.Kind != "" && it.Kind != kind
	})
	for _, it := range hits {
		switch {
		case same(it.Title, title):
			exact = append(exact, it)
		case holdsAll(significant(it.Title), significant(title)) && len(significant(title)) > 0:
			near = append(near, it)
		}
	}
	for _, k := range []string{"page", "blogpost"} {
		if kind != "" && kind != k || len(exact) > 0 {
			continue
		}
		more, err := t.titled(title, k)
		if err != nil {
			return nil, nil, err
		}
		exact = append(exact, more...)
	}
	return exact, near, nil
}

// inSpace keeps what is in a space. Search results may name the space only by
// its name, or not at all; then the content itself says it.
func (t *turn) inSpace(items []item, s item) ([]item, error) {
	var out []item
	for _, it := range items {
		if it.SpaceID == "" && it.SpaceName == "" {
			full, err := t.open(it)
			if err != nil {
				return nil, err
			}
			it.SpaceID = full.SpaceID
		}
		if it.SpaceID != "" && it.SpaceID == s.ID || it.SpaceID == "" && strings.EqualFold(it.SpaceName, s.Title) {
			out = append(out, it)
		}
	}
	return out, nil
}

// open reads one page or blog post with its text.
func (t *turn) open(it item) (item, error) {
	n := need{useCase: "read a page by its id", verbs: verbsRead, nouns: []string{"page"}, fits: takes(roleID)("page")}
	if it.Kind == "blogpost" {
		n = need{useCase: "read a blog post by its id", verbs: verbsRead, nouns: []string{"blogpost"}, fits: takes(roleID)("blogpost")}
	}
	tl, err := t.find(n)
	if err != nil {
		return item{}, err
	}
	args, missing, unplaced := fill(tl.schema, values{kind: orElse(it.Kind, "page"), id: it.ID})
	if len(missing) > 0 || len(unplaced) > 0 {
		return item{}, fail("I could not open %s: I do not know how to use %s.", it.link(), tl.slug)
	}
	data, err := t.run(tl, args, "open “"+it.Title+"”")
	if err != nil {
		return item{}, err
	}
	full, ok := itemOf(data, orElse(it.Kind, "page"))
	if !ok {
		return item{}, fail("I could not read the answer for “%s”.", it.Title)
	}
	full.URL, full.Kind = orElse(full.URL, it.URL), orElse(it.Kind, full.Kind)
	full.SpaceName = it.SpaceName
	t.note(full)
	return full, nil
}

// note remembers what the conversation is about.
func (t *turn) note(it item) {
	kept := it
	kept.Body, kept.Excerpt = "", ""
	t.focus = &kept
	if it.SpaceID != "" {
		t.space = &item{ID: it.SpaceID, Title: it.SpaceName, Kind: "space"}
	}
}

// choose reads which of the choices a reply means: its number, its title, its
// space.
func choose(choices []item, reply string) (item, bool) {
	reply = strings.ToLower(strings.TrimSpace(reply))
	ordinal := map[string]int{"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": len(choices)}
	for i, it := range choices {
		if reply == fmt.Sprint(i+1) || reply == fmt.Sprintf("number %d", i+1) {
			return it, true
		}
	}
	for word, n := range ordinal {
		if (reply == "the "+word+" one" || reply == word || reply == "the "+word) && n >= 1 && n <= len(choices) {
			return choices[n-1], true
		}
	}
	var fit []item
	for _, it := range choices {
		if same(it.Title, reply) || it.SpaceName != "" && same(it.SpaceName, spaceName(strings.TrimPrefix(reply, "the one in "))) {
			fit = append(fit, it)
		}
	}
	if len(fit) == 1 {
		return fit[0], true
	}
	return item{}, false
}

// made reads what a creating tool answers.
func made(data json.RawMessage, kind, title string) (item, error) {
	it, ok := itemOf(data, kind)
	if !ok || it.ID == "" {
		return item{}, fail("The tool answered, but not with what it made; please look whether “%s” is there.", title)
	}
	it.Title, it.Kind = orElse(it.Title, title), kind
	return it, nil
}
