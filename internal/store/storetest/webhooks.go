package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// publish gives the tenant an event, a subscription and the delivery of the one to
// the other.
func (n *tenant) publish(ctx context.Context, t *testing.T, s store.Store, name string) {
	t.Helper()
	n.told = told(n.project.ID, "evt_told_"+name, 0)
	n.hook = domain.Webhook{
		ID: "whs_" + name, ProjectID: n.project.ID, URL: "https://app.example/hook?a=<b>&c", Version: "V3",
		Events:  []domain.EventType{domain.EventTriggerMessage, domain.EventAccountExpired},
		Ordered: true, State: domain.WebhookPaused, Reason: "down", Failures: 7, FailingSince: at(1), ProbeAt: at(20),
		PreviousUntil: at(30), CreatedAt: t0, UpdatedAt: at(1),
	}
	n.delivery = delivery(*n, "dlv_"+name, n.told)
	if !must(s.AddEvent(ctx, n.told))(t) {
		t.Fatal("the event was not kept")
	}
	if must(s.PlaceEvents(ctx, n.project.ID, 10))(t) != 1 {
		t.Fatal("the event got no place")
	}
	n.told.Seq = 1
	must(s.KeepProjectSecret(ctx, n.project.ID, "own", []byte("sealed for "+name)))(t)
	ok(t, s.CreateWebhook(ctx, n.hook))
	ok(t, s.PutWebhookSecret(ctx, n.project.ID, n.hook.ID, "secret", []byte("sealed "+name)))
	if !must(s.AddDelivery(ctx, n.delivery))(t) {
		t.Fatal("the delivery was not kept")
	}
	ok(t, s.AddAttempt(ctx, attemptOf(n.delivery, 1)))
}

func told(projectID, id string, minutes int) domain.Event {
	return domain.Event{
		ID: id, ProjectID: projectID, Type: domain.EventTriggerMessage, Source: "ti_1", Key: "key " + id, UserID: "user",
		Trigger: "CONFLUENCE_PAGE_CREATED_TRIGGER", AccountID: "ca_1", AuthConfigID: "ac_1",
		Payload: json.RawMessage(`{"page":{"id":"7","title":"Ünïcode"}}`), OccurredAt: at(minutes - 1), CreatedAt: at(minutes),
	}
}

func delivery(n tenant, id string, e domain.Event) domain.Delivery {
	return domain.Delivery{
		ID: id, ProjectID: n.project.ID, EventID: e.ID, EventType: e.Type, WebhookID: n.hook.ID, State: domain.DeliveryWaiting,
		Attempts: 1, NextAt: at(5), EventAt: e.CreatedAt, BeganAt: e.CreatedAt, LastStatus: 500, LastError: "it answered 500",
	}
}

func attemptOf(d domain.Delivery, number int) domain.Attempt {
	return domain.Attempt{
		ProjectID: d.ProjectID, DeliveryID: d.ID, Number: number, At: at(number), Duration: 1234567 * time.Microsecond, Status: 500,
		Error: "it answered 500", Excerpt: "no\x00body",
	}
}

func testEvents(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	same(t, w.a.told, must(s.Event(ctx, project, w.a.told.ID))(t))
	// The same key of the same source is the same event, whatever else it says.
	again := told(project, "evt_again", 9)
	again.Key = w.a.told.Key
	if must(s.AddEvent(ctx, again))(t) {
		t.Error("an event was kept twice")
	}
	_, err := s.Event(ctx, project, "evt_again")
	wantCode(t, err, domain.CodeNotFound)
	other := again
	other.Source, other.Type, other.UserID, other.Trigger = "ti_2", domain.EventAccountExpired, "else", ""
	if !must(s.AddEvent(ctx, other))(t) {
		t.Error("a key of another source counts")
	}
	taken := told(project, w.a.told.ID, 1)
	taken.Key = "free"
	_, err = s.AddEvent(ctx, taken)
	wantCode(t, err, domain.CodeConflict)
	for i := 1; i <= 3; i++ {
		must(s.AddEvent(ctx, told(project, fmt.Sprint("evt_", i), 10*i)))(t)
	}
	for _, tc := range []struct {
		f     store.EventFilter
		page  store.Page
		want  string
		total int
	}{
		{store.EventFilter{}, store.Page{}, "evt_3 evt_2 evt_1 evt_again evt_told_a", 5},
		{store.EventFilter{OldestFirst: true}, store.Page{Offset: 1, Limit: 2}, "evt_again evt_1", 5},
		{store.EventFilter{Types: []domain.EventType{domain.EventAccountExpired}}, store.Page{}, "evt_again", 1},
		{store.EventFilter{Source: "ti_1", UserID: "user", Trigger: "CONFLUENCE_PAGE_CREATED_TRIGGER"}, store.Page{}, "evt_3 evt_2 evt_1 evt_told_a", 4},
		{store.EventFilter{From: at(10), To: at(30)}, store.Page{}, "evt_2 evt_1", 2},
		{store.EventFilter{UserID: "nobody"}, store.Page{}, "", 0},
	} {
		got, total, err := s.ListEvents(ctx, project, tc.f, tc.page)
		ok(t, err)
		if g := ids(got, func(e domain.Event) string { return e.ID }); g != tc.want || total != tc.total {
			t.Errorf("%+v: %q of %d, want %q of %d", tc.f, g, total, tc.want, tc.total)
		}
	}
	// Pruning takes the oldest of all projects, with their deliveries.
	same(t, 2, must(s.DropEvents(ctx, at(9), 10))(t))
	_, err = s.Delivery(ctx, project, w.a.delivery.ID)
	wantCode(t, err, domain.CodeNotFound)
	same(t, 1, must(s.DropEvents(ctx, at(30), 1))(t))
	same(t, 2, must(s.DropEvents(ctx, at(30), 10))(t))
}

