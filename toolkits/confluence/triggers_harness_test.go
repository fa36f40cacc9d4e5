package confluence_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sandbox "github.com/sluice-run/sluice/sandbox/confluence"
	"github.com/sluice-run/sluice/toolkit"
)

// began is when the watched sites' clocks start.
var began = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// watched is a site whose time is in the test's hands, and whose triggers are
// polled.
type watched struct {
	*site
	clock atomic.Int64 // nanoseconds
	other *sandbox.User

	trigger *toolkit.Trigger
	asked   []string // requests since the last poll began, by template
	points  int
	skew    time.Duration // of the Date header against the times in answers
	// interfere, when set, sees each request before the site does.
	interfere func(*http.Request) *http.Response
}

func watch(t *testing.T, o sandbox.Options) *watched {
	t.Helper()
	w := &watched{}
	w.clock.Store(began.UnixNano())
	o.Clock = w.now
	w.site = openSite(t, o)
	admin := w.me
	admin.Admin = true
	w.me = w.srv.AddUser(admin)
	other := w.srv.AddUser(sandbox.User{Email: "other@example.com", DisplayName: "Olga Other"})
	w.other = &other
	w.wait(time.Hour)
	return w
}

func (w *watched) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

// wait moves the site's clock on.
func (w *watched) wait(d time.Duration) { w.clock.Add(int64(d)) }

// RoundTrip sends a trigger's request with the site's own time in the answer,
// counts what it costs and holds it to what the trigger declares.
func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		w.t.Errorf("%s: a trigger made a %s request", w.trigger.Slug, r.Method)
	}
	w.asked = append(w.asked, r.URL.RequestURI())
	if c, err := loadContract(); err == nil && c != nil {
		if op, _, ok := c.find(r); ok {
			w.declared(r.Method + " " + op.template)
		}
	}
	if w.interfere != nil {
		if resp := w.interfere(r); resp != nil {
			return resp, nil
		}
	}
	w.site.slug = ""
	resp, err := w.site.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Header.Set("Date", w.now().Add(w.skew).Format(http.TimeFormat))
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	w.points += pointsOf(r.URL.Path, body)
	return resp, nil
}

func (w *watched) declared(call string) {
	seen.Lock()
	defer seen.Unlock()
	if seen.calls[w.trigger.Slug] == nil {
		seen.calls[w.trigger.Slug] = map[string]bool{}
	}
	seen.calls[w.trigger.Slug][call] = true
	if !slices.Contains(w.trigger.Endpoints, call) && !slices.Contains(shared, call) {
		w.t.Errorf("%s calls %s, which it does not declare", w.trigger.Slug, call)
	}
}

// pointsOf is what the cloud's quota takes for an answer: one, and one for each
// object, two where it tells of people and permissions.
func pointsOf(path string, body []byte) int {
	var answer struct {
		Results []json.RawMessage `json:"results"`
	}
	n := 1
	if json.Unmarshal(body, &answer) == nil && answer.Results != nil {
		n = len(answer.Results)
	}
	if strings.Contains(path, "/restriction") {
		n *= 2
	}
	return 1 + n
}

func (w *watched) triggerCall() *toolkit.Call {
	return &toolkit.Call{HTTP: &http.Client{Transport: w}, BaseURL: w.srv.URL}
}

// poller is one trigger instance with its cursor.
type poller struct {
	w       *watched
	trigger *toolkit.Trigger
	config  json.RawMessage
	cursor  json.RawMessage
	keys    map[string]bool
}

func triggerNamed(t testing.TB, slug string) *toolkit.Trigger {
	t.Helper()
	at := slices.IndexFunc(kit.Triggers, func(tr toolkit.Trigger) bool { return tr.Slug == "CONFLUENCE_"+slug })
	if at < 0 {
		t.Fatalf("there is no trigger %s", slug)
	}
	return &kit.Triggers[at]
}

