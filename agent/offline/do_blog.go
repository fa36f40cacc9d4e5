package offline

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
)

// summaryLines is how many sentences a summary has at most.
const summaryLines = 8

func (t *turn) createBlog(in intent) (string, error) {
	post := values{kind: "blogpost", title: in.Title}
	var source *item
	note := ""
	switch {
	case in.Target != nil:
		full, fromTitle, n, err := t.source(in)
		if err != nil {
			return "", err
		}
		source, note = &full, n
		post.title = orElse(in.Title, fromTitle)
		body := t.retell(full, in, fromTitle)
		post.html = &body
	case in.Text != "":
		body := paragraphs(in.Text)
		post.html = &body
		if in.Title == "" {
			return "", ask("title", "What should the blog post be called?")
		}
	case in.Title == "":
		return "", ask("title", "What should the blog post be called?")
	default:
		return "", ask("text", "What should the blog post “%s” say? I cannot write a text by myself; I can take your words, or the summary of a page.", in.Title)
	}
	space, err := t.blogSpace(&in, source)
	if err != nil {
		return "", err
	}
	if source == nil {
		post.title = in.Title
	}
	post.space = &space
	tl, err := t.find(need{
		useCase: "publish a blog post in a space", verbs: verbsMake, nouns: []string{"blogpost"}, fits: takes(roleTitle, roleSpace)("blogpost"),
	})
	if err != nil {
		return "", err
	}
	it, err := t.make(tl, post, "publish the blog post “"+post.title+"”")
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("I published the blog post %s%s.%s", it.link(), inTheSpace(space), note)
	return t.withLabels(said, it, in.Labels)
}

// blogSpace: the one that was named, else that of the source.
func (t *turn) blogSpace(in *intent, source *item) (item, error) {
	if in.Space == "" && source != nil && source.SpaceID != "" {
		return item{ID: source.SpaceID, Title: source.SpaceName, Kind: "space"}, nil
	}
	return t.place(in)
}

var dated = exact(`(?i)\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}(?:st|nd|rd|th)?|20\d\d|w(?:eek)?\s?\d+|` +
	`jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|` +
	`monday|tuesday|wednesday|thursday|friday|#\d+)\b`)

// source finds what a blog post is to tell of: the page with that title, or the
// page whose title has the words without "summary" and the like. Of a dated
// series the newest is taken, and said.
func (t *turn) source(in intent) (full item, title, note string, err error) {
	tg := *in.Target
	if tg.Focus || tg.Exact != nil {
		it, err := t.locate(tg)
		if err != nil {
			return item{}, "", "", err
		}
		full, err = t.open(it)
		return full, full.Title, fmt.Sprintf(" It is from “%s”.", full.Title), err
	}
	found, near, err := t.matches(tg.Title, tg.Kind)
	if err != nil {
		return item{}, "", "", err
	}
	if len(found) > 0 && len(near) > 0 && tg.Loose && summaryWords.MatchString(tg.Title) {
		// "the meeting notes" may be the page of that name or any notes of a meeting.
		return item{}, "", "", which(append(found, near...))
	}
	if len(found) == 0 {
		found = near
	}
	words := topicOf(tg.Title)
	if len(found) == 0 && words != "" && !same(words, tg.Title) {
		if found, err = t.candidates(words, tg.Kind); err != nil {
			return item{}, "", "", err
		}
	}
	if len(found) == 0 && tg.Space == "" {
		if found, tg.Space, err = t.withoutSpace(words, tg.Kind); err != nil {
			return item{}, "", "", err
		}
	}
	if tg.Space != "" {
		s, err := t.theSpace(tg.Space)
		if err != nil {
			return item{}, "", "", err
		}
		if found, err = t.inSpace(found, s); err != nil {
			return item{}, "", "", err
		}
	}
	it, note, err := oneOf(found, tg)
	if err != nil {
		return item{}, "", "", err
	}
	if it, err = t.certain(it, target{Title: orElse(words, tg.Title), Kind: tg.Kind}); err != nil {
		return item{}, "", "", err
	}
	if full, err = t.open(it); err != nil {
		return item{}, "", "", err
	}
	full.SpaceName = orElse(full.SpaceName, it.SpaceName)
	title = full.Title
	if !same(tg.Title, full.Title) && summaryWords.MatchString(tg.Title) {
		title = titleCase(summaryFirst(tg.Title))
	}
	if note == "" {
		note = fmt.Sprintf(" It is from “%s”.", full.Title)
	}
	return full, title, note, nil
}

