package api_test

import (
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/api"
	"github.com/sluice-run/sluice/internal/trigger"
)

// The life of a webhook endpoint. The secret is told when the router makes it, and
// never again.
func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, at := range []string{"/api/v3.1/webhook_endpoints", "/api/v3/webhook_endpoints"} {
		made := w.want(201, "POST", at, `{"toolkit_slug":"notes","client_id":"app-1"}`)
		id, secret := made.text("id"), made.text("data.secret")
		if !strings.HasPrefix(id, "we_") || len(secret) < 40 || made.text("webhook_url") != w.server.URL+"/webhooks/"+id ||
			made.text("secret_header") != trigger.SecretHeader || made.text("client_id") != "app-1" || strings.Contains(made.text("webhook_url"), secret) {
			t.Errorf("made: %s", made.Raw)
		}
		own := strings.Repeat("chosen-by-hand", 2)
		for _, a := range []answer{
			w.want(200, "POST", at, `{"toolkit_slug":"NOTES","client_id":"app-1"}`), w.want(200, "GET", at+"/"+id, nil),
			w.want(200, "PATCH", at+"/"+id, `{"data":{}}`), w.want(200, "PATCH", at+"/"+id, `{"data":{"secret":"`+own+`"}}`),
			w.want(200, "POST", at+"/"+id, `{"data":{"secret":"`+own+`"}}`),
		} {
			if a.text("id") != id || a.text("data.secret") != "********" || strings.Contains(string(a.Raw), secret) || strings.Contains(string(a.Raw), own) {
				t.Errorf("the secret is told again, or masked badly: %s", a.Raw)
			}
		}
		rotated := w.want(200, "POST", at+"/"+id+"/rotate_secret", nil)
		if rotated.text("secret") == secret || rotated.text("previous_secret_valid_until") == "" {
			t.Errorf("rotated: %s", rotated.Raw)
		}
		if a := w.want(200, "GET", at+"/"+id, nil); a.text("previous_secret_valid_until") == "" {
			t.Errorf("two secrets are good, which does not show: %s", a.Raw)
		}
		if a := w.want(200, "POST", at+"/"+id+"/rotate_secret", `{"overlap_seconds":0}`); a.text("previous_secret_valid_until") != "" {
			t.Errorf("rotated at once: %s", a.Raw)
		}
		if a := w.want(200, "GET", at+"?toolkit_slug=notes", nil); !strings.Contains(string(a.Raw), id) {
			t.Errorf("list: %s", a.Raw)
		}
		if a := w.want(200, "GET", at+"?toolkit_slug=mail", nil); strings.TrimSpace(string(a.Raw)) != `{"items":[]}` {
			t.Errorf("list of another toolkit: %s", a.Raw)
		}
		for _, tc := range []struct{ method, at, body, names string }{
			{"POST", at, `{"toolkit_slug":"mail","client_id":"x"}`, "toolkit_slug"},
			{"POST", at, `{"client_id":"x"}`, "toolkit_slug"},
			{"POST", at + "/" + id, `{"data":{}}`, "data.secret"},
			{"POST", at + "/" + id, `{"data":{"secret":"short"}}`, "data.secret"},
			{"PATCH", at + "/" + id, `{"data":{"secret":""}}`, "data.secret"},
			{"PATCH", at + "/" + id, `{"data":{"token":"` + own + `"}}`, "data.token"},
			{"PATCH", at + "/" + id, `{}`, "data"},
			{"POST", at + "/" + id + "/rotate_secret", `{"overlap_seconds":-1}`, "overlap_seconds"},
			{"POST", at + "/" + id + "/rotate_secret", `{"overlap_seconds":9000000000000}`, "overlap_seconds"},
		} {
			if e := w.want(400, tc.method, tc.at, tc.body); !strings.Contains(e.text("error.message"), tc.names) || strings.Contains(string(e.Raw), own) {
				t.Errorf("%s %s %s: %s", tc.method, tc.at, tc.body, e.Raw)
			}
		}
		w.want(200, "DELETE", at+"/"+id, nil)
		w.want(404, "GET", at+"/"+id, nil)
		w.want(404, "DELETE", at+"/"+id, nil)
	}
}

// door sends a request without an API key.
func (w *world) door(status int, method, path, body string, header ...string) answer {
	w.t.Helper()
	return w.want(status, method, path, body, append([]string{"X-Api-Key", ""}, header...)...)
}

// The door of applications: what it refuses, and how.
func TestReceiver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withJobs()
	made := w.want(201, "POST", "/api/v3.1/webhook_endpoints", `{"toolkit_slug":"notes"}`)
	at, secret := "/webhooks/"+made.text("id"), made.text("data.secret")
	post := func(status int, path, secret, body string) answer {
		t.Helper()
		return w.door(status, "POST", path, body, trigger.SecretHeader, secret)
	}
	if a := post(202, at, secret, `{"id":1}`); strings.TrimSpace(string(a.Raw)) != `{"received":true}` {
		t.Errorf("received: %s", a.Raw)
	}
	unknown := post(401, "/webhooks/we_"+strings.Repeat("0", 26), secret, `{}`)
	for _, a := range []answer{
		post(401, at, "", `{}`), post(401, at, secret+"x", `{}`), post(401, at+"x", secret, `{}`), post(401, at+"/", secret, `{}`),
		post(401, "/webhooks/", secret, `{}`), w.door(401, "POST", at+"?secret="+secret, "{}"), w.door(401, "POST", at, "{}", "X-Api-Key", w.key),
	} {
		if a.text("error.message") != unknown.text("error.message") || a.text("error.code") != unknown.text("error.code") {
			t.Errorf("a wrong address and a wrong secret differ: %s, %s", a.Raw, unknown.Raw)
		}
	}
	post(413, at, secret, strings.Repeat("x", trigger.MaxReceived+1))
	if a := w.door(405, "GET", at, "", trigger.SecretHeader, secret); a.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %v", a.Header)
	}
	if a := w.want(200, "GET", "/api/v3.1/webhook_endpoints/"+made.text("id"), nil); a.text("last_received_at") == "" {
		t.Errorf("nothing is said of what came: %s", a.Raw)
	}
	if strings.Contains(w.logs.String(), secret) {
		t.Error("the secret is in the log")
	}
	if got := api.ReceiverURL("https://r.example", "we_1"); got != "https://r.example/webhooks/we_1" {
		t.Error(got)
	}
}
