package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// A made-up event of each type of trigger arrives at the application's webhook:
// signed, marked as a test, of the instance where there is one, and shaped to its
// configuration.
func TestTriggersAreTried(t *testing.T) { onBoth(t, testTriggersAreTried) }

func testTriggersAreTried(t *testing.T, in func(*app.Options)) {
	r := testApp(t, func(o *app.Options) {
		in(o)
		o.Config.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	hook, c := r.receive("V3", "composio.trigger.message"), r.clientOf()
	want, got := map[string]string{}, map[string]string{}
	for kind, err := range c.TriggerTypes(t.Context(), "") {
		must(t, err)
		e, err := c.TryTrigger(t.Context(), kind.Slug, "", nil)
		must(t, err)
		if !e.Test || e.Source != "ti_test" || len(e.Deliveries) != 1 {
			t.Errorf("%s: %+v", kind.Slug, e)
		}
		want[e.ID] = kind.Slug
	}
	for range want {
		p := hook.nextV3()
		if !p.Metadata.Test || p.Metadata.TriggerID != "ti_test" || p.Type != "composio.trigger.message" || string(p.Data) == "" {
			t.Errorf("arrived: %+v %s", p, p.Data)
		}
		got[p.ID] = p.Metadata.Trigger
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 23 {
		t.Errorf("%d events (-made +arrived):\n%s", len(want), diff)
	}

	const created = "CONFLUENCE_PAGE_CREATED_TRIGGER"
	id, err := c.UpsertTrigger(t.Context(), client.NewTrigger{Type: created, UserID: "ann", Config: map[string]any{"spaceId": "MKT"}})
	must(t, err)
	instance, err := c.Trigger(t.Context(), id)
	must(t, err)
	for _, name := range []string{id, created} {
		e, err := c.TryTrigger(t.Context(), name, "", nil)
		must(t, err)
		p := hook.nextV3()
		space := field(string(instance.Config), "spaceId")
		if p.ID != e.ID || p.Metadata.TriggerID != id || p.Metadata.User != "ann" || p.Metadata.Account != instance.AccountID || field(string(p.Data), "resource.spaceId") != space || space == "" {
			t.Errorf("%s: %+v %s, want space %s", name, p, p.Data, space)
		}
	}
	for name, query := range map[string][2]any{
		"an instance that is not there":    {"ti_none", nil},
		"a type that is not there":         {"CONFLUENCE_NO_TRIGGER", nil},
		"another configuration":            {id, map[string]any{"spaceId": "1"}},
		"a configuration of no such field": {created, map[string]any{"planet": "1"}},
	} {
		config, _ := query[1].(map[string]any)
		if e, err := c.TryTrigger(t.Context(), query[0].(string), "", config); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// A list of triggers has what the newest clients insist on; a URL for one trigger's
// events is refused, and not left unheard.
func TestTriggersHaveNoURLOfTheirOwn(t *testing.T) {
	r := testApp(t, func(*app.Options) {})
	id, err := r.clientOf().UpsertTrigger(t.Context(), client.NewTrigger{Type: "CONFLUENCE_PAGE_CREATED_TRIGGER", UserID: "ann"})
	must(t, err)
	const triggers = "/api/v3.1/trigger_instances/"
	a := r.send(http.MethodGet, triggers+"active", "")
	if a.status != http.StatusOK || !strings.Contains(a.body, `"egress_url":null`) || field(a.body, "items.0.id") != id {
		t.Error(a)
	}
	for _, at := range []string{triggers + "CONFLUENCE_PAGE_CREATED_TRIGGER/upsert", triggers + "manage/" + id} {
		method, body := http.MethodPost, `{"user_id":"ann","egress_url":%s}`
		if strings.Contains(at, "manage") {
			method, body = http.MethodPatch, `{"status":"disable","egress_url":%s}`
		}
		if a := r.send(method, at, fmt.Sprintf(body, `"https://app.example/own"`)); a.status != http.StatusBadRequest || !strings.Contains(field(a.body, "error.message"), "egress_url") {
			t.Errorf("%s: %s", at, a)
		}
		if a := r.send(method, at, fmt.Sprintf(body, "null")); a.status >= 300 {
			t.Errorf("%s with none: %s", at, a)
		}
	}
}

// A type of triggers says all the ways in which its events come, which the newest
// clients insist on.
func TestTriggerTypesSayHowEventsCome(t *testing.T) {
	r := testApp(t, func(*app.Options) {})
	var page struct {
		Items []struct {
			Slug     string   `json:"slug"`
			Types    []string `json:"types"`
			Webhooks bool     `json:"accepts_webhooks"`
		} `json:"items"`
	}
	must(t, json.Unmarshal([]byte(r.send(http.MethodGet, "/api/v3.1/triggers_types?limit=100", "").body), &page))
	seen := map[bool]bool{}
	for _, kind := range page.Items {
		want := []string{"poll"}
		if kind.Webhooks {
			want = []string{"webhook", "poll"}
		}
		if diff := cmp.Diff(want, kind.Types); diff != "" {
			t.Errorf("%s: %s", kind.Slug, diff)
		}
		seen[kind.Webhooks] = true
	}
	if len(seen) != 2 {
		t.Errorf("types with and without webhooks: %v of %d", seen, len(page.Items))
	}
}

// An account that expires is told to the application's webhook, signed, as the
// account that it is and without its secret.
func TestExpiredAccountIsTold(t *testing.T) { onBoth(t, testExpiredAccountIsTold) }

func testExpiredAccountIsTold(t *testing.T, in func(*app.Options)) {
	r := testApp(t, func(o *app.Options) {
		in(o)
		o.Config.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	hook := r.receive("V3", "composio.connected_account.expired")
	u := r.Site().AddUser(confluence.User{Email: "ann@webhook.example", DisplayName: "Ann"})
	config := r.send(http.MethodPost, "/api/v3.1/auth_configs",
		`{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY","name":"mine"}}`)
	account := r.send(http.MethodPost, "/api/v3.1/connected_accounts", fmt.Sprintf(
		`{"auth_config":{"id":%q},"connection":{"user_id":"ann","state":{"authScheme":"API_KEY","val":{"subdomain":"sandbox","base_url":%q,"generic_id":%q,"generic_api_key":%q}}}}`,
		field(config.body, "auth_config.id"), r.SandboxURL(), u.Email, u.Token))
	id := field(account.body, "id")
	if id == "" {
		t.Fatal(account)
	}
	if !r.Site().RevokeToken(u.AccountID) {
		t.Fatal("the token was not revoked")
	}
	if a := r.send(http.MethodPost, "/api/v3.1/connected_accounts/"+id+"/refresh", `{"validate_credentials":true}`); a.status != http.StatusOK {
		t.Fatal(a)
	}
	m := hook.next()
	leaks(t, "the message", string(m.Body), u.Token)
	var e posted
	must(t, json.Unmarshal(m.Body, &e))
	data := string(e.Data)
	if e.Type != "composio.connected_account.expired" || field(data, "id") != id || field(data, "status") != "EXPIRED" || e.Metadata.Project != r.ProjectID() {
		t.Errorf("told: %s", m.Body)
	}
}
