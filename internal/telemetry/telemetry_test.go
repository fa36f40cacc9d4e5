package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/telemetry"
)

func logger(t *testing.T, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var buf bytes.Buffer
	log, err := telemetry.NewLogger(telemetry.LogOptions{Output: &buf, Format: format, Level: "debug"})
	if err != nil {
		t.Fatal(err)
	}
	return log, &buf
}

func TestSecretsStayOutOfLogs(t *testing.T) {
	t.Parallel()
	const secret = "q7w8e9r0t1"
	link, err := url.Parse("https://u:" + secret + "@h.example/p?token=" + secret)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"X-Api-Key": {secret}}
	cases := map[string]func(*slog.Logger){
		"authorization":    func(l *slog.Logger) { l.Info("x", "Authorization", secret) },
		"token":            func(l *slog.Logger) { l.Info("x", "access_token", secret) },
		"api key":          func(l *slog.Logger) { l.Info("x", "api_key", secret) },
		"header name":      func(l *slog.Logger) { l.Info("x", "X-API-Key", secret) },
		"password":         func(l *slog.Logger) { l.Info("x", "dbPassword", secret) },
		"secret":           func(l *slog.Logger) { l.Info("x", "client_secret", secret) },
		"secret bytes":     func(l *slog.Logger) { l.Info("x", "client_secret", []byte(secret)) },
		"with":             func(l *slog.Logger) { l.With("token", secret).Info("x") },
		"group":            func(l *slog.Logger) { l.WithGroup("credentials").Info("x", "value", secret) },
		"inner group":      func(l *slog.Logger) { l.Info("x", slog.Group("a", slog.Group("secrets", "v", secret))) },
		"our key in text":  func(l *slog.Logger) { l.Info("bad key ak_" + secret) },
		"operator's key":   func(l *slog.Logger) { l.Info("bad key oak_" + secret) },
		"our key in error": func(l *slog.Logger) { l.Info("x", "err", fmt.Errorf("key %q", "ak_"+secret)) },
		"our key deep":     func(l *slog.Logger) { l.Info("x", "any", map[string]string{"k": "ak_" + secret}) },
		"link token":       func(l *slog.Logger) { l.Info("x", "path", "/connect/lt_"+secret) },
		"bearer":           func(l *slog.Logger) { l.Info("x", "err", errors.New("sent Bearer "+secret)) },
		"basic":            func(l *slog.Logger) { l.Info("x", "err", errors.New("sent basic "+secret)) },
		"http header":      func(l *slog.Logger) { l.Info("x", "header", header) },
		"url":              func(l *slog.Logger) { l.Info("x", "url", link) },
	}
	for _, format := range []string{"text", "json"} {
		for name, write := range cases {
			log, buf := logger(t, format)
			write(log)
			if strings.Contains(buf.String(), secret) || buf.Len() == 0 {
				t.Errorf("%s, %s: %s", format, name, buf)
			}
		}
	}
}

