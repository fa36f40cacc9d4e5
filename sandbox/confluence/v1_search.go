package confluence

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

type v1SearchRow struct {
	Content     *v1Content   `json:"content,omitempty"`
	Space       *v1Space     `json:"space,omitempty"`
	User        *v1User      `json:"user,omitempty"`
	Title       string       `json:"title"`
	Excerpt     string       `json:"excerpt"`
	URL         string       `json:"url"`
	Parent      *v1Container `json:"resultParentContainer,omitempty"`
	Global      *v1Container `json:"resultGlobalContainer,omitempty"`
	Breadcrumbs []any        `json:"breadcrumbs"`
	EntityType  string       `json:"entityType"`
	Icon        string       `json:"iconCssClass"`
	Modified    string       `json:"lastModified"`
	Friendly    string       `json:"friendlyLastModified"`
	Score       float64      `json:"score"`
}

type v1Container struct {
	Title      string `json:"title"`
	DisplayURL string `json:"displayUrl"`
}

type v1SearchPage struct {
	Results  []v1SearchRow `json:"results"`
	Start    int           `json:"start"`
	Limit    int           `json:"limit"`
	Size     int           `json:"size"`
	Total    int           `json:"totalSize"`
	CQL      string        `json:"cqlQuery"`
	Duration int           `json:"searchDuration"`
	Links    v1Links       `json:"_links"`
}

// searchCursor marks where the next page of a search begins.
const searchCursor = "search"

func (c *call) searchOffset() (int, *apiError) {
	raw := c.q.Get("cursor")
	if raw == "" {
		return 0, nil
	}
	cur, ok := parseCursor(raw)
	if !ok || cur.Sort != searchCursor || cur.ID < 0 {
		return 0, badRequest("The cursor '%s' is not valid", raw)
	}
	return int(cur.ID), nil
}

// cut gives one page of rows and the link to the next. The link drops excerpt,
// as the server's does.
func (c *call) cut(rows []row, path string, limit, offset int) ([]row, string) {
	total := len(rows)
	rows = rows[min(offset, total):]
	if len(rows) <= limit || limit == 0 {
		return rows, ""
	}
	q := url.Values{}
	for _, k := range []string{"cql", "cqlcontext", "expand", "includeArchivedSpaces"} {
		if v := c.q[k]; v != nil {
			q[k] = v
		}
	}
	q.Set("limit", strconv.Itoa(limit))
	q.Set("cursor", cursor{Sort: searchCursor, ID: int64(offset + limit)}.String())
	return rows[:limit], path + "?" + q.Encode()
}

func (c *call) requireCQL() (string, *apiError) {
	src := c.q.Get("cql")
	if strings.TrimSpace(src) == "" {
		return "", badRequest("Could not parse cql : The parameter 'cql' is required")
	}
	return src, nil
}

var excerpts = []string{"highlight", "indexed", "none", "highlight_unescaped", "indexed_unescaped"}

func (c *call) search() (any, *apiError) {
	src, err := c.requireCQL()
	if err != nil {
		return nil, err
	}
	excerpt, err := c.oneOf("excerpt", "highlight", excerpts...)
	if err != nil {
		return nil, err
	}
	archived, err := c.flag("includeArchivedSpaces")
	if err != nil {
		return nil, err
	}
	e := parseExpand(c.list("expand"))
	most := maxLimit
	if ce := e.below("content").below("body"); ce["export_view"] || ce["styled_view"] {
		most = defaultLimit
	}
	return c.runSearch("/rest/api/search", src, excerpt, e, most, searchOptions{archived: archived, lag: c.opts.IndexLag})
}

// searchUsers is GET /search/user: only user fields exist there.
func (c *call) searchUsers() (any, *apiError) {
	src, err := c.requireCQL()
	if err != nil {
		return nil, err
	}
	return c.runSearch("/rest/api/search/user", src, "none", expansion{}, maxLimit, searchOptions{users: true})
}