func testWebhooks(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, h := w.a.project.ID, w.a.hook
	same(t, h, must(s.Webhook(ctx, project, h.ID))(t))
	same(t, []domain.Webhook{h}, must(s.ListWebhooks(ctx, project))(t))
	second := h
	second.ID = "whs_second"
	wantCode(t, s.CreateWebhook(ctx, second), domain.CodeConflict)

	same(t, "", ids(must(s.DueWebhooks(ctx, at(19), 10))(t), func(h domain.Webhook) string { return h.ID }))
	same(t, "whs_a whs_b", ids(must(s.DueWebhooks(ctx, at(20), 10))(t), func(h domain.Webhook) string { return h.ID }))
	want := h
	want.URL, want.Version, want.Events, want.Ordered = "https://b.example", "V1", []domain.EventType{domain.EventTriggerMessage}, false
	want.State, want.Reason, want.Failures = domain.WebhookActive, "", 0
	want.FailingSince, want.ProbeAt, want.PreviousUntil, want.UpdatedAt = time.Time{}, time.Time{}, time.Time{}, at(50)
	change := want
	change.CreatedAt = at(99)
	ok(t, s.UpdateWebhook(ctx, project, change))
	same(t, want, must(s.Webhook(ctx, project, h.ID))(t))
	same(t, 1, len(must(s.DueWebhooks(ctx, at(20), 10))(t)))

	ok(t, s.PutWebhookSecret(ctx, project, h.ID, "secret", []byte("new")))
	ok(t, s.PutWebhookSecret(ctx, project, h.ID, "previous", nil))
	same(t, map[string][]byte{"secret": []byte("new"), "previous": {}}, must(s.WebhookSecrets(ctx, project, h.ID))(t))
	wantCode(t, s.PutWebhookSecret(ctx, project, "whs_none", "secret", nil), domain.CodeNotFound)

	ok(t, s.DeleteWebhook(ctx, project, h.ID))
	wantCode(t, s.DeleteWebhook(ctx, project, h.ID), domain.CodeNotFound)
	same(t, 0, len(must(s.WebhookSecrets(ctx, project, h.ID))(t)))
	_, err := s.Delivery(ctx, project, w.a.delivery.ID)
	wantCode(t, err, domain.CodeNotFound)
	must(s.Event(ctx, project, w.a.told.ID))(t) // stays, for a later subscription
	same(t, w.b.hook, must(s.Webhook(ctx, w.b.project.ID, w.b.hook.ID))(t))
	ok(t, s.CreateWebhook(ctx, second))
}

func testDeliveries(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, d := w.a.project.ID, w.a.delivery
	same(t, d, must(s.Delivery(ctx, project, d.ID))(t))
	again := d
	again.ID = "dlv_again"
	if must(s.AddDelivery(ctx, again))(t) {
		t.Error("an event is delivered to a subscription twice")
	}
	want := d
	want.State, want.Attempts, want.Replays, want.NextAt, want.ClaimedUntil = domain.DeliveryParked, 3, 1, at(70), at(60)
	want.BeganAt, want.EndedAt, want.LastStatus, want.LastError = at(40), at(41), 200, ""
	change := want
	change.EventAt, change.EventType = at(99), domain.EventAccountExpired
	ok(t, s.UpdateDelivery(ctx, project, change))
	same(t, want, must(s.Delivery(ctx, project, d.ID))(t))
	gone := d
	gone.ID = "dlv_none"
	wantCode(t, s.UpdateDelivery(ctx, project, gone), domain.CodeNotFound)

	second := attemptOf(d, 2)
	ok(t, s.AddAttempt(ctx, second))
	wantCode(t, s.AddAttempt(ctx, second), domain.CodeConflict)
	gone2 := attemptOf(gone, 1)
	wantCode(t, s.AddAttempt(ctx, gone2), domain.CodeNotFound)
	first := attemptOf(d, 1)
	first.Excerpt, second.Excerpt = "no\uFFFDbody", "no\uFFFDbody"
	same(t, []domain.Attempt{second, first}, must(s.ListAttempts(ctx, project, d.ID))(t))
}

