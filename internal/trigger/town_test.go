package trigger

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/sandbox/confluence"
)

// town is a site with people on it who do whatever people do, and with something
// for each type of trigger to watch. What they do comes from a seeded generator.
type town struct {
	t    testing.TB
	site *confluence.Sandbox
	me   confluence.User
	rng  *rand.Rand

	mu     sync.Mutex
	serial int
	mkt    string // id of the space that is watched
	eng    string // key of the space whose details are watched
	// What single triggers watch; it is never deleted.
	above, talk, liked, secret, shelf string // pages
	post                              string // a blog post
	pages, trashed, drafts            []string
	posts, comments, fans             []string
	props                             map[string]int // by path, their versions
	at                                map[string]string
}

// settle makes what is to be watched.
func settle(t testing.TB, site *confluence.Sandbox, me confluence.User, seed uint64) *town {
	t.Helper()
	w := &town{t: t, site: site, me: me, rng: rand.New(rand.NewPCG(seed, 1)), props: map[string]int{}, at: map[string]string{}, eng: "ENG"}
	for _, s := range site.Spaces() {
		if s.Key == "MKT" {
			w.mkt = s.ID
		}
	}
	for _, p := range []*string{&w.above, &w.talk, &w.liked, &w.secret, &w.shelf} {
		*p = w.page("")
	}
	w.pages = nil
	w.post = w.blog()
	w.posts = nil
	w.label(w.blog(), "urgent")
	for n := range 6 {
		w.fans = append(w.fans, site.AddUser(confluence.User{Email: fmt.Sprintf("fan%d@acme.example", n), DisplayName: fmt.Sprintf("Fan %d", n)}).AccountID)
	}
	return w
}

// configs are a configuration of each type of trigger, by slug.
func (w *town) configs() map[string]string {
	q := func(field, value string) string { return fmt.Sprintf(`{%q:%q}`, field, value) }
	return map[string]string{
		"CONFLUENCE_PAGE_CREATED_TRIGGER":                    `{}`,
		"CONFLUENCE_PAGE_UPDATED_TRIGGER":                    `{}`,
		"CONFLUENCE_PAGE_VERSION_CREATED_TRIGGER":            q("pageId", w.above),
		"CONFLUENCE_NEW_CHILD_PAGE_TRIGGER":                  q("parentId", w.above),
		"CONFLUENCE_PAGE_MOVED_TRIGGER":                      q("spaceId", w.mkt),
		"CONFLUENCE_NEW_BLOG_POST_CREATED_TRIGGER":           `{}`,
		"CONFLUENCE_BLOGPOST_UPDATED_TRIGGER":                q("spaceId", w.mkt),
		"CONFLUENCE_BLOG_POST_ADDED_TO_LABEL_TRIGGER":        `{"label":"urgent"}`,
		"CONFLUENCE_SPACE_CONTENT_ADDED_TRIGGER":             q("spaceId", w.mkt),
		"CONFLUENCE_SPACE_CREATED_TRIGGER":                   `{}`,
		"CONFLUENCE_SPACE_DETAILS_CHANGED_TRIGGER":           q("spaceId", w.eng),
		"CONFLUENCE_SPACE_PROPERTIES_CHANGED_TRIGGER":        q("spaceId", w.mkt),
		"CONFLUENCE_PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER": q("pageId", w.above),
		"CONFLUENCE_FOOTER_COMMENT_ADDED_TRIGGER":            q("pageId", w.above),
		"CONFLUENCE_PAGE_INLINE_COMMENT_ADDED_TRIGGER":       q("pageId", w.talk),
		"CONFLUENCE_BLOGPOST_INLINE_COMMENT_ADDED_TRIGGER":   q("blogpostId", w.post),
		"CONFLUENCE_ATTACHMENT_ADDED_TRIGGER":                q("pageId", w.above),
		"CONFLUENCE_PAGE_LIKE_COUNT_CHANGED_TRIGGER":         q("pageId", w.liked),
		"CONFLUENCE_BLOGPOST_LIKE_COUNT_CHANGED_TRIGGER":     q("blogpostId", w.post),
		"CONFLUENCE_CONTENT_RESTRICTIONS_CHANGED_TRIGGER":    q("contentId", w.secret),
		"CONFLUENCE_NEW_TASK_CREATED_TRIGGER":                `{}`,
		"CONFLUENCE_NEW_AUDIT_LOG_TRIGGER":                   `{}`,
		"CONFLUENCE_NEW_CQL_CONTENT_MATCH_TRIGGER":           `{"cql":"type = page and title ~ \"New*\""}`,
	}
}

