package offline

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// shownRunes bounds the text of a page in an answer.
const shownRunes = 4000

func (t *turn) doRead(in intent) (string, error) {
	switch in.Do {
	case doRead, doSummary, doAbout:
		return t.readContent(in)
	case doSpaces:
		all, err := t.spaces()
		return bullets("The spaces are:", "There are no spaces.", all), err
	case doPages:
		return t.listPages(in)
	case doBlogs:
		return t.listBlogs(in)
	case doChildren, doComments, doLabels:
		return t.listOf(in)
	case doLabelled:
		return t.listLabelled(in)
	case doSearch:
		return t.showSearch(in)
	case doMe:
		return t.whoAmI()
	}
	return "", fail("%s", notUnderstood)
}

func (t *turn) readContent(in intent) (string, error) {
	it, note, err := t.newest(*in.Target)
	if err != nil {
		return "", err
	}
	full, err := t.open(it)
	if err != nil {
		return "", err
	}
	head := full.link() + note + ":\n\n"
	switch in.Do {
	case doSummary:
		lines := summarise(full.Body, summaryLines)
		if len(lines) == 0 {
			return fmt.Sprintf("%s has no text.", full.link()), nil
		}
		return head + "- " + strings.Join(lines, "\n- "), nil
	case doAbout:
		lines := about(full.Body, in.Query)
		if len(lines) == 0 {
			return fmt.Sprintf("%s says nothing about “%s” that I can find.", full.link(), in.Query), nil
		}
		return head + "- " + strings.Join(lines, "\n- "), nil
	}
	body := plain(full.Body, shownRunes)
	if body == "" {
		return fmt.Sprintf("%s has no text.", full.link()), nil
	}
	return head + body, nil
}

func (t *turn) listPages(in intent) (string, error) {
	v := values{kind: "page"}
	head := "The pages are:"
	if in.Space != "" {
		s, err := t.theSpace(in.Space)
		if err != nil {
			return "", err
		}
		v.space, head = &s, fmt.Sprintf("The pages in the space %s are:", s.Title)
	}
	return t.listing("list pages", "pages", v, head, "There are no pages.")
}

func (t *turn) listBlogs(in intent) (string, error) {
	v := values{kind: "blogpost"}
	head := "The blog posts are:"
	if in.Space != "" {
		s, err := t.theSpace(in.Space)
		if err != nil {
			return "", err
		}
		v.space, head = &s, fmt.Sprintf("The blog posts in the space %s are:", s.Title)
	}
	return t.listing("list blog posts", "blogposts", v, head, "There are no blog posts.")
}

func (t *turn) listing(useCase, noun string, v values, head, none string) (string, error) {
	fits := takes()(v.kind)
	if v.space != nil {
		fits = takes(roleSpace)(v.kind)
	}
	tl, err := t.find(need{useCase: useCase, verbs: verbsList, nouns: []string{noun}, fits: fits})
	if err != nil {
		return "", err
	}
	items, err := t.list(tl, v, useCase)
	return bullets(head, none, items), err
}

// listOf lists what belongs to one page or blog post.
func (t *turn) listOf(in intent) (string, error) {
	if in.Target == nil {
		return t.listing("list all labels", "labels", values{kind: "label"}, "The labels are:", "There are no labels.")
	}
	it, err := t.locate(*in.Target)
	if err != nil {
		return "", err
	}
	n := need{verbs: verbsList, fits: takes(roleID)(it.Kind)}
	noun, one := "", it.Kind
	if one == "" {
		one = "page"
	}
	switch in.Do {
	case doChildren:
		n.useCase, n.nouns, noun = "list the child pages of a page", []string{"pages", "child"}, "child pages"
	case doComments:
		n.useCase, n.nouns, noun = "list the comments of a "+it.noun(), []string{"comments", one}, "comments"
	case doLabels:
		n.useCase, n.nouns, noun = "list the labels of a "+it.noun(), []string{"labels", one}, "labels"
	}
	tl, err := t.find(n)
	if err != nil {
		return "", err
	}
	items, err := t.list(tl, values{kind: it.Kind, id: it.ID}, n.useCase)
	if err != nil {
		return "", err
	}
	for i := range items {
		if items[i].Body != "" { // a comment is its text
			items[i].Title, items[i].URL = plain(items[i].Body, 500), ""
		}
	}
	t.note(it)
	return bullets(fmt.Sprintf("The %s of %s are:", noun, it.link()), fmt.Sprintf("%s has no %s.", it.link(), noun), items), nil
}