func testOpenDeliveries(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project, hook := w.a.project.ID, w.a.hook.ID
	for i, state := range []domain.DeliveryState{domain.DeliveryDelivered, domain.DeliveryParked, domain.DeliveryDead, domain.DeliveryWaiting, domain.DeliveryParked} {
		e := told(project, fmt.Sprint("evt_", i), 10*(5-i))
		must(s.AddEvent(ctx, e))(t)
		d := delivery(w.a, fmt.Sprint("dlv_", i), e)
		d.State = state
		must(s.AddDelivery(ctx, d))(t)
	}
	names := func(list []domain.Delivery, err error) string {
		ok(t, err)
		return ids(list, func(d domain.Delivery) string { return d.ID })
	}
	same(t, "dlv_a dlv_4 dlv_3 dlv_1", names(s.OpenDeliveries(ctx, project, hook, 10)))
	same(t, "dlv_a", names(s.OpenDeliveries(ctx, project, hook, 1)))
	same(t, "dlv_4 dlv_1", names(s.ParkedDeliveries(ctx, project, hook, 10)))
	for _, tc := range []struct {
		f    store.DeliveryFilter
		want string
	}{
		{store.DeliveryFilter{}, "dlv_0 dlv_1 dlv_2 dlv_3 dlv_4 dlv_a"},
		{store.DeliveryFilter{States: []domain.DeliveryState{domain.DeliveryDead, domain.DeliveryDelivered}}, "dlv_0 dlv_2"},
		{store.DeliveryFilter{EventID: "evt_3", WebhookID: hook}, "dlv_3"},
		{store.DeliveryFilter{Types: []domain.EventType{domain.EventAccountExpired}}, ""},
	} {
		got, total, err := s.ListDeliveries(ctx, project, tc.f, store.Page{})
		if g := names(got, err); g != tc.want || total != len(got) {
			t.Errorf("%+v: %q of %d, want %q", tc.f, g, total, tc.want)
		}
	}

	// An attempt that should have ended is one of a dead process.
	same(t, "", names(s.LostDeliveries(ctx, at(99), 10)))
	// Both projects' first ones wait since minute 5, as does dlv_3.
	same(t, "", names(s.OverdueDeliveries(ctx, at(5), 10)))
	same(t, 3, len(must(s.OverdueDeliveries(ctx, at(6), 10))(t)))
	d := must(s.Delivery(ctx, project, "dlv_3"))(t)
	d.ClaimedUntil = at(60)
	ok(t, s.UpdateDelivery(ctx, project, d))
	same(t, true, must(s.ClaimedDelivery(ctx, project, hook, at(59)))(t))
	same(t, false, must(s.ClaimedDelivery(ctx, project, hook, at(60)))(t))
	same(t, "", names(s.LostDeliveries(ctx, at(59), 10)))
	same(t, "dlv_3", names(s.LostDeliveries(ctx, at(60), 10)))
	same(t, 2, len(must(s.OverdueDeliveries(ctx, at(6), 10))(t)))

	same(t, 1, must(s.EndParked(ctx, at(11), "too long", at(70)))(t)) // dlv_4, of minute 10
	d = must(s.Delivery(ctx, project, "dlv_4"))(t)
	if d.State != domain.DeliveryDead || d.LastError != "too long" || !d.EndedAt.Equal(at(70)) {
		t.Errorf("what was parked for too long: %+v", d)
	}
	ok(t, s.EndDeliveries(ctx, project, hook, "gone", at(71)))
	same(t, "", names(s.OpenDeliveries(ctx, project, hook, 10)))
	same(t, "", names(s.LostDeliveries(ctx, at(99), 10)))
	same(t, domain.DeliveryDelivered, must(s.Delivery(ctx, project, "dlv_0"))(t).State)
	same(t, "dlv_b", names(s.OpenDeliveries(ctx, w.b.project.ID, w.b.hook.ID, 10)))
}

// An event that several tell of at once is kept once.
func testEventRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	kept := 0
	for _, one := range atOnce(t, 16, func(i int) (bool, error) {
		e := told(w.a.project.ID, fmt.Sprint("evt_race_", i), 5)
		e.Key = "the same"
		var added bool
		err := s.InTx(t.Context(), func(tx store.Tx) (err error) {
			added, err = tx.AddEvent(t.Context(), e)
			return err
		})
		return added, err
	}) {
		if one {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("the event was kept %d times", kept)
	}
}