// withoutSpace reads "marketing team meeting" as the team meeting in the space
// Marketing, when there is such a space.
func (t *turn) withoutSpace(words, kind string) ([]item, string, error) {
	all, err := t.spaces()
	if err != nil {
		return nil, "", err
	}
	for _, s := range all {
		rest := strings.Join(strings.Fields(regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(s.Title)+`\b`).ReplaceAllString(words, " ")), " ")
		if rest == "" || same(rest, words) {
			continue
		}
		found, err := t.candidates(rest, kind)
		if len(found) > 0 || err != nil {
			return found, s.Title, err
		}
	}
	return nil, "", nil
}

var timeWords = exact(`(?i)\b(?:last|latest|newest|most recent|of|from|for|the|our|my|week's|today's|yesterday's)\b`)

var newestWords = exact(`(?i)^(?:last|latest|newest|most recent)\s+`)

// newest locates what is to be read; "the latest X" is the newest of a series.
func (t *turn) newest(tg target) (item, string, error) {
	if tg.Focus || tg.Exact != nil || !tg.Loose || !newestWords.MatchString(tg.Title) {
		it, err := t.locate(tg)
		return it, "", err
	}
	words := newestWords.ReplaceAllString(tg.Title, "")
	found, err := t.candidates(words, tg.Kind)
	if err != nil {
		return item{}, "", err
	}
	it, note, err := oneOf(found, target{Title: words, Kind: tg.Kind})
	if note != "" {
		note = fmt.Sprintf(" (the newest of %d)", len(found))
	}
	return it, note, err
}

// oneOf chooses the source: the only one, or the newest of a dated series.
func oneOf(found []item, tg target) (item, string, error) {
	switch {
	case len(found) == 0:
		return item{}, "", ask("target", "I found no page about “%s” to publish. Which page do you mean?", tg.Title)
	case len(found) == 1:
		return found[0], "", nil
	}
	// What tells of meetings may have been published before: pages come first.
	if pages := slices.DeleteFunc(slices.Clone(found), func(it item) bool { return it.Kind == "blogpost" }); len(pages) > 0 && tg.Kind == "" {
		found = pages
	}
	stem := func(it item) string { return strings.Join(significant(dated.ReplaceAllString(it.Title, "")), " ") }
	newest := found[0]
	for _, it := range found {
		if stem(it) != stem(newest) || it.Modified == "" {
			return item{}, "", which(found)
		}
		if later(it, newest) {
			newest = it
		}
	}
	note := ""
	if len(found) > 1 {
		note = fmt.Sprintf(" It is from “%s”, the newest of %d.", newest.Title, len(found))
	}
	return newest, note, nil
}

// which asks the user to choose.
func which(found []item) error {
	q := &question{slot: "target", choices: found[:min(len(found), 9)], text: "Which one do you mean?"}
	for i, c := range q.choices {
		q.text += fmt.Sprintf("\n%d. %s%s", i+1, c.link(), where(c))
	}
	return q
}

var isoDate = exact(`\d{4}-\d{2}-\d{2}`)

// later: by the date in the title where both have one, else by the change.
func later(a, b item) bool {
	if da, db := isoDate.FindString(a.Title), isoDate.FindString(b.Title); da != "" && db != "" {
		return da > db
	}
	return a.Modified > b.Modified
}

var summaryOfWords = exact(`(?i)^(?:an?\s+|the\s+)?(?:short |quick |brief )?(summary|recap|minutes|notes|write-?up|digest) (?:of|from|for|about)\s+(?:the |our |my )?(?:last |latest |newest |most recent )?(.+)$`)

// summaryFirst turns "summary of the team meeting" into "team meeting summary".
func summaryFirst(s string) string {
	if m := summaryOfWords.FindStringSubmatch(s); m != nil {
		return m[2] + " " + m[1]
	}
	return newestWords.ReplaceAllString(s, "")
}

// topicOf is what a summary is about, without the words for summaries.
func topicOf(s string) string {
	s = summaryFirst(s)
	s = summaryWords.ReplaceAllString(s, " ")
	s = timeWords.ReplaceAllString(s, " ")
	return strings.Join(strings.Fields(s), " ")
}

// retell makes the post's text: the whole text of a page that was named
// itself, else the sentences that say most, and where they are from.
func (t *turn) retell(full item, in intent, title string) string {
	whole := in.Query != "summary" && same(orElse(in.Target.Title, full.Title), full.Title)
	if whole {
		return full.Body
	}
	var b strings.Builder
	for _, s := range summarise(full.Body, summaryLines) {
		b.WriteString("<li>" + html.EscapeString(s) + "</li>")
	}
	out := "<p>" + html.EscapeString(title) + "</p><ul>" + b.String() + "</ul>"
	if b.Len() == 0 {
		out = paragraphs(full.Title)
	}
	if full.URL != "" {
		return out + fmt.Sprintf(`<p>From <a href="%s">%s</a></p>`, html.EscapeString(full.URL), html.EscapeString(full.Title))
	}
	return out + "<p>From " + html.EscapeString(full.Title) + "</p>"
}
