package app_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
)

// What tools and connecting call goes through the configured proxy, with its
// password, which shows nowhere; the embedded sandbox does not.
func TestUpstreamProxy(t *testing.T) {
	t.Parallel()
	const password = "proxy-password-4711"
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
		http.Error(w, "no way out", http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	address := proxy.Listener.Addr().String()
	r := testApp(t, func(o *app.Options) {
		o.Config.UpstreamProxy = config.Secret("http://sluice:" + password + "@" + address)
	})
	a := r.call(r.session("ann", ""), "CONFLUENCE_GET_SPACES", `{}`)
	if mu.Lock(); len(asked) != 0 {
		t.Errorf("the sandbox was asked through the proxy: %v, %s", asked, a)
	}
	mu.Unlock()
	ac := r.send(http.MethodPost, "/api/v3.1/auth_configs", `{"toolkit":{"slug":"confluence"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY","credentials":{}}}`)
	var made struct {
		AuthConfig struct{ ID string } `json:"auth_config"`
	}
	must(t, json.Unmarshal([]byte(ac.body), &made))
	got := r.send(http.MethodPost, "/api/v3.1/connected_accounts", `{"auth_config":{"id":"`+made.AuthConfig.ID+`"},"connection":{"user_id":"bob","state":{"authScheme":"API_KEY","val":{"subdomain":"acme","generic_id":"bob@acme.example","generic_api_key":"bobs-token-0815"}}}}`)
	if got.status/100 == 2 {
		t.Errorf("connected without a way out: %s", got)
	}
	mu.Lock()
	defer mu.Unlock()
	want := "CONNECT acme.atlassian.net:443 Basic " + base64.StdEncoding.EncodeToString([]byte("sluice:"+password))
	if len(asked) == 0 || asked[0] != want {
		t.Errorf("the proxy was asked %q, want %q; answer %s", asked, want, got)
	}
	leaks(t, "the answer", got.body, password)
	leaks(t, "the log", r.logs.String(), password)
}
