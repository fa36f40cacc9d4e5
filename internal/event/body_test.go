package event

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/webhook"
)

// The bodies are the contract's (§5.2), field by field.
func TestBodies(t *testing.T) {
	t.Parallel()
	e := message("k1")
	e.ID, e.CreatedAt = "evt_1", time.Date(2026, 11, 22, 10, 0, 0, 7_000_000, time.UTC)
	e.Payload = []byte(`{"user_id":"of the payload","page":{"id":"7","title":"<ü>"}}`)
	expired := domain.Event{
		ID: "evt_2", ProjectID: project, Type: domain.EventAccountExpired, CreatedAt: e.CreatedAt, Payload: []byte(`{"id":"ca_1","status":"EXPIRED"}`),
	}
	for _, tc := range []struct {
		e       *domain.Event
		version webhook.Version
		want    string
	}{
		{&e, webhook.V1, `{"trigger_name":"CONFLUENCE_PAGE_CREATED_TRIGGER","connection_id":"ca_1","trigger_id":"ti_1",` +
			`"payload":{"user_id":"of the payload","page":{"id":"7","title":"\u003cü\u003e"}},"log_id":"log_1"}`},
		{&e, webhook.V2, `{"type":"confluence_page_created_trigger","timestamp":"2026-11-22T10:00:00.007Z","log_id":"log_1",` +
			`"data":{"connection_id":"` + domain.TwinID("account", "ca_1") + `","connection_nano_id":"ca_1",` +
			`"page":{"id":"7","title":"\u003cü\u003e"},"trigger_id":"` + domain.TwinID("trigger", "ti_1") + `","trigger_nano_id":"ti_1","user_id":"user_1"}}`},
		{&e, webhook.V3, `{"id":"evt_1","timestamp":"2026-11-22T10:00:00.007Z","type":"composio.trigger.message",` +
			`"metadata":{"log_id":"log_1","trigger_slug":"CONFLUENCE_PAGE_CREATED_TRIGGER","trigger_id":"ti_1",` +
			`"connected_account_id":"ca_1","auth_config_id":"ac_1","user_id":"user_1"},` +
			`"data":{"user_id":"of the payload","page":{"id":"7","title":"\u003cü\u003e"}}}`},
		{&expired, webhook.V3, `{"id":"evt_2","timestamp":"2026-11-22T10:00:00.007Z","type":"composio.connected_account.expired",` +
			`"metadata":{"project_id":"pr_main","org_id":""},"data":{"id":"ca_1","status":"EXPIRED"}}`},
	} {
		body, err := Body(tc.e, tc.version)
		ok(t, err)
		if diff := cmp.Diff(tc.want, string(body)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.e.Type, tc.version, diff)
		}
		if got, err := webhook.VersionOf(body); got != tc.version || err != nil {
			t.Errorf("%s is taken for %s: %v", tc.version, got, err)
		}
	}
}
