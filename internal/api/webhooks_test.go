package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/event"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/trigger"
)

// withJobs gives the service of events its queue; nothing runs.
func (w *world) withJobs() {
	w.t.Helper()
	q, err := jobs.New(w.t.Context(), jobs.Options{
		DB: w.db, Works: append(w.events.Works(), w.triggers.Works()...),
		Queues: map[string]int{event.JobQueue: 1, trigger.JobQueue: 1, trigger.ReceiveQueue: 1},
	})
	must(w.t, err)
	w.events.Use(q)
	w.triggers.Use(q)
}

func (w *world) publish(key string) (id string) {
	w.t.Helper()
	must(w.t, w.db.InTx(w.t.Context(), func(tx store.Tx) error {
		e, _, err := w.events.Publish(w.t.Context(), tx, domain.Event{
			ProjectID: w.project.ID, Type: domain.EventTriggerMessage, Source: "ti_1", Key: key, UserID: "jane",
			Trigger: "NOTES_CREATED_TRIGGER", Payload: []byte(`{"note":"` + key + `"}`),
		})
		id = e.ID
		return err
	}))
	return id
}

// The calls of the SDKs' setWebhookSubscription, and the rest of a subscription's
// life. The secret is told by create and rotate, and by nothing else.
func TestWebhookSubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withJobs()
	const at = "/api/v3.1/webhook_subscriptions"
	const body = `{"webhook_url":"https://a.example/h","enabled_events":["composio.trigger.message"],"version":"V3"}`
	if a := w.want(200, "GET", at+"?limit=1", nil); len(a.column("id")) != 0 {
		t.Errorf("before: %s", a.Raw)
	}
	made := w.want(201, "POST", at, body)
	id, secret := made.text("id"), made.text("secret")
	if !strings.HasPrefix(id, "whs_") || !strings.HasPrefix(secret, "whsec_") || made.text("status") != "active" {
		t.Errorf("made: %s", made.Raw)
	}
	w.want(409, "POST", at, body)
	for _, a := range []answer{
		w.want(200, "GET", at+"?limit=1", nil), w.want(200, "GET", at+"/"+id, nil),
		w.want(200, "PATCH", at+"/"+id, `{"webhook_url":"https://b.example/h","ordered":true}`),
	} {
		if strings.Contains(string(a.Raw), secret) {
			t.Errorf("the secret is told again: %s", a.Raw)
		}
	}
	if a := w.want(200, "GET", "/api/v3/webhook_subscriptions/"+id, nil); a.text("webhook_url") != "https://b.example/h" || a.text("version") != "V3" {
		t.Errorf("after a change: %s", a.Raw)
	}
	for _, body := range []any{nil, `{}`, `{"overlap_seconds":0}`} {
		a := w.want(200, "POST", at+"/"+id+"/rotate_secret", body)
		if a.text("secret") == secret || a.text("id") != id || (a.text("previous_secret_valid_until") == "") != (body == `{"overlap_seconds":0}`) {
			t.Errorf("rotated with %v: %s", body, a.Raw)
		}
		secret = a.text("secret")
	}
	for _, tc := range []struct{ method, at, body, names string }{
		{"POST", at + "/" + id + "/rotate_secret", `{"overlap_seconds":-1}`, "overlap_seconds"},
		{"POST", at + "/" + id + "/rotate_secret", `{"overlap_seconds":9000000000000}`, "overlap_seconds"},
		{"PATCH", at + "/" + id, `{"webhook_url":"http://127.0.0.1/x"}`, "webhook_url"},
		{"PATCH", at + "/" + id, `{"enabled_events":[]}`, "enabled_events"},
		{"PATCH", at + "/" + id, `{"enabled_events":["made.up"]}`, "enabled_events"},
		{"PATCH", at + "/" + id, `{"version":"V9"}`, "version"},
	} {
		if e := w.want(400, tc.method, tc.at, tc.body); !strings.Contains(e.text("error.message"), tc.names) {
			t.Errorf("%s %s does not name %s: %s", tc.method, tc.body, tc.names, e.Raw)
		}
	}
	if types := w.want(200, "GET", at+"/event_types", nil).column("event_type"); len(types) != len(event.Types()) || types[0] != "composio.trigger.message" {
		t.Errorf("types: %v", types)
	}
	w.want(200, "DELETE", at+"/"+id, nil)
	w.want(404, "DELETE", at+"/"+id, nil)
	w.want(404, "POST", at+"/"+id+"/rotate_secret", nil)
}