func TestHarmlessValuesStay(t *testing.T) {
	t.Parallel()
	log, buf := logger(t, "json")
	log.Info("the basic idea of a bearer", "input_tokens", 42, "tool", "CONFLUENCE_GET_PAGE", "password_set", true, "ak", "ak_", "took", time.Second)
	var got map[string]any
	if err := json.Unmarshal(buf.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["input_tokens"] != 42.0 || got["tool"] != "CONFLUENCE_GET_PAGE" || got["password_set"] != true || got["ak"] != "ak_" {
		t.Errorf("got %v", got)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	log, buf := logger(t, "json")
	ctx := telemetry.WithRequestID(t.Context(), "req_1")
	log.With("a", 1).InfoContext(ctx, "x")
	if !strings.Contains(buf.String(), `"request_id":"req_1"`) {
		t.Errorf("got %s", buf)
	}
	if telemetry.RequestID(ctx) != "req_1" || telemetry.RequestID(t.Context()) != "" {
		t.Error("RequestID")
	}
}

func TestLogOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []telemetry.LogOptions{{Format: "xml"}, {Level: "loud"}} {
		if _, err := telemetry.NewLogger(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	var buf bytes.Buffer
	log, err := telemetry.NewLogger(telemetry.LogOptions{Output: &buf, Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud")
	if strings.Contains(buf.String(), "quiet") || !strings.Contains(buf.String(), "level=WARN msg=loud") {
		t.Errorf("got %s", &buf)
	}
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("1.2.3")
	m.Request("GET /healthz", "GET", 200, 3*time.Millisecond)
	m.Request("GET /healthz", "BREW", 418, time.Millisecond)
	m.Execution("CONFLUENCE_GET_PAGES", "ok", time.Second)
	m.Upstream("confluence", 0, time.Second)
	m.Poll("CONFLUENCE_PAGE_MOVED_TRIGGER", "done", 3, 2, time.Second, 3*time.Second)
	m.Told("CONFLUENCE_PAGE_MOVED_TRIGGER", "webhook", 4*time.Second)
	m.Limited("user")
	m.Limited("user")
	closed := m.StreamOpened("mcp")
	stays := m.StreamOpened("mcp")
	closed()
	closed()
	got := scrape(t, m)
	for _, want := range []string{
		`sluice_trigger_poll_late_seconds_sum{trigger="CONFLUENCE_PAGE_MOVED_TRIGGER"} 3`,
		`sluice_trigger_event_lag_seconds_sum{source="webhook",trigger="CONFLUENCE_PAGE_MOVED_TRIGGER"} 4`,
		`sluice_http_request_duration_seconds_count{method="GET",route="GET /healthz",status="200"} 1`,
		`sluice_http_request_duration_seconds_bucket{method="GET",route="GET /healthz",status="200",le="0.0025"} 0`,
		`sluice_http_request_duration_seconds_bucket{method="GET",route="GET /healthz",status="200",le="0.005"} 1`,
		`sluice_http_request_duration_seconds_count{method="other",route="GET /healthz",status="418"} 1`,
		`sluice_tool_execution_duration_seconds_count{outcome="ok",tool="CONFLUENCE_GET_PAGES"} 1`,
		`sluice_upstream_request_duration_seconds_count{status="0",toolkit="confluence"} 1`,
		`sluice_trigger_poll_duration_seconds_count{outcome="done",trigger="CONFLUENCE_PAGE_MOVED_TRIGGER"} 1`,
		`sluice_trigger_events_total{trigger="CONFLUENCE_PAGE_MOVED_TRIGGER"} 3`,
		`sluice_trigger_changes_missed_total{trigger="CONFLUENCE_PAGE_MOVED_TRIGGER"} 2`,
		`sluice_rate_limited_total{limit="user"} 2`,
		`sluice_open_streams{kind="mcp"} 1`,
		`sluice_build_info{version="1.2.3"} 1`,
		`go_goroutines`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
	stays()
	if got := scrape(t, m); !strings.Contains(got, `sluice_open_streams{kind="mcp"} 0`) {
		t.Error("the stream stays open")
	}
}

func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("x")
	for i := range 2100 {
		m.Execution(fmt.Sprintf("INVENTED_%d", i), "refused", time.Millisecond)
	}
	m.Execution("INVENTED_0", "refused", time.Millisecond)
	got := scrape(t, m)
	for _, want := range []string{
		`sluice_tool_execution_duration_seconds_count{outcome="refused",tool="other"} 100`,
		`sluice_tool_execution_duration_seconds_count{outcome="refused",tool="INVENTED_0"} 2`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %s", want)
		}
	}
}

func TestOffDoesNothing(t *testing.T) {
	t.Parallel()
	off, err := telemetry.New(t.Context(), telemetry.Options{Log: telemetry.LogOptions{Output: io.Discard}})
	if err != nil {
		t.Fatal(err)
	}
	off.Metrics.Request("r", "GET", 200, 0)
	off.Metrics.Execution("t", "ok", 0)
	off.Metrics.Upstream("t", 200, 0)
	off.Metrics.StreamOpened("mcp")()
	ctx, span := off.Tracer.Start(t.Context(), "x", slog.Int("n", 1))
	span.Set(slog.Int("n", 2))
	span.End(errors.New("x"))
	if ctx != t.Context() {
		t.Error("an off tracer changed the context")
	}
	w := httptest.NewRecorder()
	off.Metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("metrics off answered %d", w.Code)
	}
	if err := off.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTracesReachTheCollector(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v1/traces" {
			_, _ = io.Copy(&got, r.Body)
		}
	}))
	defer collector.Close()
	var logs bytes.Buffer
	tel, err := telemetry.New(t.Context(), telemetry.Options{
		OTLPEndpoint: collector.URL, Version: "1.2.3", Log: telemetry.LogOptions{Output: &logs},
	})
	if err != nil {
		t.Fatal(err)
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(_ http.ResponseWriter, r *http.Request) {
		ctx, span := tel.Tracer.Start(r.Context(), "inner-step", slog.String("tool", "T_ONE"), slog.String("token", "s3cret-value"), slog.String("note", "ak_s3cret-value"))
		tel.Log.InfoContext(ctx, "inside")
		span.End(errors.New("it broke"))
	})
	req := httptest.NewRequest(http.MethodGet, "/things/7", nil)
	req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	tel.Tracer.Middleware(mux).ServeHTTP(httptest.NewRecorder(), req)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := tel.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"inner-step", "T_ONE", "it broke", "GET /things/{id}", "1.2.3"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("the collector did not get %q", want)
		}
	}
	if strings.Contains(got.String(), "s3cret-value") {
		t.Error("the collector got a secret")
	}
	if !strings.Contains(logs.String(), "trace_id="+trace) {
		t.Errorf("the log line lacks the trace: %s", &logs)
	}
}

func TestBadEndpoint(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.New(t.Context(), telemetry.Options{OTLPEndpoint: "collector:4318"}); err == nil {
		t.Error("accepted")
	}
}

func BenchmarkMetrics(b *testing.B) {
	m := telemetry.NewMetrics("x")
	b.ReportAllocs()
	for b.Loop() {
		m.Execution("CONFLUENCE_GET_PAGES", "ok", time.Millisecond)
	}
}

func BenchmarkLog(b *testing.B) {
	log, err := telemetry.NewLogger(telemetry.LogOptions{Output: io.Discard, Format: "json"})
	if err != nil {
		b.Fatal(err)
	}
	ctx := telemetry.WithRequestID(b.Context(), "req_1")
	b.ReportAllocs()
	for b.Loop() {
		log.InfoContext(ctx, "request", "route", "POST /tool_router/{session}/mcp", "status", 200, "took", time.Millisecond)
	}
}
