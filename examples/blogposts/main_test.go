package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/offline"
	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
)

// line is the way to a router, on which streams are cut.
type line struct {
	*httptest.Server
	mu   sync.Mutex
	open map[*http.Request]context.CancelFunc
	cuts int
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	target, err := url.Parse(to)
	must(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	l := &line{open: map[*http.Request]context.CancelFunc{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events/stream") {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			l.mu.Lock()
			l.open[r] = cancel
			l.mu.Unlock()
			defer func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.open, r)
			}()
			defer func() { _ = recover() }() // the proxy's way to break a stream off
			proxy.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cancel := range l.open {
		cancel()
		l.cuts++
	}
}

// cutting is a model whose every request cuts the streams, and whose first one about
// a certain page ends the program.
type cutting struct {
	agent.Model
	line *line
	page string
	once sync.Once
	end  context.CancelFunc
}

func (m *cutting) Stream(ctx context.Context, req agent.Request) iter.Seq2[agent.Chunk, error] {
	m.line.cut()
	if strings.Contains(req.Messages[0].Text(), m.page) {
		m.once.Do(m.end)
	}
	return m.Model.Stream(ctx, req)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestBlogPosts: of each new page of the space there is one blog post that sums it
// up, though the stream is cut in every run and the program is stopped and
// started again in between. Elsewhere nothing is written.
func TestBlogPosts(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Home, cfg.Addr, cfg.Sandbox = filepath.Join(t.TempDir(), "home"), "127.0.0.1:0", true
	cfg.APIKey = config.Secret(domain.NewSecret("test_"))
	router, err := app.New(t.Context(), app.Options{Config: cfg, Quiet: true, LogOutput: io.Discard, Times: app.Times{PollPace: 50 * time.Millisecond}})
	must(t, err)
	t.Cleanup(func() { must(t, router.Stop(context.WithoutCancel(t.Context()))) })
	must(t, router.Start(t.Context()))
	l := newLine(t, router.URL())
	c, err := client.New(client.Options{BaseURL: router.URL(), APIKey: cfg.APIKey.Reveal()})
	must(t, err)
	people, err := c.Create(t.Context(), "ann", client.SessionOptions{})
	must(t, err)

	ctx, end := context.WithCancel(t.Context())
	defer end()
	model := &cutting{Model: offline.New(), line: l, page: "Helmet Test", end: end}
	w := &world{t: t, session: people, config: settings{
		url: l.URL, key: cfg.APIKey.Reveal(), user: "ann", space: "MKT", journal: filepath.Join(t.TempDir(), "journal"), model: model,
	}}
	stop := w.start(ctx)
	w.write("MKT", "Bike Lanes", "The city builds ninety kilometres of bike lanes.")
	w.write("ENG", "Gearbox Notes", "The gearbox has nine gears.")
	w.wait("Bike Lanes")
	w.write("MKT", "Trade-In Weekend", "We take old bikes in all six cities.")
	w.write("MKT", "Helmet Test", "Eleven helmets were dropped from two metres.")
	w.wait("Trade-In Weekend")
	<-ctx.Done() // in the middle of the third
	stop()
	w.write("MKT", "Winter Tyres", "Winter tyres are sold from October on.")
	stop = w.start(t.Context())
	w.wait("Helmet Test", "Winter Tyres")
	stop()
	want := map[string]int{"New: Bike Lanes": 1, "New: Trade-In Weekend": 1, "New: Helmet Test": 1, "New: Winter Tyres": 1}
	if diff := cmp.Diff(want, w.posts()); diff != "" {
		t.Errorf("blog posts (-want +got):\n%s", diff)
	}
	if l.cuts < 4 {
		t.Errorf("the stream was cut %d times only", l.cuts)
	}
	if !strings.Contains(w.text("New: Helmet Test"), "dropped from two metres") {
		t.Errorf("the blog post does not sum up its page: %s", w.text("New: Helmet Test"))
	}
}

// world is the site as people see it, and the program.
type world struct {
	t       *testing.T
	session *client.Session
	config  settings
}

// start runs the program until stop.
func (w *world) start(ctx context.Context) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, w.config, out)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(in)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "waiting for pages") {
		cancel()
		w.t.Fatalf("it does not wait: %q, %v", lines.Text(), <-ended)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "given up") {
				w.t.Error(lines.Text())
			}
		}
	}()
	w.t.Cleanup(cancel)
	return func() {
		w.t.Helper()
		cancel()
		must(w.t, <-ended)
		<-read
	}
}

// do runs a tool as the person.
func (w *world) do(tool string, args map[string]any) string {
	w.t.Helper()
	r, err := w.session.Execute(w.t.Context(), tool, args, "")
	must(w.t, err)
	if !r.Successful {
		w.t.Fatalf("%s: %s", tool, r.Error)
	}
	return string(r.Data)
}

func (w *world) write(space, title, text string) {
	w.t.Helper()
	w.do("CONFLUENCE_CREATE_PAGE", map[string]any{
		"spaceId": space, "title": title, "body": map[string]any{"storage": map[string]any{"value": "<p>" + text + "</p>", "representation": "storage"}},
	})
}

type post struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Body  struct {
		Storage struct {
			Value string `json:"value"`
		} `json:"storage"`
	} `json:"body"`
}

func (w *world) list() []post {
	w.t.Helper()
	var found struct {
		Results []post `json:"results"`
	}
	must(w.t, json.Unmarshal([]byte(w.do("CONFLUENCE_GET_BLOG_POSTS", map[string]any{"limit": 100, "body_format": "storage"})), &found))
	return found.Results
}

// posts counts the blog posts that the program wrote, by title.
func (w *world) posts() map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for _, p := range w.list() {
		if strings.HasPrefix(p.Title, "New: ") {
			out[p.Title]++
		}
	}
	return out
}

// text gives the body of a blog post.
func (w *world) text(title string) string {
	w.t.Helper()
	for _, p := range w.list() {
		if p.Title == title {
			return p.Body.Storage.Value
		}
	}
	return ""
}

// wait waits for blog posts on pages.
func (w *world) wait(pages ...string) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(5 * time.Minute)
	for {
		have, missing := w.posts(), ""
		for _, page := range pages {
			if have["New: "+page] == 0 {
				missing = page
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			w.t.Fatalf("there is no blog post on %q: %v", missing, have)
		}
	}
}
