package app_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// A rule of the application's automation posts what happened; the event is told at
// once, signed, and the poll that comes later does not tell it again. What a poll told
// first, the rule's request does not tell again either.
func TestRuleToEvent(t *testing.T) { onBoth(t, testRuleToEvent) }

func testRuleToEvent(t *testing.T, in func(*app.Options)) {
	r := testApp(t, func(o *app.Options) {
		in(o)
		o.Config.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	hook, c, db := r.receive("V3", "composio.trigger.message"), r.clientOf(), r.database()
	id, err := c.UpsertTrigger(t.Context(), client.NewTrigger{Type: "CONFLUENCE_PAGE_CREATED_TRIGGER", UserID: "ann", Config: map[string]any{"spaceId": "MKT"}})
	must(t, err)
	instance, err := db.Trigger(t.Context(), r.ProjectID(), id)
	must(t, err)
	made := r.send(http.MethodPost, "/api/v3.1/webhook_endpoints", `{"toolkit_slug":"confluence"}`)
	endpoint, secret := field(made.body, "id"), field(made.body, "data.secret")
	rule := confluence.Rule{
		Name: "tell", On: confluence.PagePublished, Space: "MKT", URL: field(made.body, "webhook_url"),
		Header: http.Header{field(made.body, "secret_header"): {secret}},
		Body:   `{"event":"created","type":"page","id":{{page.id.asJsonString}}}`,
	}
	must(t, r.Site().AddRule(rule))
	session, space := r.session("ann", ""), field(string(instance.Config), "spaceId")
	publish := func(title string) {
		t.Helper()
		if a := r.execute(session, "CONFLUENCE_CREATE_PAGE", fmt.Sprintf(`{"spaceId":%q,"title":%q,"body":{"storage":{"value":"<p>x</p>","representation":"storage"}}}`, space, title)); !a.result(t).Successful {
			t.Fatal(a)
		}
	}
	request := func() {
		t.Helper()
		sent := r.Site().SendRequests(t.Context(), r.http)
		if len(sent) != 1 || sent[0].Status != http.StatusAccepted {
			t.Fatalf("sent: %+v", sent)
		}
		leaks(t, "the request", sent[0].Body, secret)
	}
	looked := func() bool {
		n, err := db.CountInbound(t.Context(), r.ProjectID(), endpoint)
		must(t, err)
		return n == 0
	}
	next := func(title string) {
		t.Helper()
		p := hook.nextV3()
		if p.Metadata.TriggerID != id || p.Metadata.User != "ann" || field(string(p.Data), "resource.title") != title {
			t.Fatalf("want %s, told: %+v %s", title, p, p.Data)
		}
	}

	// The usual interval is five minutes: only the request can have told of it.
	publish("Told by the rule")
	request()
	next("Told by the rule")
	eventually(t, 2*time.Minute, "the request is looked into", looked)

	// A poll is found overdue.
	publish("Told by the poll")
	poll, err := db.Poll(t.Context(), r.ProjectID(), instance.PollID)
	must(t, err)
	before := poll.PolledAt
	poll.NextAt = time.Now().Add(-time.Hour)
	if swapped, err := db.SwapPoll(t.Context(), r.ProjectID(), poll); err != nil || !swapped {
		t.Fatal(swapped, err)
	}
	next("Told by the poll")
	eventually(t, 2*time.Minute, "the poll ends", func() bool {
		p, err := db.Poll(t.Context(), r.ProjectID(), instance.PollID)
		must(t, err)
		return p.PolledAt.After(before) && p.ClaimedUntil.IsZero()
	})
	request()
	eventually(t, 2*time.Minute, "the late request is looked into", looked)

	logs, err := db.ListTriggerLogs(t.Context(), r.ProjectID(), store.TriggerLogFilter{}, 10)
	must(t, err)
	var told []string
	for _, l := range logs {
		told = append(told, field(string(l.Payload), "resource.title"))
	}
	if diff := cmp.Diff([]string{"Told by the poll", "Told by the rule"}, told); diff != "" {
		t.Errorf("events, newest first (-want +got):\n%s", diff)
	}
	if a := r.send(http.MethodGet, "/api/v3.1/webhook_endpoints/"+endpoint, ""); field(a.body, "last_received_at") == "" || field(a.body, "last_error") != "" {
		t.Errorf("the endpoint: %s", a)
	}
	leaks(t, "the log", r.logs.String(), secret)
}
