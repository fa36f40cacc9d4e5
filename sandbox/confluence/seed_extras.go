package confluence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

// seedExtras are the kinds of entries that add to what is there. Their heads are
// fields between bars, their text is the rest.
var seedExtras = map[string]func(*seeder, seedEntry, []string) error{
	"in":       (*seeder).enter,
	"file":     (*seeder).addFile,
	"inline":   (*seeder).addInline,
	"resolved": (*seeder).resolve,
	"tasks":    (*seeder).addTasks,
	"like":     onAudience(func(a *audience, who string, _ time.Time) { join(&a.likes, who) }),
	"watch":    onAudience(func(a *audience, who string, _ time.Time) { join(&a.watchers, who) }),
	"view":     onAudience(func(a *audience, who string, at time.Time) { a.view(who, at) }),
	"template": (*seeder).addTemplate,
}

// enter goes on in another space.
func (sd *seeder) enter(_ seedEntry, f []string) error {
	if sd.space = sd.st.spaceOf(f[0]); sd.space == nil {
		return fmt.Errorf("no space %q", f[0])
	}
	return nil
}

func (sd *seeder) pageCalled(title string) (*content, error) {
	x := sd.st.contents[sd.st.titles[titleKey{sd.space.id, foldTitle(title)}]]
	if x == nil {
		return nil, fmt.Errorf("no page %q", title)
	}
	return x, nil
}

// need gives the page of the first field, once there are n fields.
func (sd *seeder) need(f []string, n int) (*content, error) {
	if len(f) != n {
		return nil, fmt.Errorf("%d fields are needed, got %q", n, f)
	}
	return sd.pageCalled(f[0])
}

func (sd *seeder) addFile(e seedEntry, f []string) error {
	on, err := sd.need(f, 4)
	if err != nil {
		return err
	}
	at, err := sd.ago(f[3])
	if err != nil {
		return err
	}
	u := upload{name: f[1], mediaType: mediaTypeOf(f[1]), data: []byte(strings.TrimSpace(e.text) + "\n")}
	if _, err := sd.st.attachFile(on, u, sd.people[f[2]], at); err != nil {
		return err
	}
	return nil
}

func (sd *seeder) addInline(e seedEntry, f []string) error {
	on, err := sd.need(f, 4)
	if err != nil {
		return err
	}
	at, err := sd.ago(f[2])
	if err != nil {
		return err
	}
	b, err := sd.wiki(e.text, e.rest)
	if err != nil {
		return err
	}
	x, refused := sd.st.annotate(on, f[3], 1, 0, b, sd.people[f[1]], at)
	if refused != nil {
		return refused
	}
	sd.last = x
	return nil
}

func (sd *seeder) resolve(_ seedEntry, f []string) error {
	if sd.last == nil || sd.last.anchor == nil || len(f) != 2 {
		return fmt.Errorf("who and when are needed after an inline comment: %q", f)
	}
	at, err := sd.ago(f[1])
	if err != nil {
		return err
	}
	a := sd.last.anchor
	a.status, a.by, a.at = resolved, sd.people[f[0]], at
	return nil
}

// addTasks puts tasks with people and dates at the end of a page.
func (sd *seeder) addTasks(e seedEntry, f []string) error {
	on, err := sd.need(f, 2)
	if err != nil {
		return err
	}
	var list strings.Builder
	list.WriteString("<ac:task-list>")
	for i, line := range strings.Split(strings.TrimSpace(e.text), "\n") {
		t := fieldsOf(line)
		if len(t) != 4 {
			return fmt.Errorf("a task needs who | days | done or open | text: %q", line)
		}
		days, err := strconv.Atoi(t[1])
		if err != nil {
			return fmt.Errorf("a task is due in a number of days: %q", line)
		}
		status := map[string]string{"done": taskComplete, "open": taskIncomplete}[t[2]]
		fmt.Fprintf(&list, `<ac:task><ac:task-id>%d</ac:task-id><ac:task-status>%s</ac:task-status><ac:task-body><ac:link><ri:user ri:account-id="%s" /></ac:link> %s <time datetime="%s" /></ac:task-body></ac:task>`,
			i+1, status, sd.people[t[0]], body.EscapeText(t[3]), sd.now.AddDate(0, 0, days).Format(time.DateOnly))
	}
	b, refused := storageOf(on.current().storage+list.String()+"</ac:task-list>", e.rest)
	if refused != nil {
		return refused
	}
	sd.st.rewrite(on, b.doc)
	return nil
}

// onAudience names people after a page.
func onAudience(f func(*audience, string, time.Time)) func(*seeder, seedEntry, []string) error {
	return func(sd *seeder, _ seedEntry, fields []string) error {
		x, err := sd.need(fields, 2)
		if err != nil {
			return err
		}
		for i, who := range strings.Split(fields[1], ", ") {
			id := sd.people[who]
			if id == "" {
				return fmt.Errorf("nobody is called %q", who)
			}
			f(&x.audience, id, sd.now.Add(-time.Duration(48-i)*time.Hour))
		}
		return nil
	}
}

func (sd *seeder) addTemplate(e seedEntry, f []string) error {
	if len(f) != 2 {
		return fmt.Errorf("a template needs name | description: %q", f)
	}
	b, err := sd.wiki(e.text, e.rest)
	if err != nil {
		return err
	}
	t := &pageTemplate{id: sd.st.newID(), name: f[0], desc: f[1], storage: b.storage, spaceID: sd.space.id}
	sd.st.stored += len(t.storage)
	sd.st.templates[t.id] = t
	return nil
}

// extra carries out an entry that adds to what is there; false for other kinds.
func (sd *seeder) extra(e seedEntry) (bool, error) {
	add, ok := seedExtras[e.kind]
	if !ok {
		return false, nil
	}
	return true, add(sd, e, slices.Clone(fieldsOf(e.rest)))
}