// Events and deliveries are listed, shown and replayed.
func TestEventsAndDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withJobs()
	const events, deliveries = "/api/v3.1/sluice/events", "/api/v3.1/sluice/deliveries"
	began := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	first := w.publish("one") // nobody is subscribed
	w.want(409, "POST", events+"/"+first+"/replay", `{}`)
	w.want(409, "POST", events+"/replay", `{"from":"`+began+`"}`)
	w.want(201, "POST", "/api/v3.1/webhook_subscriptions", `{"webhook_url":"https://a.example/h","enabled_events":["composio.trigger.message"]}`)
	second := w.publish("two")
	if diff := cmp.Diff([]string{second, first}, w.want(200, "GET", events, nil).column("id")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for query, want := range map[string]int{
		"?types=composio.trigger.message&user_id=jane&source=ti_1&trigger_slug=NOTES_CREATED_TRIGGER": 2,
		"?from=" + began: 2, "?to=" + began: 0, "?user_id=john": 0, "?limit=1": 1,
	} {
		if n := len(w.want(200, "GET", events+query, nil).column("id")); n != want {
			t.Errorf("%s: %d events, want %d", query, n, want)
		}
	}
	for _, spelling := range []string{second, "msg_" + second[4:], "log_" + second[4:]} {
		if a := w.want(200, "GET", events+"/"+spelling, nil); a.text("payload.note") != "two" || a.text("message_id") != "msg_"+second[4:] {
			t.Errorf("%s: %s", spelling, a.Raw)
		}
	}
	list := w.want(200, "GET", deliveries+"?status=waiting&event_id=msg_"+second[4:], nil)
	if ids := list.column("id"); len(ids) != 1 {
		t.Fatalf("deliveries: %s", list.Raw)
	}
	id := list.column("id")[0]
	must(t, w.db.AddAttempt(t.Context(), domain.Attempt{
		ProjectID: w.project.ID, DeliveryID: id, Number: 1, At: time.Now(), Duration: 1500 * time.Microsecond, Status: 500, Error: "it answered 500", Excerpt: "oops",
	}))
	if a := w.want(200, "GET", deliveries+"/"+id, nil); a.text("attempt_log.0.error") != "it answered 500" || a.text("attempt_log.0.response_excerpt") != "oops" {
		t.Errorf("a delivery: %s", a.Raw)
	}
	w.want(200, "POST", events+"/"+first+"/replay", nil)
	if n := len(w.want(200, "GET", deliveries, nil).column("id")); n != 2 {
		t.Errorf("%d deliveries after the replay", n)
	}
	w.want(202, "POST", events+"/replay", `{"from":"`+began+`","failed":true}`)
	for at, field := range map[string]string{
		events + "?from=yesterday": "from", events + "?types=x": "types", deliveries + "?status=late": "status",
	} {
		if e := w.want(400, "GET", at, nil); !strings.Contains(e.text("error.message"), field) {
			t.Errorf("%s does not name %s: %s", at, field, e.Raw)
		}
	}
	w.want(400, "POST", events+"/replay", `{"from":"2099-01-01T00:00:00Z"}`)
	w.want(404, "GET", events+"/evt_none", nil)
	w.want(404, "GET", deliveries+"/dlv_none", nil)
	other := *w
	otherProject(t, &other)
	other.want(404, "GET", events+"/"+first, nil)
	other.want(404, "POST", events+"/"+first+"/replay", `{}`)
	other.want(404, "GET", deliveries+"/"+id, nil)
	for _, at := range []string{events, deliveries} {
		if n := len(other.want(200, "GET", at, nil).column("id")); n != 0 {
			t.Errorf("another project sees %d of %s", n, at)
		}
	}
}