const (
	v1 = "/wiki/rest/api"
	v2 = "/wiki/api/v2"
)

// do makes a request of the people's, which must succeed.
func (w *town) do(method, path, body string) map[string]any {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://site.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(w.me.Email, w.me.Token)
	rec := httptest.NewRecorder()
	w.site.Handler().ServeHTTP(rec, r)
	if rec.Code >= http.StatusMultipleChoices {
		w.t.Fatalf("%s %s %s: %d %s", method, path, body, rec.Code, rec.Body)
	}
	var out map[string]any
	if rec.Body.Len() > 0 && json.Unmarshal(rec.Body.Bytes(), &out) != nil {
		return nil // a list
	}
	return out
}

func idIn(m map[string]any) string { return fmt.Sprint(m["id"]) }

// page makes a page, below another one unless that is "", and gives its id.
func (w *town) page(under string) string {
	id := w.newPage(under, "current")
	w.pages = append(w.pages, id)
	return id
}

func (w *town) newPage(under, status string) string {
	w.serial++
	parent := ""
	if under != "" {
		parent = fmt.Sprintf(`"parentId":%q,`, under)
	}
	return idIn(w.do("POST", v2+"/pages", fmt.Sprintf(`{"spaceId":%q,"status":%q,%s"title":"New %d","body":{"representation":"storage","value":"<p>Text</p>"}}`, w.mkt, status, parent, w.serial)))
}

