package offline

import (
	"fmt"
	"strings"
)

// do carries out one intent and says what was done.
func (t *turn) do(in intent) (string, error) {
	switch in.Do {
	case doPage:
		return t.createPage(in)
	case doBlog:
		return t.createBlog(in)
	case doLabel:
		return t.addLabels(in)
	case doComment:
		return t.addComment(in)
	default:
		return t.doRead(in)
	}
}

// place finds the space of what is to be made. The tail of an unquoted title
// ("… in marketing") is a space when there is one of that name.
func (t *turn) place(in *intent) (item, error) {
	at := strings.LastIndex(strings.ToLower(in.Title), " in ")
	if in.Loose && in.Space == "" && at > 0 {
		all, err := t.spaces()
		if err != nil {
			return item{}, err
		}
		if s, ok := spaceNamed(all, spaceName(in.Title[at+4:])); ok {
			in.Title = strings.TrimSpace(in.Title[:at])
			t.space = &s
			return s, nil
		}
	}
	return t.theSpace(in.Space)
}

func (t *turn) createPage(in intent) (string, error) {
	if in.Title == "" {
		return "", ask("title", "What should the page be called?")
	}
	var parent *item
	if in.Parent != "" {
		it, err := t.parentOf(&in)
		if err != nil {
			return "", err
		}
		parent = it
	}
	var space item
	var err error
	if parent != nil && in.Space == "" {
		full, oerr := t.open(*parent)
		if oerr != nil {
			return "", oerr
		}
		space = item{ID: full.SpaceID, Kind: "space"}
	} else if space, err = t.place(&in); err != nil {
		return "", err
	}
	tl, err := t.find(need{
		useCase: "create a page in a space", verbs: verbsMake, nouns: []string{"page"}, fits: takes(roleTitle, roleSpace)("page"),
	})
	if err != nil {
		return "", err
	}
	html := paragraphs(orElse(in.Text, in.Title))
	it, err := t.make(tl, values{kind: "page", space: &space, title: in.Title, html: &html, parent: parent}, "create the page “"+in.Title+"”")
	if err != nil {
		return "", t.taken(err, in.Title, space)
	}
	said := fmt.Sprintf("I created the page %s%s.", it.link(), inTheSpace(space))
	if parent != nil {
		said = fmt.Sprintf("I created the page %s under “%s”.", it.link(), parent.Title)
	}
	if in.Text == "" {
		said += " Its text is only its title so far; tell me what it should say next time, or write it there."
	}
	return t.withLabels(said, it, in.Labels)
}

// taken says it when a page was not created because there is one already.
func (t *turn) taken(err error, title string, space item) error {
	if waits(err) {
		return err
	}
	there, lerr := t.titled(title, "page")
	if waits(lerr) {
		return lerr
	}
	for _, it := range there {
		if it.SpaceID == space.ID && lerr == nil {
			t.note(it)
			return fail("There is already a page %s%s, so I created none. (%s)", it.link(), inTheSpace(space), t.explain(err))
		}
	}
	return err
}

func inTheSpace(s item) string {
	if s.Title == "" {
		return ""
	}
	return " in the space " + s.Title
}

// parentOf finds the page above. "Under X" may also name a space.
func (t *turn) parentOf(in *intent) (*item, error) {
	if in.Parent == focusWord {
		it, err := t.locate(target{Focus: true, Kind: "page"})
		return &it, err
	}
	found, err := t.candidates(in.Parent, "page")
	if err != nil {
		return nil, err
	}
	all, err := t.spaces()
	if err != nil {
		return nil, err
	}
	_, isSpace := spaceNamed(all, in.Parent)
	switch {
	case isSpace && in.Space == "" && (len(found) == 0 || !same(found[0].Title, in.Parent)):
		in.Space = in.Parent
		return nil, nil //nolint:nilnil // the space itself is above
	case isSpace && in.Space == "":
		return nil, fail("“%s” is a space and a page. Say “in the %s space” or “under the %s page”.", in.Parent, in.Parent, in.Parent)
	}
	it, err := t.locate(target{Title: in.Parent, Kind: "page", Space: in.Space})
	if waits(err) {
		return nil, err
	}
	if err != nil {
		return nil, fail("I found no single page called “%s” to put it under, so I created nothing. Which page do you mean?", in.Parent)
	}
	return &it, nil
}

