package offline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/offline"
	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
)

// world is a router with its sandbox, and an agent on a session of it.
type world struct {
	router *app.App
	tools  *agent.MCPToolset
	agent  *agent.Agent[string]
	spaces map[string]string // id → key
}

func newWorld(t *testing.T, options ...func(*client.SessionOptions)) *world {
	cfg, err := app.LoadConfig("", t.TempDir())
	if err != nil {
		t.Error(err)
		panic(err)
	}
	cfg.Addr, cfg.Sandbox = "127.0.0.1:0", true
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			t.Error(err)
			panic(err)
		}
	}
	router, err := app.New(ctx, app.Options{Config: cfg, Quiet: true, LogOutput: io.Discard})
	check(err)
	check(router.Start(ctx))
	c, err := client.New(client.Options{BaseURL: router.URL(), APIKey: router.EphemeralKey("test")})
	check(err)
	o := client.SessionOptions{Toolkits: []string{"confluence"}}
	for _, set := range options {
		set(&o)
	}
	session, err := c.Create(ctx, "ann", o)
	check(err)
	header := http.Header{}
	for name, value := range session.MCP.Headers {
		header.Set(name, value)
	}
	w := &world{router: router, tools: agent.MCP(session.MCP.URL, agent.MCPOptions{Header: header})}
	w.agent, err = agent.New[string](offline.New(), agent.Options{Tools: []agent.Toolset{w.tools}})
	check(err)
	return w
}

func (w *world) close() {
	_ = w.tools.Close()
	_ = w.router.Stop(context.Background())
}

// thing is a page, blog post or comment of the sandbox.
type thing struct {
	ID, Title, SpaceID, ParentID, PageID, BlogPostID string
	Kind                                             string
	Version                                          struct{ Number int }
	Body                                             struct{ Storage struct{ Value string } }
	labels                                           []string
}

// state is all that a sandbox holds, by id.
type state map[string]thing

// seeded is the state of every fresh sandbox.
func (w *world) seeded(t *testing.T) state {
	seedOnce.Do(func() { seedState = w.state(t) })
	return seedState
}

var (
	seedOnce  sync.Once
	seedState state
)

// change is one thing that is new, or one that got labels or another text.
type change struct {
	thing
	what   string // page, blog, label, comment, other
	labels []string
	on     string // title of what a comment is on
	under  string
}

func (c change) String() string {
	return fmt.Sprintf("%s %q labels %v on %q under %q: %s", c.what, c.Title, c.labels, c.on, c.under, c.Body.Storage.Value)
}

func (w *world) get(t *testing.T, path string, out any) {
	req, err := http.NewRequest(http.MethodGet, w.router.SandboxURL()+path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.SetBasicAuth(w.router.SandboxVisitor())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", path, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

func (w *world) state(t *testing.T) state {
	s := state{}
	var spaces struct{ Results []struct{ ID, Key string } }
	w.get(t, "/wiki/api/v2/spaces?limit=250", &spaces)
	w.spaces = map[string]string{}
	for _, sp := range spaces.Results {
		w.spaces[sp.ID] = sp.Key
	}
	for kind, path := range map[string]string{"page": "pages", "blog": "blogposts", "comment": "footer-comments"} {
		var list struct{ Results []thing }
		w.get(t, "/wiki/api/v2/"+path+"?limit=250&body-format=storage", &list)
		for _, it := range list.Results {
			it.Kind = kind
			if kind != "comment" {
				var labels struct{ Results []struct{ Name string } }
				w.get(t, "/wiki/api/v2/"+path+"/"+it.ID+"/labels?limit=250", &labels)
				for _, l := range labels.Results {
					it.labels = append(it.labels, l.Name)
				}
			}
			s[it.ID] = it
		}
	}
	return s
}

func (s state) since(before state) []change {
	var out []change
	for id, it := range s {
		old, was := before[id]
		c := change{thing: it, what: it.Kind, under: s[it.ParentID].Title, on: s[it.PageID+it.BlogPostID].Title}
		for _, l := range it.labels {
			if !slices.Contains(old.labels, l) {
				c.labels = append(c.labels, l)
			}
		}
		switch {
		case !was:
			out = append(out, c)
		case old.Version != it.Version || old.Body != it.Body || old.Title != it.Title || old.ParentID != it.ParentID:
			c.what = "changed " + it.Kind
			out = append(out, c)
		case len(c.labels) > 0:
			c.what = "label"
			out = append(out, c)
		}
	}
	for id, it := range before {
		if _, still := s[id]; !still {
			out = append(out, change{thing: it, what: "deleted " + it.Kind})
		}
	}
	return out
}

var tags = regexp.MustCompile(`<[^>]*>`)

func (c change) text() string {
	return html.UnescapeString(tags.ReplaceAllString(c.Body.Storage.Value, " "))
}

// fits: the change is what the expectation f says.
func (c change) fits(w *world, f []string) bool {
	kind, name, _ := strings.Cut(f[0], " ")
	if kind != c.what {
		return false
	}
	sameLabels := func(list string) bool {
		want := strings.Split(strings.ReplaceAll(list, " ", ""), ",")
		slices.Sort(want)
		have := slices.Sorted(slices.Values(c.labels))
		return slices.Equal(want, have)
	}
	switch kind {
	case "label":
		return c.Title == name && sameLabels(f[1])
	case "comment":
		return c.on == name && holdsAll(c.text(), f[1])
	}
	if w.spaces[c.SpaceID] != name || (f[1] != "*" && c.Title != f[1]) {
		return false
	}
	labelled := false
	for _, cond := range f[2:] {
		word, value, _ := strings.Cut(cond, " ")
		ok := false
		switch word {
		case "text":
			ok = strings.Contains(fold(c.text()), fold(value))
		case "under":
			ok = c.under == value
		case "labels":
			ok, labelled = sameLabels(value), true
		}
		if !ok {
			return false
		}
	}
	return labelled || len(c.labels) == 0
}
