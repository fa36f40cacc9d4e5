package confluence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

type cqlConfig struct {
	CQL string `json:"cql" jsonschema:"minLength=1,maxLength=4000" jsonschema_description:"The query in CQL, such as type = page and label = \"urgent\". Its order does not matter."`
}

type matchEvent struct {
	happened
	Change matchChange `json:"change" jsonschema_description:"What changed."`
}

type matchChange struct {
	CQL     string `json:"cql" jsonschema_description:"The query that found it."`
	Excerpt string `json:"excerpt,omitempty" jsonschema_description:"The beginning of its text."`
}

// matchState is what the query found so far.
type matchState struct {
	Known []string `json:"known,omitempty"` // in the order of finding
	Floor int64    `json:"floor"`           // the site's time before which all edits have been read
	Span  int      `json:"span"`            // minutes that the last window had
	Large bool     `json:"large,omitempty"` // finds more than one answer holds
	Next  string   `json:"next,omitempty"`  // where a walk goes on
	Query string   `json:"query,omitempty"` // the query of the walk
	Site  int64    `json:"site,omitempty"`  // the site's time at its beginning
	Fresh bool     `json:"fresh,omitempty"` // it found something
	Pages int      `json:"pages,omitempty"` // how many answers it read
}

const (
	// wholeQuery is how many results are compared as a whole.
	wholeQuery = 250
	// maxKnown bounds what is remembered, the latest.
	maxKnown = 10_000
	// maxBaseline is how many answers are read at the first poll.
	maxBaseline = 4
	// indexLag is how long an edit may take to be found by a search.
	indexLag = 15 * time.Minute
)

var cqlMatched = toolkit.Poll("CONFLUENCE_NEW_CQL_CONTENT_MATCH_TRIGGER", "New CQL Content Match",
	"Fires once for each content that a CQL query finds and did not find before: by label, author, text, type, place or any combination. "+
		"For simple cases page created and the like are faster: a search knows of a change after about a minute.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.Scopes{}.AnyOf(scopeSearch, "search:confluence"),
		Keywords: []string{"search alert", "saved search", "query", "labelled", "mentions me"},
		Blind: []string{
			"While the query finds at most 250, all of them are compared. Beyond that only what was edited since is: a label or a move is no edit.",
			"Each content is reported once, though it stop matching and match again.",
			"An edit that the site's search takes longer than 15 minutes to know may be missed when the query finds more than 250.",
			"Of a query that finds more than 1,000 from the start, older ones may be reported when they are edited. The latest 10,000 are remembered.",
		},
		Endpoints: []string{"GET /wiki/rest/api/search"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1, IdleMore: "and a point for each result, up to 250; of a larger query for each one edited in the last 20 minutes",
	},
	toolkit.Poller[*client, cqlConfig, matchState, matchEvent]{
		Example: matchEvent{exampleContent("page", "Q3 Planning", 3).happened, matchChange{CQL: `type = page and label = "urgent"`, Excerpt: "What we do in the third quarter"}},
		Check: func(ctx context.Context, c *client, cfg cqlConfig) (cqlConfig, error) {
			cfg.CQL = strings.TrimSpace(cfg.CQL)
			if withoutOrder(cfg.CQL) == "" {
				return cfg, toolkit.Invalid("cql", "cql: expected a condition, such as label = \"urgent\"")
			}
			_, err := c.matches(ctx, "("+withoutOrder(cfg.CQL)+")", 1, "")
			return cfg, err
		},
		Sample: sampled(func(cfg cqlConfig, e *matchEvent) {
			e.Change.CQL = cmp.Or(cfg.CQL, e.Change.CQL)
		}),
		Poll: func(ctx context.Context, c *client, cfg cqlConfig, cur *matchState) (step toolkit.Step[matchState, matchEvent], err error) {
			m := matcher{c: c, st: &step.Cursor, cql: withoutOrder(cfg.CQL), known: map[string]bool{}}
			if cur == nil {
				return step, m.baseline(ctx)
			}
			step.Cursor = *cur
			for _, id := range cur.Known {
				m.known[id] = true
			}
			step.More, err = m.poll(ctx)
			step.Events = inOrder(m.events)
			return step, err
		},
		Watch: func(cfg cqlConfig) string { return withoutOrder(cfg.CQL) },
	})

var orderBy = regexp.MustCompile(`(?i)\border\s+by\b`)

// withoutOrder cuts the order off a query: words outside quotes only.
func withoutOrder(cql string) string {
	plain := []byte(cql)
	quoted := byte(0)
	for i := 0; i < len(plain); i++ {
		switch ch := cql[i]; {
		case quoted != 0 && ch == '\\' && i+1 < len(plain):
			plain[i], plain[i+1] = '_', '_'
			i++
		case quoted != 0:
			plain[i] = '_'
			if ch == quoted {
				quoted = 0
			}
		case ch == '"' || ch == '\'':
			plain[i], quoted = '_', ch
		}
	}
	if at := orderBy.FindIndex(plain); at != nil {
		cql = cql[:at[0]]
	}
	return strings.TrimSpace(cql)
}

// matcher is one poll of a query.
type matcher struct {
	c      *client
	st     *matchState
	cql    string
	known  map[string]bool
	events []toolkit.Event[matchEvent]
}

const byEdit = " order by lastmodified desc"

// matches runs a query.
func (c *client) matches(ctx context.Context, cql string, limit int, cursor string) (list[row], error) {
	got, err := fetchOne[row](ctx, c, request{
		path: v1 + "/search", query: url.Values{"cql": {cql}, "excerpt": {"indexed"}, "expand": {"content.space,content.version"}},
		scopes: []string{scopeSearch},
	}, limit, cursor)
	if err != nil {
		return got, explainCQL(err)
	}
	return got, nil
}

