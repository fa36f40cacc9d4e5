package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// receive gives the tenant a webhook endpoint and what it received.
func (n *tenant) receive(ctx context.Context, t *testing.T, s store.Store, name string) {
	t.Helper()
	n.endpoint = domain.WebhookEndpoint{
		ID: "we_" + name, ProjectID: n.project.ID, Toolkit: "confluence", ClientID: "app ü", PreviousUntil: at(30),
		ReceivedAt: at(3), LastError: "no page", CreatedAt: t0, UpdatedAt: at(1),
	}
	n.inbound = domain.InboundWebhook{
		ID: "in_" + name, ProjectID: n.project.ID, EndpointID: n.endpoint.ID, At: at(3),
		Header: map[string][]string{"X-Event": {"a", "ü"}}, Body: []byte("{\"id\":\"7\"}\x00\xff"),
	}
	ok(t, s.CreateEndpoint(ctx, n.endpoint))
	ok(t, s.PutEndpointSecret(ctx, n.project.ID, n.endpoint.ID, "secret", []byte("sealed "+name)))
	ok(t, s.AddInbound(ctx, n.inbound))
}

func endpointIDs(items []domain.WebhookEndpoint) string {
	return ids(items, func(e domain.WebhookEndpoint) string { return e.ID })
}

func testEndpoints(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, id, e := t.Context(), w.a.project.ID, w.a.endpoint
	same(t, e, must(s.Endpoint(ctx, id, e.ID))(t))
	same(t, e, must(s.EndpointByID(ctx, e.ID))(t))
	same(t, e, must(s.FindEndpoint(ctx, id, "confluence", "app ü"))(t))
	for _, missing := range []func() error{
		func() error { _, err := s.EndpointByID(ctx, "we_none"); return err },
		func() error { _, err := s.FindEndpoint(ctx, id, "confluence", ""); return err },
		func() error { return s.DeleteEndpoint(ctx, id, "we_none") },
		func() error { return s.UpdateEndpoint(ctx, id, domain.WebhookEndpoint{ID: "we_none"}) },
		func() error { return s.PutEndpointSecret(ctx, id, "we_none", "secret", nil) },
		func() error {
			return s.AddInbound(ctx, domain.InboundWebhook{ID: "in_x", ProjectID: id, EndpointID: "we_none"})
		},
	} {
		wantCode(t, missing(), domain.CodeNotFound)
	}
	again := e
	again.ID = "we_again"
	wantCode(t, s.CreateEndpoint(ctx, again), domain.CodeConflict)
	again.ID, again.ProjectID, again.Toolkit = e.ID, w.b.project.ID, "notes"
	wantCode(t, s.CreateEndpoint(ctx, again), domain.CodeConflict) // its id is all that an address has
	more := domain.WebhookEndpoint{ID: "we_more", ProjectID: id, Toolkit: "notes", CreatedAt: at(1), UpdatedAt: at(1)}
	ok(t, s.CreateEndpoint(ctx, more))
	same(t, "we_a we_more", endpointIDs(must(s.ListEndpoints(ctx, id, ""))(t)))
	same(t, "we_more", endpointIDs(must(s.ListEndpoints(ctx, id, "notes"))(t)))

	e.PreviousUntil, e.UpdatedAt = time.Time{}, at(8)
	change := e
	change.Toolkit, change.ReceivedAt, change.CreatedAt = "else", at(99), at(99)
	ok(t, s.UpdateEndpoint(ctx, id, change))
	ok(t, s.NoteReceived(ctx, id, e.ID, at(9)))
	ok(t, s.NoteReceived(ctx, id, e.ID, at(5))) // late
	ok(t, s.NoteOutcome(ctx, id, e.ID, "bad\x00body"))
	e.ReceivedAt, e.LastError = at(9), "bad\uFFFDbody"
	same(t, e, must(s.Endpoint(ctx, id, e.ID))(t))
	ok(t, s.NoteReceived(ctx, id, "we_none", at(9)))
	ok(t, s.NoteOutcome(ctx, id, "we_none", ""))

	ok(t, s.PutEndpointSecret(ctx, id, e.ID, "secret", []byte("new")))
	ok(t, s.PutEndpointSecret(ctx, id, e.ID, "previous", nil))
	same(t, map[string][]byte{"secret": []byte("new"), "previous": {}}, must(s.EndpointSecrets(ctx, id, e.ID))(t))
	ok(t, s.DeleteEndpoint(ctx, id, e.ID))
	same(t, 0, len(must(s.EndpointSecrets(ctx, id, e.ID))(t)))
	_, err := s.Inbound(ctx, id, w.a.inbound.ID)
	wantCode(t, err, domain.CodeNotFound)
	same(t, w.b.endpoint, must(s.Endpoint(ctx, w.b.project.ID, w.b.endpoint.ID))(t))
}