func (c *call) runSearch(path, src, excerpt string, e expansion, most int, o searchOptions) (any, *apiError) {
	limit, err := c.limit(defaultLimit, most)
	if err != nil {
		return nil, err
	}
	offset, err := c.searchOffset()
	if err == nil && o.users && offset == 0 {
		offset, err = c.start() // the search for users counts, the others have cursors only
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	c.rlock()
	hits, err := c.st.search(src, c.me, c.now(), o)
	if err != nil {
		return nil, err
	}
	rows, next := c.cut(hits.rows, path, limit, offset)
	out := v1SearchPage{
		Results: []v1SearchRow{}, Start: offset, Limit: limit, Size: len(rows), Total: len(hits.rows), CQL: src,
		Links: v1Links{Self: c.base + "/wiki" + path, Next: next, Base: c.base + "/wiki", Context: "/wiki"},
	}
	m := c.marker(hits.texts, excerpt)
	for _, r := range rows {
		out.Results = append(out.Results, c.searchRow(r, m, e))
	}
	out.Duration = int(time.Since(began).Milliseconds())
	return out, nil
}

func (c *call) searchRow(r row, m marker, e expansion) v1SearchRow {
	out := v1SearchRow{
		Title: m.title(r.title()), Breadcrumbs: []any{}, EntityType: "content", Icon: "aui-icon content-type-" + r.typ(),
		Modified: stamp(r.modified()), Friendly: friendly(r.modified(), c.now()),
	}
	switch {
	case r.c != nil:
		out.Content = c.showV1(r.c, r.c.current(), e.below("content"))
		out.URL = c.st.webui(r.c)
		out.Excerpt = m.excerpt(r.c.index.text)
		if on := c.st.contents[r.c.containerID]; on != nil {
			out.Parent = &v1Container{Title: on.title(), DisplayURL: c.st.webui(on)}
		}
		if sp := c.st.spaces[r.c.spaceID]; sp != nil {
			out.Global = &v1Container{Title: sp.name, DisplayURL: "/spaces/" + sp.key}
		}
	case r.sp != nil:
		out.Space, out.EntityType = c.showSpaceV1(r.sp, e.below("space")), "space"
		out.URL, out.Excerpt = "/spaces/"+r.sp.key, m.excerpt(r.sp.desc)
		out.Global = &v1Container{Title: r.sp.name, DisplayURL: "/spaces/" + r.sp.key}
	default:
		u := c.showUser(r.u.AccountID)
		out.User, out.EntityType, out.URL = &u, "user", "/people/"+r.u.AccountID
	}
	return out
}

// contentSearch is GET /content/search: the same query, contents alone.
func (c *call) contentSearch() (any, *apiError) {
	src, err := c.requireCQL()
	if err != nil {
		return nil, err
	}
	limit, err := c.limit(defaultLimit, maxLimit)
	if err != nil {
		return nil, err
	}
	offset, err := c.searchOffset()
	if err != nil {
		return nil, err
	}
	e := parseExpand(c.list("expand"))
	c.rlock()
	hits, err := c.st.search(src, c.me, c.now(), searchOptions{contentOnly: true, lag: c.opts.IndexLag})
	if err != nil {
		return nil, err
	}
	rows, next := c.cut(hits.rows, "/rest/api/content/search", limit, offset)
	out := v1List[*v1Content]{Results: []*v1Content{}, Start: offset, Limit: limit, Size: len(rows), Links: v1Links{Self: c.base + "/wiki/rest/api/content/search", Next: next, Base: c.base + "/wiki", Context: "/wiki"}}
	for _, r := range rows {
		out.Results = append(out.Results, c.showV1(r.c, r.c.current(), e))
	}
	return out, nil
}

// marker makes titles and excerpts of search rows.
type marker struct {
	mode  string
	words map[uint32]bool
	vocab *vocabulary
}

func (c *call) marker(texts []textQuery, mode string) marker {
	m := marker{mode: mode, words: map[uint32]bool{}, vocab: &c.st.words}
	for _, q := range texts {
		for _, item := range q.items {
			for _, set := range item {
				for id := range set {
					m.words[id] = true
				}
			}
		}
	}
	return m
}

const (
	hlOpen  = "@@@hl@@@"
	hlClose = "@@@endhl@@@"
	// excerptLength is how much of a body an excerpt shows, in bytes.
	excerptLength = 300
	indexedLength = 50
)

func (m marker) highlights() bool { return strings.HasPrefix(m.mode, "highlight") }

func (m marker) escape(s string) string {
	if strings.HasSuffix(m.mode, "_unescaped") {
		return s
	}
	return escapeHTML(s)
}

// hits gives the byte ranges of the searched words in a text.
func (m marker) hits(s string) [][2]int {
	var out [][2]int
	if len(m.words) == 0 {
		return nil
	}
	eachWord(s, func(w string, from, to int) {
		if id, ok := m.vocab.ids[w]; ok && m.words[id] {
			out = append(out, [2]int{from, to})
		}
	})
	return out
}

func (m marker) mark(s string, hits [][2]int) string {
	var b strings.Builder
	at := 0
	for _, h := range hits {
		b.WriteString(m.escape(s[at:h[0]]) + hlOpen + m.escape(s[h[0]:h[1]]) + hlClose)
		at = h[1]
	}
	b.WriteString(m.escape(s[at:]))
	return b.String()
}

func (m marker) title(s string) string {
	if !m.highlights() {
		return m.escape(s)
	}
	return m.mark(s, m.hits(s))
}

func (m marker) excerpt(text string) string {
	switch {
	case m.mode == "none":
		return ""
	case !m.highlights():
		return m.escape(text[:wordEnd(text, indexedLength)])
	}
	from := 0
	if hits := m.hits(text); len(hits) > 0 {
		from = wordStart(text, max(0, hits[0][0]-excerptLength/3))
	}
	text = text[from:]
	text = text[:wordEnd(text, excerptLength)]
	return m.mark(text, m.hits(text))
}

// wordStart moves i back to the beginning of a word, wordEnd to an end of one,
// so that no rune or word is cut.
func wordStart(s string, i int) int {
	if i <= 0 {
		return 0
	}
	return strings.LastIndexByte(s[:i], ' ') + 1
}

func wordEnd(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	if i := strings.LastIndexByte(s[:n], ' '); i > 0 {
		return i
	}
	if i := strings.IndexByte(s, ' '); i > 0 {
		return i
	}
	return len(s)
}