// start makes a trigger instance and its first poll, which may tell of nothing.
func (w *watched) start(slug, config string) *poller {
	w.t.Helper()
	p := &poller{w: w, trigger: triggerNamed(w.t, slug), keys: map[string]bool{}}
	w.trigger = p.trigger
	valid, err := p.trigger.Validate(json.RawMessage(config))
	if err != nil {
		w.t.Fatalf("%s %s: %v", slug, config, err)
	}
	if p.config, err = p.trigger.Check(w.t.Context(), w.triggerCall(), valid); err != nil {
		w.t.Fatalf("%s %s: %v", slug, config, err)
	}
	if again, err := p.trigger.Validate(p.config); err != nil {
		w.t.Fatalf("%s: the checked configuration %s does not pass: %v", slug, p.config, err)
	} else if kept, err := p.trigger.Check(w.t.Context(), w.triggerCall(), again); err != nil || !bytes.Equal(kept, p.config) {
		w.t.Fatalf("%s: checked twice: %s, %s, %v", slug, p.config, kept, err)
	}
	if events := p.poll(); len(events) > 0 {
		w.t.Fatalf("%s: the first poll gave %d events: %s", slug, len(events), events[0].Payload)
	}
	return p
}

// step is one poll, from a cursor that went through the database. Its outcome is
// held to all that is promised of polls.
func (p *poller) step() (*toolkit.Polled, error) {
	p.w.trigger, p.w.asked, p.w.points = p.trigger, nil, 0
	got, err := p.trigger.Poll(p.w.t.Context(), p.w.triggerCall(), p.config, slices.Clone(p.cursor))
	if err != nil {
		return nil, err
	}
	p.cursor = got.Cursor
	for i, e := range got.Events {
		if p.keys[e.Key] {
			p.w.t.Errorf("%s: %s came twice", p.trigger.Slug, e.Key)
		}
		p.keys[e.Key] = true
		if i > 0 && e.OccurredAt.Before(got.Events[i-1].OccurredAt) {
			p.w.t.Errorf("%s: %s is out of order", p.trigger.Slug, e.Key)
		}
		if d := p.w.now().Sub(e.OccurredAt); d < -time.Second-p.w.skew.Abs() {
			p.w.t.Errorf("%s: %s happens in %s", p.trigger.Slug, e.Key, -d)
		}
		checkPayload(p.w.t, p.trigger, e.Payload)
	}
	return got, nil
}

// poll polls until nothing more is to be had at once.
func (p *poller) poll() []toolkit.RawEvent {
	p.w.t.Helper()
	var all []toolkit.RawEvent
	for range 200 {
		got, err := p.step()
		if err != nil {
			p.w.t.Fatalf("%s: %v", p.trigger.Slug, err)
		}
		if all = append(all, got.Events...); !got.More {
			return all
		}
	}
	p.w.t.Fatalf("%s does not come to an end", p.trigger.Slug)
	return nil
}

// expect polls, wants n events, and none at the poll after.
func (p *poller) expect(why string, n int) []toolkit.RawEvent {
	p.w.t.Helper()
	events := p.poll()
	if len(events) != n {
		p.w.t.Errorf("%s: %s: %d events, want %d: %s", p.trigger.Slug, why, len(events), n, summary(events))
	}
	p.w.wait(time.Second)
	if again := p.poll(); len(again) > 0 {
		p.w.t.Errorf("%s: %s: %d events at the poll after: %s", p.trigger.Slug, why, len(again), summary(again))
	}
	return events
}

func summary(events []toolkit.RawEvent) string {
	var keys []string
	for _, e := range events[:min(len(events), 10)] {
		keys = append(keys, e.Key)
	}
	return strings.Join(keys, ", ")
}

// checkPayload checks a payload against the trigger's schema, which has to name
// everything that is in it.
func checkPayload(t *testing.T, trigger *toolkit.Trigger, data json.RawMessage) {
	t.Helper()
	checkFits(t, &toolkit.Tool{Slug: trigger.Slug, Output: trigger.Payload}, data)
}

