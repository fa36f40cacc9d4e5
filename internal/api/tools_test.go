package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

func TestListTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"}}`).text("auth_config.id")
	few := w.want(201, "POST", "/api/v3.1/auth_configs", `{"toolkit":{"slug":"notes"},"auth_config":{"type":"use_custom_auth","authScheme":"API_KEY",
		"tool_access_config":{"tools_available_for_execution":["NOTES_GET"]}}}`).text("auth_config.id")
	for query, want := range map[string][]string{
		"":                                       {"CLOCK_NOW", "MAIL_LIST", "NOTES_DELETE", "NOTES_GET", "NOTES_SLOW"},
		"?toolkit_slug=confluence&toolkit_slug=": nil,
		"?toolkit_slug=notes":                    {"NOTES_DELETE", "NOTES_GET", "NOTES_SLOW"},
		"?toolkit_slug=NOTES&include_deprecated=true":                                         {"NOTES_DELETE", "NOTES_GET", "NOTES_OLD", "NOTES_SLOW"},
		"?toolkit_slug=notes,clock&important=true":                                            {"CLOCK_NOW", "NOTES_GET"},
		"?toolkit_slug=mail&important=true&toolkit_versions=latest":                           {"MAIL_LIST"},
		"?toolkit_slug=notes&toolkit_versions%5Bnotes%5D=20260817_00":                         {"NOTES_DELETE", "NOTES_GET", "NOTES_SLOW"},
		"?tool_slugs=NOTES_GET&limit=9999&toolkit_versions=latest":                            {"NOTES_GET"},
		"?tool_slugs=NOTES_GET&tool_slugs=CLOCK_NOW":                                          {"NOTES_GET", "CLOCK_NOW"},
		"?tags=destructiveHint":                                                               {"NOTES_DELETE"},
		"?tags[]=destructiveHint":                                                             {"NOTES_DELETE"},
		"?toolkit_slug=notes&scopes=read:note,admin":                                          {"NOTES_GET", "NOTES_SLOW"},
		"?auth_config_ids=" + cfg + "&tags=destructiveHint":                                   {"NOTES_DELETE"},
		"?auth_config_ids=" + few:                                                             {"NOTES_GET"},
		"?auth_config_ids=" + few + "," + cfg + "&tags=destructiveHint":                       {"NOTES_DELETE"},
		"?auth_config_ids=" + cfg + "&toolkit_slug=mail":                                      {},
		"?toolkit_versions=20260101_00":                                                       {"CLOCK_NOW"},
		"?toolkit_versions[github]=20250101_00&toolkit_versions[clock]=latest&tags=important": {"CLOCK_NOW", "NOTES_GET"},
		"?search=letters":                   {"MAIL_LIST"},
		"?query=letters&toolkit_slug=notes": {},
		"?important=":                       {"CLOCK_NOW", "MAIL_LIST", "NOTES_DELETE", "NOTES_GET", "NOTES_SLOW"},
	} {
		if want == nil {
			w.want(404, "GET", "/api/v3.1/tools"+query, nil)
			continue
		}
		if diff := cmp.Diff(want, w.want(200, "GET", "/api/v3.1/tools"+query, nil).column("slug")); diff != "" {
			t.Errorf("tools%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{
		"?tool_slugs=NOTES_GOT", "?toolkit_slug=nots", "?toolkit_slug=notes&toolkit_versions=20200101_00", "?auth_config_ids=ac_none",
		"?toolkit_versions=20200101_00", "?toolkit_versions[notes]=20200101_00",
	} {
		w.want(404, "GET", "/api/v3.1/tools"+query, nil)
	}
	w.want(400, "GET", "/api/v3.1/tools?important=perhaps", nil)
}

func TestGetTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/api/v3.1/tools/NOTES_GET?version=20260817_00", "/api/v3/tools/NOTES_GET?toolkit_versions=latest", "/api/v3.1/tools/notes_get"} {
		a := w.want(200, "GET", path, nil)
		want := map[string]any{"all_of": []any{"read:note", map[string]any{"any_of": []any{"read:all", "admin"}}}}
		if diff := cmp.Diff(want, a.at("scope_requirements")); diff != "" {
			t.Errorf("%s: scope_requirements (-want +got):\n%s", path, diff)
		}
		if a.at("input_parameters.type") != "object" || a.at("input_parameters.properties.id") == nil {
			t.Errorf("%s: %s", path, a.Raw)
		}
		if status := a.at("status"); strings.HasPrefix(path, "/api/v3/") != (status == "active") {
			t.Errorf("%s: status %v", path, status)
		}
	}
	e := w.want(404, "GET", "/api/v3.1/tools/NOTES_GOT", nil)
	if !strings.Contains(e.text("error.message"), "NOTES_GOT") || !strings.Contains(e.text("error.suggested_fix"), "NOTES_GET") {
		t.Errorf("unknown tool: %s", e.Raw)
	}
	w.want(404, "GET", "/api/v3.1/tools/NOTES_GET?version=20200101_00", nil)
	enum := w.want(200, "GET", "/api/v3.1/tools/enum", nil)
	if list, _ := enum.JSON.([]any); len(list) != 6 || list[0] != "CLOCK_NOW" {
		t.Errorf("enum: %s", enum.Raw)
	}
}