func testInbounds(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, id, in := t.Context(), w.a.project.ID, w.a.inbound
	same(t, in, must(s.Inbound(ctx, id, in.ID))(t))
	for _, polls := range [][]string{{}, {"tp_1", "tp_2"}} {
		ok(t, s.UpdateInbound(ctx, id, in.ID, polls))
		in.Polls = polls
		same(t, in, must(s.Inbound(ctx, id, in.ID))(t))
	}
	wantCode(t, s.UpdateInbound(ctx, id, "in_none", nil), domain.CodeNotFound)
	for i := range 3 {
		more := in
		more.ID, more.At = fmt.Sprint("in_", i), at(10*i+10)
		ok(t, s.AddInbound(ctx, more))
	}
	same(t, 4, must(s.CountInbound(ctx, id, in.EndpointID))(t))
	ok(t, s.DropInbound(ctx, id, "in_2"))
	ok(t, s.DropInbound(ctx, id, "in_2"))
	// The oldest of all projects go first.
	same(t, 2, must(s.DropInbounds(ctx, at(20), 2))(t))
	same(t, 1, must(s.DropInbounds(ctx, at(20), 2))(t))
	same(t, 0, must(s.DropInbounds(ctx, at(20), 2))(t))
	same(t, 1, must(s.CountInbound(ctx, id, in.EndpointID))(t))
	same(t, 0, must(s.CountInbound(ctx, w.b.project.ID, w.b.endpoint.ID))(t))
}

