package app

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/telemetry"
)

// A door that breaks down is answered for, and the log alone says why.
func TestPanicInADoor(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tel, err := telemetry.New(t.Context(), telemetry.Options{Log: telemetry.LogOptions{Output: &log, Level: "info", Format: "json"}})
	if err != nil {
		t.Fatal(err)
	}
	a := &App{tel: tel, log: tel.Log}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("panic %v", p)
			}
		}()
		a.observed("/x", slog.LevelInfo, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the reason") })).
			ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil))
	}()
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "reason\":\"the reason") || strings.Contains(w.Body.String(), "goroutine") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if out := log.String(); !strings.Contains(out, "the reason") || !strings.Contains(out, "stack") {
		t.Errorf("log: %s", out)
	}
}
