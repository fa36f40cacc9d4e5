package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
)

// benchApp boots the program as serve does, with the sandbox, the log at its
// default level. It gives a function that takes one request through the
// program's handler, without a connection of its own, and gives the answer.
func benchApp(b *testing.B) func(method, path, body string, header ...string) string {
	b.Helper()
	cfg := testConfig(filepath.Join(b.TempDir(), "home"))
	cfg.LogLevel = "info"
	// Counted as in earnest, and never refused.
	most := config.Rate{Burst: 10_000_000, Window: time.Minute}
	cfg.RateKey, cfg.RateUser, cfg.RateToolkit = most, most, most
	a, err := app.New(b.Context(), app.Options{Config: cfg, LogOutput: io.Discard})
	must(b, err)
	must(b, a.Start(b.Context()))
	b.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Errorf("stopping: %v", err)
		}
	})
	return func(method, path, body string, header ...string) string {
		r := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body))
		r.Header.Set("X-Api-Key", cfg.APIKey.Reveal())
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code > http.StatusCreated {
			b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Body.String()
	}
}

// Benchmark takes requests through the whole program: door, key, session, rules,
// account, vault, the guarded client, the sandbox over its real listener, record.
func Benchmark(b *testing.B) {
	do := benchApp(b)
	_, rest, _ := strings.Cut(do(http.MethodPost, sessions, `{"user_id":"bench","toolkits":{"enable":["confluence"]},"preload":{"tools":"all"}}`), `"session_id":"`)
	session, _, ok := strings.Cut(rest, `"`)
	if !ok {
		b.Fatal("no session")
	}
	execute := func(tool, args string) string {
		return do(http.MethodPost, sessions+"/"+session+"/execute", fmt.Sprintf(`{"tool_slug":%q,"arguments":%s}`, tool, args))
	}
	const tool = "CONFLUENCE_GET_PAGE_BY_ID"
	_, rest, _ = strings.Cut(execute("CONFLUENCE_GET_PAGES", `{"limit":1}`), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	args := fmt.Sprintf(`{"id":%q}`, id)
	list := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, mcpMeta)
	for _, bm := range []struct {
		name string
		f    func() string
		want string
	}{
		{"mcp call", func() string {
			return do(http.MethodPost, mcpPath(session), mcpBody(tool, args), mcpHeader("tools/call", tool)...)
		}, "successful"},
		{"rest execute", func() string { return execute(tool, args) }, `"log_id"`},
		{"mcp list", func() string { return do(http.MethodPost, mcpPath(session), list, mcpHeader("tools/list", "")...) }, "CONFLUENCE_CREATE_PAGE"},
		{"session create", func() string {
			return do(http.MethodPost, sessions, `{"user_id":"bench","toolkits":{"enable":["confluence"]}}`)
		}, "session_id"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			if got := bm.f(); !strings.Contains(got, bm.want) {
				b.Fatalf("got %s", got)
			}
			b.ReportAllocs()
			for b.Loop() {
				bm.f()
			}
		})
	}
}