// field reads a payload.
func field(t *testing.T, e toolkit.RawEvent, path ...any) any {
	t.Helper()
	var doc any
	if err := json.Unmarshal(e.Payload, &doc); err != nil {
		t.Fatal(err)
	}
	return get(doc, path...)
}

// What people do on the site.

func (w *watched) blog(title string) string {
	w.t.Helper()
	return text(w.api("POST", "/wiki/api/v2/blogposts", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":%q,"body":{"representation":"storage","value":"<p>News</p>"}}`, w.space("MKT"), title)), "id")
}

// edit makes a new version of a page or blog post.
func (w *watched) edit(kind, id, title, body string) {
	w.t.Helper()
	now := w.api("GET", "/wiki/api/v2/"+kind+"/"+id, "")
	if title == "" {
		title = text(now, "title")
	}
	number, _ := get(now, "version", "number").(float64)
	w.api("PUT", "/wiki/api/v2/"+kind+"/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"body":{"representation":"storage","value":%q},"version":{"number":%d}}`, id, title, body, int(number)+1))
}

func (w *watched) trash(kind, id string) {
	w.t.Helper()
	w.api("DELETE", "/wiki/api/v2/"+kind+"/"+id, "")
}

// restore takes a page or blog post out of the trash, which makes a new version.
func (w *watched) restore(kind, id string) {
	w.t.Helper()
	now := w.api("GET", "/wiki/api/v2/"+kind+"/"+id+"?status=trashed", "")
	number, _ := get(now, "version", "number").(float64)
	w.api("PUT", "/wiki/api/v2/"+kind+"/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"body":{"representation":"storage","value":"<p>Back</p>"},"version":{"number":%d}}`, id, text(now, "title"), int(number)+1))
}

func (w *watched) comment(on, id, words string) string {
	w.t.Helper()
	return text(w.api("POST", "/wiki/api/v2/footer-comments", fmt.Sprintf(`{%q:%q,"body":{"representation":"storage","value":"<p>%s</p>"}}`, on, id, words)), "id")
}

// inline comments on a word of a page or blog post.
func (w *watched) inline(on, id string) string {
	w.t.Helper()
	word := "Text"
	if on == "blogPostId" {
		word = "News"
	}
	return text(w.api("POST", "/wiki/api/v2/inline-comments", fmt.Sprintf(
		`{%q:%q,"body":{"representation":"storage","value":"<p>Sure?</p>"},"inlineCommentProperties":{"textSelection":%q,"textSelectionMatchCount":1,"textSelectionMatchIndex":0}}`, on, id, word)), "id")
}

func (w *watched) attach(page, name, mediaType string) string {
	w.t.Helper()
	a, err := w.srv.Attach(page, w.me.AccountID, name, mediaType, []byte(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return a.ID
}

// like makes somebody new like a page or blog post.
func (w *watched) like(id string) {
	w.t.Helper()
	u := w.srv.AddUser(sandbox.User{Email: fmt.Sprintf("fan%d@example.com", len(w.srv.Likes(id))), DisplayName: "Fan"})
	if !w.srv.Like(id, u.AccountID) {
		w.t.Fatalf("%s is liked already", id)
	}
}

// taskPage makes a page with one task.
func (w *watched) taskPage(title, status string) string {
	w.t.Helper()
	body := `<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>incomplete</ac:task-status><ac:task-body>Do ` + title + `</ac:task-body></ac:task></ac:task-list>`
	if status == "" {
		status = "current"
	}
	return text(w.api("POST", "/wiki/api/v2/pages", fmt.Sprintf(`{"spaceId":%q,"status":%q,"title":%q,"body":{"representation":"storage","value":%q}}`, w.space("MKT"), status, title, body)), "id")
}
