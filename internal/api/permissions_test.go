package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A call that needs a person's word is refused with what to allow, runs once when
// it was, and says who allowed it.
func TestApprovals(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			acc := w.account("ann")
			made := w.want(201, "POST", version+"/tool_router/session",
				`{"user_id":"ann","experimental":{"permissions":{"default":"allow_all","overrides":{"tag.destructiveHint":"always_allow","notes_get:`+acc+`":"ask_always"}}}}`)
			at := version + "/tool_router/session/" + made.text("session_id")
			want := map[string]any{"permissions": map[string]any{
				"default": "allow_all", "overrides": map[string]any{"tag.destructiveHint": "always_allow", "NOTES_GET:" + acc: "ask_always"},
			}}
			if diff := cmp.Diff(want, w.want(200, "GET", at, nil).at("config.experimental")); diff != "" {
				t.Error(diff)
			}
			const call = `{"tool_slug":"NOTES_GET","arguments":{"id":"7"}}`
			no := w.want(403, "POST", at+"/execute", call)
			id := no.text("error.approval_id")
			if fix := no.text("error.suggested_fix"); id == "" || !strings.Contains(fix, "/sluice/approvals/"+id) {
				t.Fatalf("refused with %s", no.Raw)
			}
			multi := `{"slug":"COMPOSIO_MULTI_EXECUTE_TOOL","arguments":{"tools":[` + call + `]}}`
			if got := w.want(200, "POST", at+"/execute_meta", multi); !strings.Contains(string(got.Raw), id) {
				t.Errorf("in a multi-execute: %s", got.Raw)
			}
			own := version + "/sluice/approvals"
			got := w.want(200, "GET", own+"/"+id, nil)
			if got.text("state") != "pending" || got.text("arguments.id") != "7" || got.text("connected_account_id") != acc || got.at("decided_by") != nil {
				t.Errorf("it waits as %s", got.Raw)
			}
			if list := w.want(200, "GET", own+"?state=pending&session_id="+made.text("session_id"), nil); list.text("items.0.id") != id || list.at("total_items") != 1.0 {
				t.Errorf("listed as %s", list.Raw)
			}
			w.want(400, "GET", own+"?state=odd", nil)
			w.want(404, "GET", own+"/apr_nope", nil)
			w.want(404, "POST", own+"/apr_nope", `{"decision":"allow"}`)
			w.want(400, "POST", own+"/"+id, `{"decision":"perhaps"}`)
			w.want(200, "POST", own+"/"+id, `{"decision":"allow","decided_by":"ann@acme"}`)
			if again := w.want(409, "POST", own+"/"+id, `{"decision":"deny"}`); again.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("deciding again: %v", again.Header)
			}
			ran := w.want(200, "POST", at+"/execute", call)
			if got := w.want(200, "GET", own+"/"+id, nil); got.text("state") != "used" || got.text("log_id") != ran.text("log_id") ||
				got.text("decided_by") != "ann@acme" || got.text("decided_via") != "rest" || got.text("decided_with_key_id") == "" {
				t.Errorf("it was used as %s", got.Raw)
			}
			if next := w.want(403, "POST", at+"/execute", call).text("error.approval_id"); next == "" || next == id {
				t.Errorf("the next call waits for %q", next)
			}

			// What is given replaces what was; null and allow_all lift it.
			w.want(200, "PATCH", at, `{"experimental":{"permissions":{"default":"allow_all","overrides":{"NOTES_GET":"always_deny"}}}}`)
			if no := w.want(403, "POST", at+"/execute", call); no.at("error.approval_id") != nil || !strings.Contains(no.text("error.message"), "permissions deny it") {
				t.Errorf("denied: %s", no.Raw)
			}
			w.want(200, "PATCH", at, `{"tags":null}`)
			w.want(403, "POST", at+"/execute", call)
			w.want(200, "PATCH", at, `{"experimental":{"permissions":{"default":"allow_all"}}}`)
			w.want(200, "POST", at+"/execute", call)
			w.want(400, "POST", at+"/execute", `{"tool_slug":"NOTES_GET","arguments":{"id":"7"},"experimental":{"permissions":{"default":"allow_all"}}}`)
		})
	}
}