func (t *turn) listLabelled(in intent) (string, error) {
	tl, err := t.find(need{useCase: "search pages by label with CQL", verbs: verbsSearch, fits: takes(roleCQL)("search")})
	if err != nil {
		return "", err
	}
	cql := "label = " + quote(in.Labels[0])
	if in.Space != "" {
		s, err := t.theSpace(in.Space)
		if err != nil {
			return "", err
		}
		cql += " and space = " + quote(s.Key)
	}
	items, err := t.list(tl, values{kind: "search", cql: cql}, "search by label")
	if err != nil {
		return "", err
	}
	return bullets(fmt.Sprintf("With the label %s:", in.Labels[0]), fmt.Sprintf("Nothing has the label %s.", in.Labels[0]), items), nil
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (t *turn) showSearch(in intent) (string, error) {
	items, err := t.search(in.Query)
	if err != nil {
		return "", err
	}
	if in.Space != "" {
		s, err := t.theSpace(in.Space)
		if err != nil {
			return "", err
		}
		if items, err = t.inSpace(items, s); err != nil {
			return "", err
		}
	}
	if in.Kind != "" { // "the page about X": the one that there is, opened
		items = slices.DeleteFunc(items, func(it item) bool { return it.Kind != in.Kind })
		if len(items) == 1 {
			return t.readContent(intent{Do: doRead, Target: &target{Exact: &items[0]}})
		}
	}
	var named []item
	for _, it := range items {
		if same(it.Title, in.Query) && (it.Kind == "page" || it.Kind == "blogpost") {
			named = append(named, it)
		}
	}
	if len(items) == 1 && (items[0].Kind == "page" || items[0].Kind == "blogpost") {
		named = items
	}
	if len(named) == 1 {
		t.note(named[0])
	}
	return bullets(fmt.Sprintf("I found for “%s”:", in.Query), fmt.Sprintf("I found nothing for “%s”.", in.Query), items), nil
}

func (t *turn) whoAmI() (string, error) {
	tl, err := t.find(need{useCase: "get the current user", verbs: verbsRead, nouns: []string{"current", "user"}})
	if err != nil {
		return "", err
	}
	data, err := t.run(tl, map[string]any{}, "look up the account")
	if err != nil {
		return "", err
	}
	var me map[string]any
	_ = json.Unmarshal(data, &me) // what cannot be read has no name
	for _, name := range []string{"displayName", "display_name", "publicName", "name"} {
		if who := text(me[name]); who != "" {
			if mail := text(me["email"]); mail != "" {
				who += " (" + mail + ")"
			}
			return "You are connected with the account of " + who + ".", nil
		}
	}
	return "", fail("The account's name is not in the answer.")
}

// bullets lists items, at most fifty.
func bullets(head, none string, items []item) string {
	const most = 50
	if len(items) == 0 {
		return none
	}
	lines := []string{head}
	for i, it := range items {
		if i == most {
			lines = append(lines, fmt.Sprintf("… and %d more", len(items)-most))
			break
		}
		line := "- " + it.Title
		if it.Key != "" {
			line += " (" + it.Key + ")"
		}
		if it.SpaceName != "" && it.SpaceName != it.Title {
			line += ", in " + it.SpaceName
		}
		if it.URL != "" {
			line += " " + it.URL
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
