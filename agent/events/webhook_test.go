package events_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/events"
	"github.com/sluice-run/sluice/internal/webhook"
)

const secret = "whsec_of_a_test"

func post(t *testing.T, h http.Handler, version webhook.Version, id, body, with string, change func(*http.Request)) int {
	t.Helper()
	header, err := webhook.Sign(webhook.Message{ID: id, At: time.Now(), Version: version, Body: []byte(body)}, with)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks", bytes.NewReader([]byte(body)))
	r.Header = header
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

const (
	v3 = `{"id":"evt_3","timestamp":"2026-11-22T10:00:01.000Z","type":"composio.trigger.message","metadata":{"log_id":"log_3","trigger_slug":"BELL_TRIGGER","trigger_id":"ti_1","connected_account_id":"ca_1","auth_config_id":"ac_1","user_id":"ann","test":true},"data":{"occurred_at":"2026-11-22T10:00:00.000Z","door":1}}`
	v2 = `{"type":"bell_trigger","timestamp":"2026-11-22T10:00:01.000Z","log_id":"log_2","data":{"door":1,"connection_nano_id":"ca_1","trigger_nano_id":"ti_1","user_id":"ann"}}`
	v1 = `{"trigger_name":"BELL_TRIGGER","connection_id":"ca_1","trigger_id":"ti_1","payload":{"door":1},"log_id":"log_1","test":true}`
)

// Messages of each version become events; 2xx is said once they are taken, and
// what is told again is handled once.
func TestWebhook(t *testing.T) {
	t.Parallel()
	h, err := events.NewWebhook(events.WebhookOptions{Secrets: []string{"whsec_new", secret}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	handled := make(chan agent.TriggerEvent, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- agent.On(ctx, h, func(_ context.Context, e agent.TriggerEvent, _ *agent.Work) error {
			handled <- e
			return nil
		}, agent.OnOptions{})
	}()
	for range 2 {
		for id, m := range map[string]struct {
			version webhook.Version
			body    string
		}{"msg_1": {webhook.V1, v1}, "msg_2": {webhook.V2, v2}, "msg_3": {webhook.V3, v3}} {
			if code := post(t, h, m.version, id, m.body, secret, nil); code != http.StatusNoContent {
				t.Fatalf("%s: %d", id, code)
			}
		}
	}
	got := map[string]agent.TriggerEvent{}
	for range 3 {
		e := <-handled
		if e.Payload = nil; e.ID == "evt_1" {
			e.OccurredAt = time.Time{} // V1 does not say
		}
		got[e.ID] = e
	}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	bell := agent.TriggerEvent{Type: events.TriggerMessage, Trigger: "BELL_TRIGGER", Instance: "ti_1", AccountID: "ca_1"}
	one, two, three := bell, bell, bell
	one.ID, one.Test = "evt_1", true
	two.ID, two.UserID, two.OccurredAt = "evt_2", "ann", at.Add(time.Second)
	three.ID, three.UserID, three.OccurredAt, three.Test = "evt_3", "ann", at, true
	if diff := cmp.Diff(map[string]agent.TriggerEvent{"evt_1": one, "evt_2": two, "evt_3": three}, got); diff != "" || len(handled) > 0 {
		t.Errorf("%d more; events (-want +got):\n%s", len(handled), diff)
	}
	for name, tc := range map[string]struct {
		want   int
		body   string
		with   string
		change func(*http.Request)
	}{
		"another secret":   {http.StatusUnauthorized, v3, "whsec_other", nil},
		"a changed body":   {http.StatusUnauthorized, v3, secret, func(r *http.Request) { r.Body = http.NoBody }},
		"an old message":   {http.StatusUnauthorized, v3, secret, func(r *http.Request) { r.Header.Set("webhook-timestamp", "1") }},
		"no signature":     {http.StatusUnauthorized, v3, secret, func(r *http.Request) { r.Header.Del("webhook-signature") }},
		"a GET":            {http.StatusMethodNotAllowed, v3, secret, func(r *http.Request) { r.Method = http.MethodGet }},
		"no JSON":          {http.StatusBadRequest, "{", secret, nil},
		"too large":        {http.StatusRequestEntityTooLarge, v3 + strings.Repeat(" ", 1<<20), secret, nil},
		"another kind":     {http.StatusNoContent, strings.Replace(v3, "trigger.message", "trigger.disabled", 1), secret, nil},
		"an event anew":    {http.StatusNoContent, v3, secret, nil},
		"the newer secret": {http.StatusNoContent, v3, "whsec_new", nil},
	} {
		if code := post(t, h, webhook.V3, "msg_3", tc.body, tc.with, tc.change); code != tc.want {
			t.Errorf("%s: %d, want %d", name, code, tc.want)
		}
	}
	cancel()
	if err := <-ended; err != nil || len(handled) > 0 {
		t.Errorf("%d more were handled, %v", len(handled), err)
	}
}

// While nobody takes events, or they cannot be taken, the sender is to try again.
func TestWebhookUntaken(t *testing.T) {
	t.Parallel()
	h, err := events.NewWebhook(events.WebhookOptions{Secrets: []string{secret}, Wait: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if code := post(t, h, webhook.V3, "msg_3", v3, secret, nil); code != http.StatusServiceUnavailable {
		t.Errorf("nobody takes events: %d", code)
	}
	if h, err = events.NewWebhook(events.WebhookOptions{Secrets: []string{secret}, Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for range h.Events(t.Context(), "") {
			break // it could not be kept
		}
	}()
	if code := post(t, h, webhook.V3, "msg_3", v3, secret, nil); code != http.StatusServiceUnavailable {
		t.Errorf("not taken: %d", code)
	}
	for _, secrets := range [][]string{nil, {""}, {"a", "b", "c"}} {
		if _, err := events.NewWebhook(events.WebhookOptions{Secrets: secrets}); err == nil {
			t.Errorf("secrets %q were taken", secrets)
		}
	}
}