// baseline notes what the query finds.
func (m *matcher) baseline(ctx context.Context) error {
	cursor := ""
	for n := range maxBaseline {
		got, err := m.c.matches(ctx, "("+m.cql+")"+byEdit, wholeQuery, cursor)
		if err != nil {
			return err
		}
		if n == 0 {
			m.st.Floor = m.c.now().Add(-indexLag).UnixMilli()
		}
		m.take(got, true)
		if cursor = got.cursor; cursor == "" {
			return nil
		}
		m.st.Large = true
	}
	return nil
}

// poll begins a walk over what the query finds, or goes on with one.
func (m *matcher) poll(ctx context.Context) (more bool, err error) {
	st := m.st
	if st.Query == "" {
		if err := m.begin(ctx); err != nil {
			return false, err
		}
	}
	for range maxPollPages {
		if st.Next == "" || len(m.events) >= maxPollEvents {
			break
		}
		got, err := m.c.matches(ctx, st.Query, wholeQuery, st.Next)
		if err != nil && refused(err) {
			st.Query, st.Next, st.Fresh = "", "", false // anew at the next poll
			return true, nil
		}
		if err != nil {
			return false, err
		}
		m.take(got, false)
		st.Next = got.cursor
		st.Pages++
	}
	if st.Next != "" {
		return true, nil
	}
	// The pages of a search shift when something before them goes. So what took
	// several is read again, until nothing new is found.
	again := st.Pages > 1 && st.Fresh
	if !again {
		st.Floor = max(st.Floor, st.Site-indexLag.Milliseconds())
	}
	st.Query, st.Fresh, st.Site, st.Pages = "", false, 0, 0
	return again, nil
}

// begin reads the first page of a walk: of all that the query finds, or of what
// was edited since Floor.
func (m *matcher) begin(ctx context.Context) error {
	st := m.st
	st.Query = "(" + m.cql + ")" + byEdit
	minutes := 0
	if st.Large {
		minutes = max(st.Span, int(indexLag.Minutes())) + 5
		st.Query = m.window(minutes)
	}
	got, err := m.c.matches(ctx, st.Query, wholeQuery, "")
	if err != nil {
		return err
	}
	// Only the answer tells what time it is there.
	need := int((m.c.now().UnixMilli()-st.Floor)/time.Minute.Milliseconds()) + 2
	if st.Large && need > minutes {
		st.Query = m.window(need + 1)
		if got, err = m.c.matches(ctx, st.Query, wholeQuery, ""); err != nil {
			return err
		}
	}
	st.Site, st.Span, st.Next, st.Pages = m.c.now().UnixMilli(), need, got.cursor, 1
	st.Large = st.Large || got.cursor != ""
	m.take(got, false)
	return nil
}

// window finds what was edited in the last minutes. It is relative, so that
// neither the account's time zone nor our clock matters.
func (m *matcher) window(minutes int) string {
	return fmt.Sprintf(`(%s) and lastmodified >= now("-%dm")`, m.cql, minutes) + byEdit
}

// take notes what was found, and tells of it unless it is the first time.
func (m *matcher) take(got list[row], quiet bool) {
	for _, r := range got.items {
		key := ""
		switch {
		case r.Content != nil:
			key = r.Content.ID
		case r.Space != nil:
			key = "space-" + r.Space.Key
		}
		if key == "" || m.known[key] {
			continue
		}
		m.known[key] = true
		m.st.Known = append(m.st.Known, key)
		if quiet {
			continue
		}
		m.st.Fresh = true
		m.events = append(m.events, m.event(key, r, got.base))
	}
	if n := len(m.st.Known) - maxKnown; n > 0 {
		m.st.Known = slices.Delete(m.st.Known, 0, n)
	}
}

func (m *matcher) event(key string, r row, base string) toolkit.Event[matchEvent] {
	at := m.c.when(r.LastModified)
	e := matchEvent{
		happened{OccurredAt: stampOf(at), Resource: eventResource{Title: html.UnescapeString(r.Title), URL: m.c.address(links{WebUI: r.URL}, base)}},
		matchChange{CQL: m.cql, Excerpt: html.UnescapeString(r.Excerpt)},
	}
	if r.Content == nil {
		e.Resource.Type, e.Resource.ID, e.Resource.SpaceKey = "space", r.Space.ID.String(), r.Space.Key
		return toolkit.Event[matchEvent]{Key: "match:" + key, OccurredAt: at, Payload: e}
	}
	e.Resource.Type, e.Resource.ID, e.Resource.Status = r.Content.Type, r.Content.ID, r.Content.Status
	if r.Content.Space != nil {
		e.Resource.SpaceKey, e.Resource.SpaceID = r.Content.Space.Key, r.Content.Space.ID.String()
	}
	var v struct {
		Number int    `json:"number"`
		When   string `json:"when"`
		Minor  bool   `json:"minorEdit"`
		By     struct {
			AccountID string `json:"accountId"`
		} `json:"by"`
	}
	if json.Unmarshal(r.Content.Version, &v) == nil && v.Number > 0 {
		e.Actor = by(v.By.AccountID)
		e.Resource.Version = &version{Number: v.Number, MinorEdit: v.Minor, AuthorID: v.By.AccountID, CreatedAt: v.When}
	}
	return toolkit.Event[matchEvent]{Key: "match:" + key, OccurredAt: at, Payload: e}
}