// make runs a creating tool. Everything that the user gave must have a place.
func (t *turn) make(tl tool, v values, doing string) (item, error) {
	args, missing, unplaced := fill(tl.schema, v)
	if len(missing) > 0 {
		return item{}, fail("I could not %s: %s needs %s, which I do not know.", doing, tl.slug, strings.Join(missing, " and "))
	}
	if len(unplaced) > 0 {
		return item{}, fail("I could not %s: %s has no place for the %s.", doing, tl.slug, unplaced[0])
	}
	data, err := t.run(tl, args, doing)
	if err != nil {
		return item{}, err
	}
	it, err := made(data, v.kind, v.title)
	if err != nil {
		return item{}, err
	}
	if v.space != nil {
		it.SpaceID, it.SpaceName = orElse(it.SpaceID, v.space.ID), v.space.Title
	}
	t.note(it)
	return it, nil
}

func (t *turn) addLabels(in intent) (string, error) {
	if in.Target.Title == "" && !in.Target.Focus && in.Target.Exact == nil {
		return "", ask("target", "Which page should get the label?")
	}
	for _, l := range in.Labels {
		if strings.ContainsAny(l, " ,;:!?()[]*#&^") {
			return "", fail("“%s” cannot be a label: a label is one word. Did you mean “%s”?", l, strings.Join(strings.Fields(l), "-"))
		}
	}
	it, err := t.locate(*in.Target)
	if err != nil {
		return "", err
	}
	return t.withLabels("", it, in.Labels)
}

// withLabels adds labels to something and says so after what was said before.
func (t *turn) withLabels(said string, it item, labels []string) (string, error) {
	if len(labels) == 0 {
		return said, nil
	}
	tl, err := t.find(need{
		useCase: "add a label to a page", verbs: append([]string{"set", "put"}, verbsMake...), nouns: []string{"label"},
		fits: takes(roleID, roleLabels)(it.Kind),
	})
	if err != nil {
		return "", err
	}
	doing := "label " + it.link()
	args, missing, unplaced := fill(tl.schema, values{kind: it.Kind, id: it.ID, labels: labels})
	if len(missing) > 0 || len(unplaced) > 0 {
		return "", fail("I could not %s: I do not know how to use %s.", doing, tl.slug)
	}
	if _, err := t.run(tl, args, doing); err != nil {
		if said != "" && !waits(err) {
			return "", fail("%s But: %s", said, t.explain(err))
		}
		return "", err
	}
	t.note(it)
	noun := "label"
	if len(labels) > 1 {
		noun = "labels"
	}
	done := fmt.Sprintf("I added the %s %s to the %s %s.", noun, strings.Join(labels, ", "), it.noun(), it.link())
	return strings.TrimSpace(said + " " + done), nil
}

func (t *turn) addComment(in intent) (string, error) {
	if in.Text == "" {
		return "", ask("text", "What should the comment say?")
	}
	it, err := t.locate(*in.Target)
	if err != nil {
		return "", err
	}
	tl, err := t.find(need{
		useCase: "comment on a page", verbs: verbsMake, nouns: []string{"comment"}, fits: takes(roleID, roleBody)(it.Kind),
	})
	if err != nil {
		return "", err
	}
	html := paragraphs(in.Text)
	args, missing, unplaced := fill(tl.schema, values{kind: it.Kind, id: it.ID, html: &html})
	if len(missing) > 0 || len(unplaced) > 0 {
		return "", fail("I could not comment: I do not know how to use %s.", tl.slug)
	}
	if _, err := t.run(tl, args, "comment on "+it.link()); err != nil {
		return "", err
	}
	t.note(it)
	return fmt.Sprintf("I commented on the %s %s: “%s”", it.noun(), it.link(), in.Text), nil
}
