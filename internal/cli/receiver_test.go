package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-run/sluice/internal/webhook"
)

// startReceiver: receiver SECRET sets $RECEIVER to the address of a program that
// takes webhooks of version V3 that are signed with the secret: at /ok; at
// /elsewhere it leads on to /ok.
func startReceiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: receiver SECRET")
	}
	mux := http.NewServeMux()
	mux.Handle("POST /elsewhere", http.RedirectHandler("/ok", http.StatusTemporaryRedirect))
	mux.HandleFunc("POST /ok", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		m, err := webhook.Verify(r.Header, body, time.Now(), args[0])
		var event struct {
			Type     string
			Metadata struct {
				Slug string `json:"trigger_slug"`
			}
			Data map[string]any
		}
		switch {
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		case m.Version != webhook.V3 || json.Unmarshal(body, &event) != nil ||
			event.Type != "composio.trigger.message" || event.Metadata.Slug == "" || len(event.Data) == 0:
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv("RECEIVER", server.URL)
}