func testLivePolls(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, id, p := t.Context(), w.a.project.ID, w.a.poll
	config := w.a.config
	config.ID = "ac_else"
	ok(t, s.CreateAuthConfig(ctx, config))
	other := account(config, "ca_else", "user_2")
	ok(t, s.CreateAccount(ctx, other))
	for i, change := range []func(p *domain.TriggerPoll){
		func(p *domain.TriggerPoll) { p.AccountID = other.ID },
		func(p *domain.TriggerPoll) { p.Trigger = "CONFLUENCE_PAGE_MOVED_TRIGGER" },
		func(p *domain.TriggerPoll) { p.NextAt = time.Time{} },
		func(p *domain.TriggerPoll) { p.Toolkit = "notes" },
	} {
		more := p
		more.ID, more.WatchHash, more.CreatedAt = fmt.Sprint("tp_", i), fmt.Sprint(i), at(i+1)
		change(&more)
		ok(t, s.CreatePoll(ctx, more))
	}
	mine := []string{p.Trigger}
	for _, c := range []struct {
		f     store.PollFilter
		limit int
		want  string
	}{
		{store.PollFilter{Toolkit: "confluence", Triggers: mine}, 10, "[tp_a tp_0]"},
		{store.PollFilter{Toolkit: "confluence", Triggers: mine}, 1, "[tp_a]"},
		{store.PollFilter{Toolkit: "confluence"}, 10, "[]"},
		{store.PollFilter{Toolkit: "notes", Triggers: mine}, 10, "[tp_3]"},
		{store.PollFilter{Toolkit: "confluence", Triggers: append(mine, "CONFLUENCE_PAGE_MOVED_TRIGGER")}, 10, "[tp_a tp_0 tp_1]"},
		{store.PollFilter{Toolkit: "confluence", Triggers: mine, AuthConfigIDs: []string{"ac_else", "ac_b"}}, 10, "[tp_0]"},
		{store.PollFilter{Toolkit: "confluence", Triggers: mine, AuthConfigIDs: []string{"ac_b"}}, 10, "[]"},
	} {
		if got := fmt.Sprint(must(s.LivePolls(ctx, id, c.f, c.limit))(t)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
}

func testTriggerBounds(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	same(t, domain.TriggerBounds{}, must(s.TriggerBounds(ctx, w.a.project.ID))(t))
	for _, b := range []domain.TriggerBounds{{Min: time.Minute, Max: time.Hour}, {Max: 90 * time.Second}, {}} {
		ok(t, s.PutTriggerBounds(ctx, w.a.project.ID, b))
		same(t, b, must(s.TriggerBounds(ctx, w.a.project.ID))(t))
		same(t, domain.TriggerBounds{}, must(s.TriggerBounds(ctx, w.b.project.ID))(t))
	}
	wantCode(t, s.PutTriggerBounds(ctx, "pr_none", domain.TriggerBounds{}), domain.CodeNotFound)
}

func testTriggerLogs(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, id := t.Context(), w.a.project.ID
	for i, state := range []domain.DeliveryState{domain.DeliveryDelivered, domain.DeliveryDead, domain.DeliveryWaiting, ""} {
		e := told(id, fmt.Sprint("evt_", i), 10*(i+1))
		e.UserID = fmt.Sprint("100%_", i)
		must(s.AddEvent(ctx, e))(t)
		if state == "" {
			continue
		}
		d := delivery(w.a, fmt.Sprint("dlv_", i), e)
		d.State = state
		if state != domain.DeliveryDead {
			d.LastError = ""
		}
		must(s.AddDelivery(ctx, d))(t)
	}
	odd := told(id, "evt_odd", 5)
	odd.Type = domain.EventAccountExpired // no trigger's
	must(s.AddEvent(ctx, odd))(t)
	logs := must(s.ListTriggerLogs(ctx, id, store.TriggerLogFilter{}, 10))(t)
	first := logs[len(logs)-1] // the one with an attempt
	same(t, w.a.told, first.Event)
	if first.Delivery.ID != w.a.delivery.ID || first.Delivery.LastError != w.a.delivery.LastError || first.Excerpt != "no\uFFFDbody" {
		t.Errorf("what became of it: %+v", first)
	}
	for _, c := range []struct {
		f     store.TriggerLogFilter
		limit int
		want  string
	}{
		{store.TriggerLogFilter{}, 10, "evt_3 evt_2 evt_1 evt_0 evt_told_a"},
		{store.TriggerLogFilter{}, 2, "evt_3 evt_2"},
		{store.TriggerLogFilter{BeforeAt: at(30), BeforeID: "evt_2"}, 2, "evt_1 evt_0"},
		{store.TriggerLogFilter{From: at(10), To: at(30)}, 10, "evt_1 evt_0"},
		{store.TriggerLogFilter{Status: store.LogSuccess}, 10, "evt_3 evt_0"},
		{store.TriggerLogFilter{Status: store.LogError}, 10, "evt_1 evt_told_a"},
		{store.TriggerLogFilter{Search: "EVT_2"}, 10, "evt_2"},
		{store.TriggerLogFilter{Search: "0%_"}, 10, "evt_3 evt_2 evt_1 evt_0"},
		{store.TriggerLogFilter{Search: "0_%"}, 10, ""},
		{store.TriggerLogFilter{Match: []store.LogMatch{{Field: store.LogUser, Value: "user"}}}, 10, "evt_told_a"},
		{store.TriggerLogFilter{Match: []store.LogMatch{{Field: store.LogUser, Value: "user", Not: true}}}, 1, "evt_3"},
		{store.TriggerLogFilter{Match: []store.LogMatch{{Field: store.LogTrigger, Part: true, Value: "page_created"}, {Field: store.LogID, Part: true, Not: true, Value: "told"}}}, 10, "evt_3 evt_2 evt_1 evt_0"},
	} {
		got := ids(must(s.ListTriggerLogs(ctx, id, c.f, c.limit))(t), func(l store.TriggerLog) string { return l.ID })
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
	_, err := s.ListTriggerLogs(ctx, id, store.TriggerLogFilter{Match: []store.LogMatch{{Field: "1=1 OR id"}}}, 1)
	wantCode(t, err, domain.CodeInternal)
}

// inboundAttempts are isolation's, for webhook endpoints and what they receive.
var inboundAttempts = []attempt{
	{"Endpoint", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Endpoint(ctx, project, v.endpoint.ID)
		return err
	}, domain.CodeNotFound},
	{"FindEndpoint", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		e, err := q.FindEndpoint(ctx, project, v.endpoint.Toolkit, v.endpoint.ClientID)
		if domain.CodeOf(err) == domain.CodeNotFound {
			return nil
		}
		return leak(err, []domain.WebhookEndpoint{e}, func(e domain.WebhookEndpoint) bool { return e.ProjectID == v.project.ID })
	}, ""},
	{"ListEndpoints", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ListEndpoints(ctx, project, "")
		return leak(err, got, func(e domain.WebhookEndpoint) bool { return e.ProjectID == v.project.ID })
	}, ""},
	{"UpdateEndpoint", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		e := v.endpoint
		e.PreviousUntil = at(999)
		return q.UpdateEndpoint(ctx, project, e)
	}, domain.CodeNotFound},
	{"NoteReceived", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.NoteReceived(ctx, project, v.endpoint.ID, at(999))
	}, ""},
	{"NoteOutcome", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.NoteOutcome(ctx, project, v.endpoint.ID, "forged")
	}, ""},
	{"DeleteEndpoint", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteEndpoint(ctx, project, v.endpoint.ID)
	}, domain.CodeNotFound},
	{"PutEndpointSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.PutEndpointSecret(ctx, project, v.endpoint.ID, "secret", []byte("forged"))
	}, domain.CodeNotFound},
	{"EndpointSecrets", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.EndpointSecrets(ctx, project, v.endpoint.ID)
		return counted(err, len(got))
	}, ""},
	{"AddInbound", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		w := v.inbound
		w.ID, w.ProjectID = "in_forged", project // to the victim's endpoint
		return q.AddInbound(ctx, w)
	}, domain.CodeNotFound},
	{"Inbound", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Inbound(ctx, project, v.inbound.ID)
		return err
	}, domain.CodeNotFound},
	{"CountInbound", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		n, err := q.CountInbound(ctx, project, v.endpoint.ID)
		return counted(err, n)
	}, ""},
	{"UpdateInbound", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.UpdateInbound(ctx, project, v.inbound.ID, []string{"tp_forged"})
	}, domain.CodeNotFound},
	{"DropInbound", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DropInbound(ctx, project, v.inbound.ID)
	}, ""},
	{"LivePolls", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.LivePolls(ctx, project, store.PollFilter{Toolkit: v.poll.Toolkit, Triggers: []string{v.poll.Trigger}, AuthConfigIDs: []string{v.config.ID}}, 100)
		return counted(err, len(got))
	}, ""},
	{"ListTriggerLogs", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ListTriggerLogs(ctx, project, store.TriggerLogFilter{}, 100)
		return leak(err, got, func(l store.TriggerLog) bool { return l.ProjectID == v.project.ID })
	}, ""},
}
