package api_test

import (
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/domain"
)

// Who knows a key ends it, without another one; nobody learns which there were.
func TestRevokeKnownKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known, _, err := w.ids.CreateKey(t.Context(), w.project.ID, "known")
	must(t, err)
	w.want(200, "GET", "/api/v3.1/auth/session/info", nil, "X-Api-Key", known)
	for range 2 {
		a := w.want(200, "POST", "/api/v3/api_key_revocation", `{"api_keys":["`+known+`","ak_none","",`+`"`+strings.Repeat("k", 5000)+`"]}`, "X-Api-Key", "")
		if strings.TrimSpace(string(a.Raw)) != `{"received":true}` {
			t.Errorf("answered %s", a.Raw)
		}
	}
	w.want(401, "GET", "/api/v3.1/auth/session/info", nil, "X-Api-Key", known)
	w.want(200, "GET", "/api/v3.1/auth/session/info", nil)
	w.want(400, "POST", "/api/v3.1/api_key_revocation", `{"api_keys":["x"`+strings.Repeat(`,"x"`, 100)+`]}`, "X-Api-Key", "")
	w.want(400, "POST", "/api/v3.1/api_key_revocation", `{}`, "X-Api-Key", "")
}

// A key sees its own project and may not do what is the operator's.
func TestProjectOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/api/v3.1/org/owner/project/" + w.project.ID
	a := w.want(200, "GET", at, nil)
	if a.text("id") != w.project.ID || strings.Contains(string(a.Raw), w.key) || !strings.Contains(string(a.Raw), `"key":"…`) {
		t.Errorf("the project: %s", a.Raw)
	}
	for _, refused := range [][2]string{{"DELETE", at}, {"POST", at + "/regenerate_api_key"}, {"POST", "/api/v3.1/org/owner/project/new"}} {
		if e := w.want(403, refused[0], refused[1], nil); !strings.Contains(e.text("error.suggested_fix"), "sluice ") {
			t.Errorf("%v: %s", refused, e.Raw)
		}
	}
	for _, at := range []string{"/api/v3.1/org/owner/project/pr_other", "/api/v3.1/org/owner/project/" + w.key} {
		w.want(404, "GET", at, nil)
		w.want(404, "DELETE", at, nil)
	}
}

// The UUIDs of deprecated fields lead back to what they stand for.
func TestNanoIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.account("jane")
	for _, tc := range []struct{ kind, as, id string }{
		{"CONNECTED_ACCOUNT", "account", account},
		{"AUTH_CONFIG", "auth_config", w.want(200, "GET", "/api/v3.1/connected_accounts/"+account, nil).text("auth_config.id")},
	} {
		a := w.want(200, "GET", "/api/v3/migration/get-nanoid?type="+tc.kind+"&uuid="+domain.TwinID(tc.as, tc.id), nil)
		if a.text("nanoid") != tc.id {
			t.Errorf("%s: %s", tc.kind, a.Raw)
		}
	}
	w.want(404, "GET", "/api/v3/migration/get-nanoid?type=TRIGGER_INSTANCE&uuid="+domain.TwinID("account", account), nil)
}