func TestToolkits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, version := range []string{"/api/v3.1", "/api/v3"} {
		for query, want := range map[string][]string{
			"": {"clock", "mail", "notes"}, "?category=documents": {"notes"}, "?managed_by=composio": {"clock", "mail", "notes"},
			"?managed_by=project": {}, "?type=custom": {}, "?search=team": {"notes"}, "?sort_by=alphabetically&limit=2": {"clock", "mail"},
		} {
			if diff := cmp.Diff(want, w.want(200, "GET", version+"/toolkits"+query, nil).column("slug")); diff != "" {
				t.Errorf("%s/toolkits%s (-want +got):\n%s", version, query, diff)
			}
		}
		one := w.want(200, "GET", version+"/toolkits/notes", nil)
		if one.text("auth_config_details.0.mode") != "API_KEY" ||
			one.text("auth_config_details.0.fields.connected_account_initiation.required.0.name") != "subdomain" ||
			one.text("meta.categories.0.slug") != "documents" || one.text("meta.created_at") != "2026-01-02T00:00:00.000Z" {
			t.Errorf("%s: %s", version, one.Raw)
		}
		w.want(200, "GET", version+"/toolkits/clock?version=latest", nil)
		w.want(404, "GET", version+"/toolkits/clock?version=19990101_00", nil)
		e := w.want(404, "GET", version+"/toolkits/noted", nil)
		if !strings.Contains(e.text("error.message"), `"noted"`) {
			t.Errorf("unknown toolkit: %s", e.Raw)
		}
		cats := w.want(200, "GET", version+"/toolkits/categories", nil)
		if diff := cmp.Diff([]string{"documents", "letters"}, cats.column("id")); diff != "" {
			t.Errorf("categories (-want +got):\n%s", diff)
		}
	}
	if got := w.want(200, "GET", "/api/v3/toolkits", nil).text("items.0.status"); got != "active" {
		t.Errorf("v3 status = %q", got)
	}
}

func TestExecuteTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acc := w.account("jane")
	const path = "/api/v3.1/tools/execute/NOTES_GET"
	for name, body := range map[string]string{
		"by user":    `{"arguments":{"id":1},"user_id":"jane","version":"20260817_00"}`,
		"by entity":  `{"arguments":{"id":"1"},"entity_id":"jane"}`,
		"by account": `{"arguments":{"id":"1"},"connected_account_id":"` + acc + `"}`,
		"nulls":      `{"arguments":{"id":"1"},"user_id":"jane","text":null,"custom_auth_params":null,"allow_tracing":null,"version":null}`,
	} {
		a := w.want(200, "POST", path, body)
		if a.at("successful") != true || a.at("error") != nil || a.text("data.title") != "Home" || a.text("log_id") == "" {
			t.Errorf("%s: %s", name, a.Raw)
		}
	}
	a := w.want(200, "POST", path, `{"arguments":{"id":"7"},"user_id":"jane"}`)
	if a.at("successful") != false || !strings.Contains(a.text("error"), "no such note") {
		t.Errorf("a failed call is an answer: %s", a.Raw)
	}
	if a := w.want(200, "POST", "/api/v3/tools/execute/CLOCK_NOW", nil); a.text("data.now") != "noon" {
		t.Errorf("a tool without account or arguments: %s", a.Raw)
	}
	e := w.want(400, "POST", path, `{"arguments":{"id":"1"},"user_id":"john"}`)
	if e.at("error.code") != 1803.0 {
		t.Errorf("no connection: %s", e.Raw)
	}
	w.want(404, "POST", path, `{"arguments":{"id":"1"},"user_id":"john","connected_account_id":"`+acc+`"}`)
	for field, body := range map[string]string{
		"text": `{"text":"read it","user_id":"jane"}`, "custom_auth_params": `{"arguments":{"id":"1"},"custom_auth_params":{"body":{"x":"y"}}}`,
		"custom_auth_params.base_url": `{"arguments":{"id":"1"},"custom_auth_params":{"parameters":[{"name":"x","in":"header","value":1}]}}`,
		"subdomain":                   `{"arguments":{"id":"1"},"custom_connection_data":{"authScheme":"API_KEY","val":{"generic_api_key":"x"}}}`,
		"authScheme":                  `{"arguments":{"id":"1"},"custom_connection_data":{"authScheme":"SAML","val":{}}}`,
		"toolkitSlug":                 `{"arguments":{"id":"1"},"custom_connection_data":{"authScheme":"API_KEY","toolkitSlug":"mail"}}`,
		"id":                          `{"arguments":{},"user_id":"jane"}`, "title": `{"arguments":{"id":"1","title":2},"user_id":"jane"}`,
	} {
		if e := w.want(400, "POST", path, body); !strings.Contains(e.text("error.message"), field) {
			t.Errorf("%s is not named: %s", field, e.Raw)
		}
	}
	w.want(404, "POST", "/api/v3.1/tools/execute/NOTES_GOT", `{"user_id":"jane"}`)
	w.want(404, "POST", path, `{"arguments":{"id":"1"},"user_id":"jane","version":"20200101_00"}`)
}

func TestEveryCallIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("jane")
	one := w.session(`{"user_id":"jane","tools":{"notes":{"disable":["NOTES_DELETE"]}}}`)
	w.want(200, "POST", one+"/execute", `{"tool_slug":"NOTES_GET","arguments":{"id":"1"}}`, "X-Request-Id", "ok-1")
	w.want(403, "POST", one+"/execute_meta", `{"slug":"NOTES_DELETE","arguments":{"id":"1"}}`, "X-Request-Id", "refused-1")
	w.want(400, "POST", "/api/v3.1/tools/execute/NOTES_GET", `{"user_id":"john","arguments":{"id":"1"}}`, "X-Request-Id", "unconnected-1")
	list, total, err := w.db.ListExecutions(t.Context(), w.project.ID, store.ExecutionFilter{}, store.Page{})
	must(t, err)
	got := map[string][]string{}
	for _, e := range list {
		got[e.RequestID] = []string{e.Tool, e.Door, string(e.Outcome), string(e.ErrorCode)}
	}
	want := map[string][]string{
		"ok-1":          {"NOTES_GET", "rest_session", string(domain.OutcomeOK), ""},
		"refused-1":     {"NOTES_DELETE", "rest_meta", string(domain.OutcomeRefused), "forbidden"},
		"unconnected-1": {"NOTES_GET", "rest", string(domain.OutcomeRefused), "no_connection"},
	}
	if diff := cmp.Diff(want, got); diff != "" || total != 3 {
		t.Errorf("%d records (-want +got):\n%s", total, diff)
	}
}

// A call that outlasts the server's time for a request still gets its answer:
// it has run, and a connection that breaks would have it run again.
func TestAnswerAfterTheServersTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ann")
	handler := w.server.Config.Handler
	late := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		must(t, http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(-time.Second)))
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(late.Close)
	w.server.URL = late.URL
	got := w.want(200, "POST", "/api/v3.1/tools/execute/NOTES_GET", `{"user_id":"ann","arguments":{"id":"1"}}`)
	if got.at("successful") != true {
		t.Errorf("%s", got.Raw)
	}
}

// A call that is refused for an option leaves its record, as every call does.
func TestRefusedOptionIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.session(`{"user_id":"ann"}`)
	for _, tt := range []struct{ door, path, body string }{
		{"rest", "/api/v3.1/tools/execute/NOTES_GET", `{"user_id":"ann","text":"the first note"}`},
		{"rest", "/api/v3.1/tools/execute/NOTES_GET", `{"user_id":"ann","custom_auth_params":{"body":{"x":"y"}}}`},
		{"rest_session", one + "/execute", `{"tool_slug":"NOTES_GET","experimental":{"custom_tools":[{"slug":"LOCAL_X","name":"X","description":"X","input_schema":{}}]}}`},
		{"rest_meta", one + "/execute_meta", `{"slug":"NOTES_GET","experimental":{"custom_tools":[{"slug":"LOCAL_X","name":"X","description":"X","input_schema":{}}]}}`},
	} {
		e := w.want(400, "POST", tt.path, tt.body)
		list, _, err := w.db.ListExecutions(t.Context(), w.project.ID, store.ExecutionFilter{}, store.Page{Limit: 1})
		if err != nil || len(list) == 0 || list[0].Door != tt.door || list[0].UserID != "ann" || list[0].Tool != "NOTES_GET" ||
			list[0].Outcome != domain.OutcomeRefused || list[0].RequestID != e.text("error.request_id") {
			t.Errorf("%s %s: %+v, %v", tt.path, tt.body, list, err)
		}
	}
}

// The toolkits that a project works with come first.
func TestToolkitsByUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(200, "POST", "/api/v3.1/tools/execute/CLOCK_NOW", nil)
	w.account("jane")
	for range 2 {
		w.want(200, "POST", "/api/v3.1/tools/execute/NOTES_GET", `{"user_id":"jane","arguments":{"id":"1"}}`)
	}
	want := []string{"notes", "clock", "mail"}
	if diff := cmp.Diff(want, w.want(200, "GET", "/api/v3.1/toolkits?sort_by=usage", nil).column("slug")); diff != "" {
		t.Errorf("by use (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, w.want(200, "POST", "/api/v3/toolkits/multi", `{"sort_by":"usage"}`).column("slug")); diff != "" {
		t.Errorf("by use (-want +got):\n%s", diff)
	}
	otherProject(t, w)
	if got := w.want(200, "GET", "/api/v3.1/toolkits?sort_by=usage", nil).column("slug"); got[0] != "clock" {
		t.Errorf("another project's use counts: %v", got)
	}
}
