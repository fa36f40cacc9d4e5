package confluence

import (
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-run/sluice/sandbox/confluence/internal/body"
)

func sortedIDs[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }

// webPage is what the plain HTML of the site shows.
type webPage struct {
	Title, Meta string
	Up          []webLink // the way down to this page
	Body        template.HTML
	Links       []webLink // pages below
	Posts       []webLink // blog posts, on a space's homepage
	Labels      []string
	Comments    []webComment
}

type webLink struct{ Title, Href string }

type webComment struct {
	Author string
	Body   template.HTML
}

var webTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} – Confluence sandbox</title>
<style>
body{font:16px/1.55 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#172b4d;background:#fff}
.note{background:#fff7d6;border:1px solid #e2b203;padding:.4rem .8rem;border-radius:4px;font-size:.875rem}
.meta{color:#505f79;font-size:.875rem}a{color:#0c66e4}table{border-collapse:collapse}td,th{border:1px solid #c1c7d0;padding:.3rem .6rem;text-align:left;vertical-align:top}
pre{background:#f4f5f7;padding:.8rem;overflow:auto}.confluence-information-macro,.panel-macro,.expand-macro{border-left:4px solid #0c66e4;padding:.2rem .8rem;margin:1rem 0;background:#f4f5f7}
.inline-task-list{list-style:"☐ "}.inline-task-list .checked{list-style:"☑ "}.label{background:#dfe1e6;border-radius:3px;padding:0 .4rem;margin-right:.3rem;font-size:.8rem}
.status-macro{background:#dfe1e6;border-radius:3px;padding:0 .3rem;font-size:.75rem;font-weight:700}
</style></head><body>
<p class="note" role="note">This is a sandbox: a Confluence in memory. Nothing here is real, and nothing is kept.</p>
<nav class="meta" aria-label="Breadcrumb">{{range .Up}}<a href="{{.Href}}">{{.Title}}</a> / {{end}}</nav><h1>{{.Title}}</h1><p class="meta">{{.Meta}}</p>
<main>{{.Body}}</main>
{{if .Labels}}<p>{{range .Labels}}<span class="label">{{.}}</span>{{end}}</p>{{end}}
{{if .Links}}<h2>Pages</h2><ul>{{range .Links}}<li><a href="{{.Href}}">{{.Title}}</a></li>{{end}}</ul>{{end}}
{{if .Posts}}<h2>Blog</h2><ul>{{range .Posts}}<li><a href="{{.Href}}">{{.Title}}</a></li>{{end}}</ul>{{end}}
{{if .Comments}}<h2>Comments</h2>{{range .Comments}}<article><p class="meta">{{.Author}}</p>{{.Body}}</article>{{end}}{{end}}
</body></html>
`))

// pagesHTML serves the links of answers to browsers. It needs no sign-in: the
// sandbox holds nothing to protect, and drafts and private spaces stay hidden.
func (s *Sandbox) pagesHTML(mux *http.ServeMux) {
	mux.HandleFunc("GET /wiki/spaces/{key}/pages/{id}", s.webContent)
	mux.HandleFunc("GET /wiki/spaces/{key}/pages/{id}/{title...}", s.webContent)
	mux.HandleFunc("GET /wiki/spaces/{key}/blog/{year}/{month}/{day}/{id}/{title...}", s.webContent)
	mux.HandleFunc("GET /wiki/spaces/{key}/overview", s.webSpace)
	mux.HandleFunc("GET /wiki/spaces/{key}", s.webSpace)
	mux.HandleFunc("GET /wiki/x/{tiny}", s.webTiny)
	mux.HandleFunc("GET /wiki/pages/viewpage.action", s.webByID)
	mux.HandleFunc("GET /wiki/{$}", s.webHome)
	mux.HandleFunc("GET /wiki", s.webHome)
}

// nobody is the reader of the HTML pages.
var nobody = &user{loc: time.UTC}

func (s *Sandbox) webShow(w http.ResponseWriter, p webPage) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src *")
	if err := webTemplate.Execute(w, p); err != nil && s.opts.Logger != nil {
		s.opts.Logger.Debug("sandbox page not written", "error", err)
	}
}

func (s *Sandbox) webContent(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.mu.RLock()
	x := s.st.contents[id]
	if x == nil || x.status != statusCurrent || x.typ == typeComment || !s.st.visible(x, nobody) {
		s.mu.RUnlock()
		http.NotFound(w, r)
		return
	}
	p := s.webOf(x)
	s.mu.RUnlock()
	s.View(r.PathValue("id"), "")
	s.webShow(w, p)
}

// webOf builds the page of a content; the lock is held.
func (s *Sandbox) webOf(x *content) webPage {
	c := &call{Sandbox: s, me: nobody}
	v := x.current()
	p := webPage{Title: v.title, Meta: "by " + s.st.displayName(v.authorID) + " · version " + strconv.Itoa(v.number) + " · " + v.at.Format("2 January 2006")}
	p.Up = []webLink{{"Spaces", "/wiki"}}
	if sp := s.st.spaces[x.spaceID]; sp != nil {
		p.Up = append(p.Up, webLink{sp.name, "/wiki/spaces/" + sp.key})
		if sp.homepageID == x.id {
			p.Posts = s.webPosts(sp)
		}
	}
	for _, a := range s.st.ancestors(x) {
		p.Up = append(p.Up, webLink{a.title(), "/wiki" + s.st.webui(a)})
	}
	p.Body = viewHTML(c, x)
	for _, k := range c.visibleOnes(s.st.children[x.id]) {
		p.Links = append(p.Links, webLink{k.title(), "/wiki" + s.st.webui(k)})
	}
	for _, id := range x.labels {
		p.Labels = append(p.Labels, s.st.labels[id].name)
	}
	for _, id := range c.threads(s.st.comments[x.id]) {
		k := s.st.contents[id]
		p.Comments = append(p.Comments, webComment{s.st.displayName(k.authorID), viewHTML(c, k)})
	}
	return p
}

// webPosts lists the blog posts of a space, the newest first.
func (s *Sandbox) webPosts(sp *space) []webLink {
	var posts []*content
	for _, id := range s.st.order {
		if x := s.st.contents[id]; x.typ == typeBlog && x.spaceID == sp.id && x.status == statusCurrent {
			posts = append(posts, x)
		}
	}
	slices.SortFunc(posts, func(a, b *content) int { return b.createdAt.Compare(a.createdAt) })
	var out []webLink
	for _, x := range posts[:min(len(posts), defaultLimit)] {
		out = append(out, webLink{x.title(), "/wiki" + s.st.webui(x)})
	}
	return out
}

// viewHTML renders a body. The renderer leaves out scripts, handlers and
// javascript addresses, and the page's policy forbids scripts besides.
func viewHTML(c *call, x *content) template.HTML {
	return template.HTML(body.View(x.current().doc(), c.links(x))) //nolint:gosec // as said above
}

func (s *Sandbox) webSpace(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	sp := s.st.spaceOf(r.PathValue("key"))
	if sp == nil || !s.st.spaceVisible(sp, nobody) {
		s.mu.RUnlock()
		http.NotFound(w, r)
		return
	}
	p := webPage{Title: sp.name, Meta: sp.desc}
	if home := s.st.contents[sp.homepageID]; home != nil {
		p = s.webOf(home)
	}
	s.mu.RUnlock()
	s.webShow(w, p)
}

func (s *Sandbox) webTiny(w http.ResponseWriter, r *http.Request) {
	s.webRedirect(w, r, fromTiny(r.PathValue("tiny")))
}

// webByID serves the old address of a page, viewpage.action?pageId=.
func (s *Sandbox) webByID(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.URL.Query().Get("pageId"), 10, 64) // 0 is nothing's id
	s.webRedirect(w, r, id)
}

func (s *Sandbox) webRedirect(w http.ResponseWriter, r *http.Request, id int64) {
	s.mu.RLock()
	x := s.st.contents[id]
	target := ""
	if x != nil && s.st.visible(x, nobody) {
		target = "/wiki" + s.st.webui(x)
	}
	s.mu.RUnlock()
	if target == "" {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, target, http.StatusFound)
}

func (s *Sandbox) webHome(w http.ResponseWriter, _ *http.Request) {
	p := webPage{Title: "Spaces", Meta: "Site " + s.opts.Site}
	s.mu.RLock()
	for _, id := range sortedIDs(s.st.spaces) {
		if sp := s.st.spaces[id]; s.st.spaceVisible(sp, nobody) {
			p.Links = append(p.Links, webLink{sp.name, "/wiki/spaces/" + sp.key})
		}
	}
	s.mu.RUnlock()
	s.webShow(w, p)
}