// A rule that is for nothing would be a hole.
func TestPermissionsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.account("bob")
	for rule, says := range map[string]string{
		`"NOTES_NOPE":"always_deny"`:                       "NOTES_NOPE",
		`"notes_get:ca_nope":"always_deny"`:                "ca_nope",
		`"*:` + other + `":"always_deny"`:                  "has no connected account",
		`"tag.scary":"always_deny"`:                        "there is no tag",
		`"toolkit.nope":"always_deny"`:                     "nope",
		`"NOTES_GET:":"always_deny"`:                       "behind the colon",
		`"NOTES_GET":"deny"`:                               "expected one of",
		`"NOTES_GET":"always_deny","notes_get":"ask_once"`: "twice",
	} {
		body := `{"user_id":"ann","experimental":{"permissions":{"default":"allow_all","overrides":{` + rule + `}}}}`
		if e := w.want(400, "POST", "/api/v3.1/tool_router/session", body); !strings.Contains(e.text("error.message"), says) {
			t.Errorf("%s: does not say %q: %s", rule, says, e.Raw)
		}
	}
}

// A request of the caller's own wording could do what a tool does: it waits where
// any tool would, and a word on it is for every value in it.
func TestApprovalOfProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ann")
	made := w.want(201, "POST", "/api/v3.1/tool_router/session",
		`{"user_id":"ann","experimental":{"permissions":{"default":"allow_all","overrides":{"NOTES_DELETE":"ask_always"}}}}`)
	at := "/api/v3.1/tool_router/session/" + made.text("session_id")
	send := func(endpoint string) string {
		return `{"toolkit_slug":"notes","method":"GET","endpoint":"` + endpoint + `"}`
	}
	id := w.want(403, "POST", at+"/proxy_execute", send("/notes/1?secret=7")).text("error.approval_id")
	if got := w.want(200, "GET", "/api/v3.1/sluice/approvals/"+id, nil); got.text("tool_slug") != "COMPOSIO_PROXY_EXECUTE" || !strings.Contains(string(got.Raw), "secret=7") {
		t.Errorf("it waits as %s", got.Raw)
	}
	w.want(200, "POST", "/api/v3.1/sluice/approvals/"+id, `{"decision":"allow"}`)
	if other := w.want(403, "POST", at+"/proxy_execute", send("/notes/1?secret=8")).text("error.approval_id"); other == id || other == "" {
		t.Errorf("another value waits for %q", other)
	}
	w.want(200, "POST", at+"/proxy_execute", send("/notes/1?secret=7"))
	w.want(403, "POST", at+"/proxy_execute", send("/notes/1?secret=7"))
	w.want(200, "PATCH", at, `{"experimental":{"permissions":{"default":"allow_all","overrides":{"NOTES_DELETE":"ask_always","COMPOSIO_PROXY_EXECUTE":"always_allow"}}}}`)
	w.want(200, "POST", at+"/proxy_execute", send("/notes/1?secret=7"))
}

// What is denied to a tool is denied to a request that could do the same, and
// before anything is said of accounts.
func TestProxyIsNoWayAroundADenial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acc := w.account("ann")
	for _, tc := range []struct {
		user, rules, method string
		status              int
	}{
		{"ann", `"NOTES_DELETE":"always_deny"`, "GET", 403},
		{"ann", `"NOTES_DELETE:` + acc + `":"always_deny"`, "DELETE", 403},
		{"ann", `"toolkit.notes":"always_deny"`, "GET", 403},
		{"ann", `"*":"always_deny"`, "GET", 403},
		{"ann", `"*":"always_deny","NOTES_GET":"always_allow"`, "GET", 403},
		{"ann", `"tag.destructiveHint":"always_deny"`, "POST", 403},
		{"ann", `"COMPOSIO_PROXY_EXECUTE":"always_deny"`, "GET", 403},
		{"bob", `"NOTES_DELETE":"always_deny"`, "GET", 403}, // has no account, and is not told so
		{"ann", `"tag.destructiveHint":"always_deny"`, "GET", 200},
		{"ann", `"NOTES_DELETE":"always_deny","COMPOSIO_PROXY_EXECUTE":"always_allow"`, "GET", 200},
	} {
		made := w.want(201, "POST", "/api/v3.1/tool_router/session", `{"user_id":"`+tc.user+
			`","experimental":{"permissions":{"default":"allow_all","overrides":{`+tc.rules+`}}}}`)
		got := w.want(tc.status, "POST", "/api/v3.1/tool_router/session/"+made.text("session_id")+"/proxy_execute",
			`{"toolkit_slug":"notes","method":"`+tc.method+`","endpoint":"/echo"}`)
		if tc.status == 403 && !strings.Contains(got.text("error.message"), "permissions deny it") {
			t.Errorf("%s by %s with %s: %s", tc.method, tc.user, tc.rules, got.Raw)
		}
	}
}
