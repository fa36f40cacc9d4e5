package confluence

import (
	"embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

//go:embed seed/*.txt
var seedFiles embed.FS

// Seed fills the site with a small company that makes bicycles: the spaces MKT
// (Marketing), ENG (Engineering) and PEOPLE (People), some fifty pages, blog
// posts, labels, comments and the people who wrote them. Times are counted back
// from the clock, so the newest meeting notes are always a few days old. It may
// be called once, on a site that does not have those spaces; a second call does
// nothing.
func (s *Sandbox) Seed() {
	s.mu.Lock()
	defer s.unlock()
	if s.st.spaceOf("MKT") != nil {
		return
	}
	if err := s.seed(); err != nil {
		panic("confluence sandbox: the embedded seed is broken: " + err.Error())
	}
}

// seedPeople are the authors of the seed by the short name that it uses.
var seedPeople = []struct{ short, name, zone string }{
	{"maya", "Maya Chen", "Europe/Berlin"},
	{"tom", "Tom Alvarez", "Europe/Berlin"},
	{"sara", "Sara Lindqvist", "Europe/Stockholm"},
	{"jonas", "Jonas Weber", "Europe/Berlin"},
	{"priya", "Priya Nair", "Europe/Berlin"},
	{"daniel", "Daniel Okafor", "Europe/Berlin"},
	{"amara", "Amara Diallo", "Europe/Paris"},
	{"ines", "Inés Ortega", "Europe/Madrid"},
}

func (s *Sandbox) seed() error {
	sd := seeder{st: &s.st, now: s.now().Truncate(time.Minute), people: map[string]string{}}
	for _, p := range seedPeople {
		u := s.st.addUser(User{AccountID: "712020:" + uuidOf("seed/"+p.short), Email: p.short + "@fernweh.example", DisplayName: p.name, TimeZone: p.zone})
		sd.people[p.short] = u.AccountID
	}
	files, err := seedFiles.ReadDir("seed")
	if err != nil {
		return fmt.Errorf("listing the seed: %w", err)
	}
	for _, f := range files {
		data, err := seedFiles.ReadFile("seed/" + f.Name())
		if err != nil {
			return fmt.Errorf("reading the seed: %w", err)
		}
		for i, entry := range strings.Split("\n"+string(data), "\n=== ")[1:] {
			if err := sd.entry(entry); err != nil {
				return fmt.Errorf("%s, entry %d: %w", f.Name(), i+1, err)
			}
		}
	}
	return nil
}

type seeder struct {
	st     *store
	now    time.Time
	people map[string]string
	space  *space
	last   *content // the comment added last
}

var seedDay = regexp.MustCompile(`\{\{(-\d+)\}\}`)

// dated replaces {{-5}} by the day five days ago.
func (sd *seeder) dated(s string) string {
	return seedDay.ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.Atoi(seedDay.FindStringSubmatch(m)[1]) // the pattern holds digits only
		return sd.now.AddDate(0, 0, n).Format(time.DateOnly)
	})
}

func (sd *seeder) ago(s string) (time.Time, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(s), "d"))
	if err != nil {
		return time.Time{}, fmt.Errorf("a time is written as 5d, got %q", s)
	}
	// A different minute for each, so that the order by time is the order written.
	return sd.now.AddDate(0, 0, -n).Add(time.Duration(len(sd.st.order)%50) * time.Minute).Add(-time.Hour), nil
}

type seedEdit struct {
	at      time.Time
	by      string
	message string
}

type seedEntry struct {
	kind, rest, parent, author, text string
	created                          time.Time
	labels                           []string
	edits                            []seedEdit
}