func (w *town) blog() string {
	w.serial++
	id := idIn(w.do("POST", v2+"/blogposts", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":"Post %d","body":{"representation":"storage","value":"<p>Text</p>"}}`, w.mkt, w.serial)))
	w.posts = append(w.posts, id)
	return id
}

func (w *town) edit(kind, id string) {
	c, _ := w.site.Page(id)
	w.serial++
	w.do("PUT", v2+"/"+kind+"/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"body":{"representation":"storage","value":"<p>Text %d</p>"},"version":{"number":%d}}`, id, c.Title, w.serial, c.Version+1))
}

func (w *town) label(id, name string) {
	w.do("POST", v1+"/content/"+id+"/label", fmt.Sprintf(`[{"prefix":"global","name":%q}]`, name))
}

// one takes an id out of a list when out is set.
func (w *town) one(list *[]string, out bool) string {
	if len(*list) == 0 {
		return ""
	}
	i := w.rng.IntN(len(*list))
	id := (*list)[i]
	if out {
		(*list)[i] = (*list)[len(*list)-1]
		*list = (*list)[:len(*list)-1]
	}
	return id
}

// act does one of the things that people do.
func (w *town) act() {
	w.mu.Lock()
	defer w.mu.Unlock()
	acts := []func(){
		func() { w.page("") },
		func() { w.page(w.above) },
		func() {
			for range 1 + w.rng.IntN(20) {
				w.page("")
			}
		},
		func() { w.blog() },
		w.editOne, w.editOne, w.editOne,
		func() { w.edit("pages", w.above) },
		w.trashOne,
		w.restoreOne,
		func() {
			if id := w.one(&w.trashed, true); id != "" {
				w.do("DELETE", v2+"/pages/"+id+"?purge=true", "")
			}
		},
		func() { w.drafts = append(w.drafts, w.newPage("", "draft")) },
		w.publishOne, w.moveOne, w.moveOne,
		func() {
			if id := w.one(&w.posts, false); id != "" {
				w.label(id, "urgent")
			}
		},
		w.talkOne, w.talkOne,
		func() {
			w.serial++
			_, err := w.site.Attach(w.above, w.me.AccountID, fmt.Sprintf("f%d.txt", w.serial), "text/plain", []byte("x"))
			ok(w.t, err)
		},
		func() { w.like(w.liked) },
		func() { w.like(w.post) },
		w.restrict, w.property, w.property, func() { w.tasks() },
		func() {
			w.serial++
			w.do("PUT", v1+"/space/"+w.eng, fmt.Sprintf(`{"name":"Engineering %d"}`, w.serial))
		},
		func() {
			w.serial++
			w.do("POST", v2+"/spaces", fmt.Sprintf(`{"key":"S%d","name":"Space %d"}`, w.serial, w.serial))
		},
		func() {
			w.do("POST", v1+"/audit", `{"remoteAddress":"127.0.0.1","summary":"Thing","category":"Things","affectedObject":{"name":"x","objectType":"Thing"}}`)
		},
	}
	acts[w.rng.IntN(len(acts))]()
}

func (w *town) editOne() {
	for range 1 + w.rng.IntN(3) {
		if id := w.one(&w.pages, false); id != "" {
			w.edit("pages", id)
		}
	}
	if id := w.one(&w.posts, false); id != "" && w.rng.IntN(3) == 0 {
		w.edit("blogposts", id)
	}
}

func (w *town) trashOne() {
	if id := w.one(&w.pages, true); id != "" {
		w.do("DELETE", v2+"/pages/"+id, "")
		w.trashed = append(w.trashed, id)
	}
}

func (w *town) restoreOne() {
	if id := w.one(&w.trashed, true); id != "" {
		c, _ := w.site.Page(id)
		w.do("PUT", v2+"/pages/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"body":{"representation":"storage","value":"<p>Back</p>"},"version":{"number":%d}}`, id, c.Title, c.Version+1))
		w.pages = append(w.pages, id)
	}
}

func (w *town) publishOne() {
	if id := w.one(&w.drafts, true); id != "" {
		c, _ := w.site.Page(id)
		w.do("PUT", v2+"/pages/"+id, fmt.Sprintf(`{"id":%q,"status":"current","title":%q,"body":{"representation":"storage","value":"<p>x</p>"},"version":{"number":1}}`, id, c.Title))
		w.pages = append(w.pages, id)
	}
}

func (w *town) moveOne() {
	id, to := w.one(&w.pages, false), w.above
	if w.rng.IntN(2) == 0 {
		to = w.one(&w.pages, false)
	}
	if id == "" || to == "" || id == to {
		return
	}
	for up := to; up != ""; { // not below itself
		p, _ := w.site.Page(up)
		if up = p.ParentID; up == id {
			return
		}
	}
	w.do("PUT", v1+"/content/"+id+"/move/append/"+to, "")
}

func (w *town) talkOne() {
	const words = `"body":{"representation":"storage","value":"<p>Hm</p>"}`
	inline := func(on, id string) {
		w.do("POST", v2+"/inline-comments", fmt.Sprintf(`{%q:%q,%s,"inlineCommentProperties":{"textSelection":"Text","textSelectionMatchCount":1,"textSelectionMatchIndex":0}}`, on, id, words))
	}
	switch w.rng.IntN(4) {
	case 0:
		if id := w.one(&w.comments, true); id != "" {
			w.do("DELETE", v2+"/footer-comments/"+id, "")
		}
	case 1:
		inline("pageId", w.talk)
	case 2:
		inline("blogPostId", w.post)
	default:
		w.comments = append(w.comments, idIn(w.do("POST", v2+"/footer-comments", fmt.Sprintf(`{"pageId":%q,%s}`, w.above, words))))
	}
}

func (w *town) like(id string) {
	fan := w.fans[w.rng.IntN(len(w.fans))]
	if !w.site.Like(id, fan) {
		w.site.Unlike(id, fan)
	}
}

func (w *town) restrict() {
	users := fmt.Sprintf(`{"type":"known","accountId":%q}`, w.me.AccountID)
	for _, fan := range w.fans {
		if w.rng.IntN(2) == 0 {
			users += fmt.Sprintf(`,{"type":"known","accountId":%q}`, fan)
		}
	}
	w.do("PUT", v1+"/content/"+w.secret+"/restriction", fmt.Sprintf(`[{"operation":"update","restrictions":{"user":[%s]}}]`, users))
}

// property makes, changes or deletes a property of the page or the space.
func (w *town) property() {
	owner := v2 + "/pages/" + w.above + "/properties"
	if w.rng.IntN(2) == 0 {
		owner = v2 + "/spaces/" + w.mkt + "/properties"
	}
	w.serial++
	name := fmt.Sprintf("key%d", w.rng.IntN(5))
	at, there := w.at[owner+name]
	switch {
	case !there:
		at = owner + "/" + idIn(w.do("POST", owner, fmt.Sprintf(`{"key":%q,"value":%d}`, name, w.serial)))
		w.at[owner+name], w.props[at] = at, 1
	case w.rng.IntN(3) == 0:
		w.do("DELETE", at, "")
		delete(w.at, owner+name)
	default:
		w.props[at]++
		w.do("PUT", at, fmt.Sprintf(`{"key":%q,"value":%d,"version":{"number":%d}}`, name, w.serial, w.props[at]))
	}
}

func (w *town) tasks() string {
	w.serial++
	body := `<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>incomplete</ac:task-status><ac:task-body>Do it</ac:task-body></ac:task></ac:task-list>`
	return idIn(w.do("POST", v2+"/pages", fmt.Sprintf(`{"spaceId":%q,"status":"current","title":"New %d","body":{"representation":"storage","value":%q}}`, w.mkt, w.serial, body)))
}
