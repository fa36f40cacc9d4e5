package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/webhook"
	"github.com/sluice-run/sluice/sandbox/confluence"
)

// An account that expires is told to the application's webhook, signed, as the
// account that it is and without its secret.
func TestExpiredAccountIsTold(t *testing.T) { onBoth(t, testExpiredAccountIsTold) }

func testExpiredAccountIsTold(t *testing.T, in func(*app.Options)) {
	r := testApp(t, func(o *app.Options) {
		in(o)
		o.Config.UpstreamAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	type arrival struct {
		header http.Header
		body   []byte
	}
	arrived := make(chan arrival, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		arrived <- arrival{req.Header, body}
	}))
	t.Cleanup(srv.Close)
	made := r.send(http.MethodPost, "/api/v3.1/webhook_subscriptions",
		fmt.Sprintf(`{"webhook_url":%q,"enabled_events":["composio.connected_account.expired"],"version":"V3"}`, srv.URL))
	if made.status != http.StatusCreated {
		t.Fatal(made)
	}
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
	select {
	case got := <-arrived:
		leaks(t, "the message", string(got.body), u.Token)
		m, err := webhook.Verify(got.header, got.body, time.Now(), field(made.body, "secret"))
		if err != nil || m.Version != webhook.V3 {
			t.Errorf("%+v, %v", m, err)
		}
		var e struct {
			Type     string
			Data     struct{ ID, Status string }
			Metadata struct {
				Project string `json:"project_id"`
			}
		}
		must(t, json.Unmarshal(got.body, &e))
		if e.Type != "composio.connected_account.expired" || e.Data.ID != id || e.Data.Status != "EXPIRED" || e.Metadata.Project != r.ProjectID() {
			t.Errorf("told: %s", got.body)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
	}
}