func fieldsOf(s string) []string {
	parts := strings.Split(s, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func (sd *seeder) entry(src string) error {
	e, err := sd.parse(src)
	if err != nil {
		return err
	}
	if done, err := sd.extra(e); done {
		return err
	}
	switch e.kind {
	case "space":
		return sd.addSpace(e)
	case "comment", "reply":
		return sd.addComment(e)
	case "home", "page", "blogpost":
		return sd.addContent(e)
	}
	return fmt.Errorf("unknown kind %q", e.kind)
}

func (sd *seeder) parse(src string) (seedEntry, error) {
	first, rest, _ := strings.Cut(src, "\n")
	var e seedEntry
	if i := strings.IndexAny(first, ":|"); i >= 0 {
		e.kind, e.rest = strings.TrimSpace(first[:i]), sd.dated(strings.TrimSpace(first[i+1:]))
	} else {
		e.kind = strings.TrimSpace(first)
	}
	if _, adds := seedExtras[e.kind]; adds || e.kind == "comment" || e.kind == "reply" {
		e.text = rest
		return e, nil
	}
	head, text, _ := strings.Cut(rest, "---\n")
	e.text = text
	for _, line := range strings.Split(strings.TrimSpace(head), "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		var err error
		switch name {
		case "author":
			e.author = sd.people[value]
		case "created":
			e.created, err = sd.ago(value)
		case "parent":
			e.parent = value
		case "labels":
			e.labels = strings.Split(value, ", ")
		case "edited":
			f := fieldsOf(value)
			if len(f) != 3 {
				return e, fmt.Errorf("edited needs time | who | message: %q", value)
			}
			var at time.Time
			at, err = sd.ago(f[0])
			e.edits = append(e.edits, seedEdit{at: at, by: sd.people[f[1]], message: f[2]})
		default:
			err = fmt.Errorf("unknown field %q", name)
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

func (sd *seeder) addSpace(e seedEntry) error {
	f := fieldsOf(e.rest)
	if len(f) != 3 {
		return fmt.Errorf("a space needs key | name | description: %q", e.rest)
	}
	sp, err := sd.st.createSpace(spaceIn{key: f[0], name: f[1], desc: f[2], authorID: e.author}, e.created)
	if err != nil {
		return err
	}
	// Everybody runs the company's spaces, so that whoever visits can try everything.
	sd.st.give(sp, subject{"group", sd.st.byName[usersGroup]}, adminGrants)
	sd.space = sp
	return nil
}

func (sd *seeder) wiki(text, seed string) (stored, error) {
	b, err := storageOf(body.FromWiki(strings.TrimSpace(text)), seed)
	if err != nil {
		return stored{}, err
	}
	return b, nil
}

func (sd *seeder) addContent(e seedEntry) error {
	b, err := sd.wiki(e.text, e.rest+e.kind)
	if err != nil {
		return err
	}
	var x *content
	if e.kind == "home" {
		x = sd.st.contents[sd.space.homepageID]
		x.current().storage = b.storage
		sd.st.reindex(x, b.doc)
	} else {
		in := draftIn{typ: contentType(e.kind), spaceID: sd.space.id, title: e.rest, body: b, authorID: e.author}
		if e.parent != "" {
			in.parentID = sd.st.titles[titleKey{sd.space.id, foldTitle(e.parent)}]
			if in.parentID == 0 {
				return fmt.Errorf("%q: no parent %q", e.rest, e.parent)
			}
		}
		made, err := sd.st.create(in, e.created)
		if err != nil {
			return fmt.Errorf("%q: %w", e.rest, err)
		}
		x = made
	}
	sd.edits(x, e.edits)
	for _, l := range e.labels {
		sd.st.addLabel(x, "global", l)
	}
	return nil
}

// edits gives a content a past: earlier versions end before what a later one added.
func (sd *seeder) edits(x *content, edits []seedEdit) {
	final := x.current()
	doc := final.doc()
	blocks := doc.Children
	for i, ed := range edits {
		cutAt := len(blocks) * (i + 1) / (len(edits) + 1)
		past := *final
		past.number, past.storage = len(x.versions), body.Write(&body.Node{Name: "#root", Children: blocks[:cutAt]})
		if i > 0 {
			past.at, past.authorID, past.message = edits[i-1].at, edits[i-1].by, edits[i-1].message
		}
		x.versions[len(x.versions)-1] = &past
		next := *final
		next.number, next.at, next.authorID, next.message = len(x.versions)+1, ed.at, ed.by, ed.message
		x.versions = append(x.versions, &next)
	}
	sd.st.reindex(x, doc)
}

func (sd *seeder) addComment(e seedEntry) error {
	f := fieldsOf(e.rest)
	var on, replyTo *content
	if e.kind == "reply" {
		if sd.last == nil {
			return fmt.Errorf("a reply without a comment before it")
		}
		replyTo, on = sd.last, sd.st.contents[sd.last.containerID]
		f = append([]string{""}, f...)
	} else {
		on = sd.st.contents[sd.st.titles[titleKey{sd.space.id, foldTitle(f[0])}]]
	}
	if on == nil || len(f) != 3 {
		return fmt.Errorf("a comment needs title | who | time and a page with that title: %q", e.rest)
	}
	at, err := sd.ago(f[2])
	if err != nil {
		return err
	}
	b, err := sd.wiki(e.text, e.rest)
	if err != nil {
		return err
	}
	x := sd.st.comment(on, replyTo, b, sd.people[f[1]], at)
	if replyTo == nil {
		sd.last = x
	}
	return nil
}
