package mcpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// sink is a ResponseWriter without a network behind it.
type sink struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return s.body.Write(p) }
func (s *sink) Flush()                      {}

// bench serves one request over and over, without a network.
func bench(b *testing.B, c *caller, body string) {
	b.Helper()
	h := c.e.mcp.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, c.url, strings.NewReader(body))
		r.Header = c.header.Clone()
		w := &sink{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatalf("%d %s", w.status, w.body.String())
		}
	}
}

// BenchmarkCall is a tools/call with everything on: key, session, rules,
// validation, execution record in SQLite.
func BenchmarkCall(b *testing.B) {
	e := newEnv(b, nil)
	key, p := e.key("bench")
	id := e.session(p, direct)
	for era, c := range eras(e, id, key) {
		b.Run(era, func(b *testing.B) {
			bench(b, c.named("tools/call", "TEST_ECHO"), inEra(era, callBody("TEST_ECHO", `{"text":"hi"}`)))
		})
	}
}

// BenchmarkList is a tools/list of 24 tools of ordinary size.
func BenchmarkList(b *testing.B) {
	e := newEnv(b, nil)
	key, p := e.key("bench")
	cfg := direct
	cfg.Toolkits = &domain.Selection{Enable: []string{"many"}}
	id := e.session(p, cfg)
	for era, c := range eras(e, id, key) {
		body := listBody
		if era == "legacy" {
			body = `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`
		}
		b.Run(era, func(b *testing.B) { bench(b, c.with("Mcp-Method", "tools/list"), body) })
		b.Run(era+", by the SDK", func(b *testing.B) {
			long := strings.Replace(body, `"_meta":{`, `"_meta":{"progressToken":1,`, 1)
			if era == "legacy" {
				long = `{"jsonrpc":"2.0","id":"\u0061","method":"tools/list"}`
			}
			bench(b, c.with("Mcp-Method", "tools/list"), long)
		})
	}
}

// manyTools is a toolkit with 24 tools.
func manyTools(t testing.TB) *toolkit.Toolkit {
	t.Helper()
	tk := &toolkit.Toolkit{Slug: "many", Name: "Many", Description: "Tools by the dozen.", Version: "20261122_00"}
	for n := range 24 {
		props := make([]string, 0, 12)
		for i := range 12 {
			props = append(props, fmt.Sprintf(`"field_%d":{"type":"string","description":"What the field number %d of this tool is for, in one sentence of ordinary length."}`, i, i))
		}
		tk.Tools = append(tk.Tools, rawTool(t, fmt.Sprintf("MANY_TOOL_%02d", n),
			"Does one of many things, and says in two or three sentences what it does and when it should be used.",
			`{"type":"object","properties":{`+strings.Join(props, ",")+`},"required":["field_0"]}`, toolkit.Hints{ReadOnly: true},
			func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) {
				return &toolkit.Result{}, nil
			}))
	}
	return tk
}
