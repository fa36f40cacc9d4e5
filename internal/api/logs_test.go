package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	searchLogs = "/api/v3.1/logs/tool_execution"
	actionLogs = "/api/v3.1/internal/action_execution/logs"
	exportLogs = "/api/v3.1/sluice/logs/export"
)

// logIDs gives the ids of a list.
func logIDs(a answer, list, name string) []string {
	out := []string{}
	items, _ := a.at(list).([]any)
	for _, it := range items {
		m, _ := it.(map[string]any)
		id, _ := m[name].(string)
		out = append(out, id)
	}
	return out
}

// busy makes calls of every sort, and gives the ids of their records in order.
func (w *world) busy(t *testing.T) map[string]string {
	t.Helper()
	w.account("ann")
	ids := map[string]string{}
	call := func(name, tool, body string, status int) {
		w.want(status, "POST", "/api/v3.1/tools/execute/"+tool, body, "X-Request-Id", "req-"+name)
		a := w.want(200, "POST", searchLogs, `{"limit":1,"filters":[{"field":"request_id","operator":"==","value":"req-`+name+`"}]}`)
		if ids[name] = a.text("logs.0.id"); ids[name] == "" {
			t.Fatalf("%s left no record: %s", name, a.Raw)
		}
	}
	call("ok", "NOTES_GET", `{"user_id":"ann","arguments":{"id":"1"}}`, 200)
	call("unknown", "NOTES_NOPE", `{"user_id":"ann","arguments":{"password":"hunter2-and-more"}}`, 404)
	call("arguments", "NOTES_GET", `{"user_id":"ann","arguments":{"idd":"7"}}`, 400)
	call("account", "NOTES_GET", `{"user_id":"100%_b","arguments":{"id":"1"}}`, 400)
	call("clock", "CLOCK_NOW", `{"user_id":"ann","arguments":{}}`, 200)
	return ids
}

func TestLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.busy(t)
	for name, tc := range map[string]struct {
		filters string
		want    []string
	}{
		"all":              {`[]`, []string{"clock", "account", "arguments", "unknown", "ok"}},
		"tool":             {`[{"field":"tool_slug","operator":"==","value":"notes_get"}]`, []string{"account", "arguments", "ok"}},
		"toolkit":          {`[{"field":"toolkit_slug","operator":"==","value":"CLOCK"}]`, []string{"clock"}},
		"success":          {`[{"field":"status","operator":"==","value":"success"}]`, []string{"clock", "ok"}},
		"not success":      {`[{"field":"status","operator":"!=","value":"success"}]`, []string{"account", "arguments", "unknown"}},
		"like failed":      {`[{"field":"status","operator":"contains","value":"fail"}]`, []string{"account", "arguments", "unknown"}},
		"like no status":   {`[{"field":"status","operator":"contains","value":"zz"}]`, []string{}},
		"refused":          {`[{"field":"outcome","operator":"==","value":"refused"}]`, []string{"account", "arguments", "unknown"}},
		"a percent sign":   {`[{"field":"user_id","operator":"contains","value":"%"}]`, []string{"account"}},
		"an underscore":    {`[{"field":"user_id","operator":"contains","value":"_"}]`, []string{"account"}},
		"text":             {`[{"field":"text","operator":"contains","value":"nope"}]`, []string{"unknown"}},
		"no sandbox":       {`[{"field":"sandbox_id","operator":"==","value":"x"}]`, []string{}},
		"no sandbox's":     {`[{"field":"sandbox_id","operator":"!=","value":"x"}]`, []string{"clock", "account", "arguments", "unknown", "ok"}},
		"tool and outcome": {`[{"field":"tool_slug","operator":"not_contains","value":"nope"},{"field":"outcome","operator":"!=","value":"ok"}]`, []string{"account", "arguments"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := logIDs(w.want(200, "POST", searchLogs, `{"filters":`+tc.filters+`}`), "logs", "id")
			want := []string{}
			for _, n := range tc.want {
				want = append(want, ids[n])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	one := w.want(200, "GET", searchLogs+"/"+ids["ok"], nil)
	if one.text("data.arguments.id") != "1" || one.text("metadata.user_id") != "ann" || one.text("metadata.outcome") != "ok" ||
		one.text("metadata.connected_account_id") == "" || one.text("metadata.auth_config_id") == "" ||
		one.text("metadata.upstream_request_id") != "upstream-1" || one.at("metadata.upstream_status") != 200.0 ||
		one.text("context.request_id") != "req-ok" || one.at("parent") != nil {
		t.Errorf("the record: %s", one.Raw)
	}
	if r := w.want(200, "GET", searchLogs+"/"+ids["unknown"], nil); r.text("data.arguments.password") != "[hidden]" || r.text("status") != "failed" ||
		!strings.Contains(r.text("message"), "NOTES_NOPE") {
		t.Errorf("the refused call's record: %s", r.Raw)
	}
	old := w.want(200, "GET", "/api/v3.1/internal/action_execution/log/"+ids["account"], nil)
	if old.text("status") != "error" || old.text("error.message") == "" || old.text("actionId") != "NOTES_GET" || old.text("app.name") != "Notes" {
		t.Errorf("the older form: %s", old.Raw)
	}
	w.want(200, "GET", "/api/v3.1/internal/action_execution/fields", nil)
	w.want(404, "GET", searchLogs+"/log_none", nil)
	// Another project sees nothing of it.
	otherProject(t, w)
	for _, id := range ids {
		w.want(404, "GET", searchLogs+"/"+id, nil)
		w.want(404, "GET", "/api/v3.1/internal/action_execution/log/"+id, nil)
	}
	for _, a := range []answer{w.want(200, "POST", searchLogs, `{}`), w.want(200, "POST", actionLogs, `{"cursor":null}`)} {
		if len(logIDs(a, "logs", "id"))+len(logIDs(a, "data", "id")) != 0 {
			t.Errorf("another project's log: %s", a.Raw)
		}
	}
	if lines := w.export(t, ""); len(lines) != 0 {
		t.Errorf("another project's export: %v", lines)
	}
}

func TestLogPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.want(200, "POST", "/api/v3.1/tools/execute/CLOCK_NOW", fmt.Sprintf(`{"user_id":"u%d","arguments":{}}`, i))
	}
	all := logIDs(w.want(200, "POST", searchLogs, `{}`), "logs", "id")
	for _, path := range []string{searchLogs, actionLogs} {
		list, next := "logs", "next_cursor"
		if path == actionLogs {
			list, next = "data", "nextCursor"
		}
		var got []string
		var cursor any
		for range 9 {
			a := w.want(200, "POST", path, map[string]any{"limit": 3, "cursor": cursor})
			got = append(got, logIDs(a, list, "id")...)
			w.want(200, "POST", "/api/v3.1/tools/execute/CLOCK_NOW", `{"user_id":"late","arguments":{}}`)
			if cursor = a.at(next); cursor == nil {
				break
			}
		}
		if path == searchLogs {
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("%s: %s", path, diff)
			}
		} else if slices.Sort(got); len(slices.Compact(got)) != len(got) || len(got) != 10 {
			t.Errorf("%s: %d records, some twice: %v", path, len(got), got)
		}
	}
	lines := w.export(t, "limit=4")
	if len(lines) != 4 || lines[0].ID != all[6] {
		t.Fatalf("the beginning of the export: %v", lines)
	}
	for len(lines) < 100 {
		more := w.export(t, "limit=4&cursor="+lines[len(lines)-1].Cursor)
		if len(more) == 0 {
			break
		}
		lines = append(lines, more...)
	}
	seen := map[string]bool{}
	for _, l := range lines {
		seen[l.ID] = true
	}
	if len(seen) != len(lines) || len(lines) != 7+3+4 {
		t.Errorf("the export has %d lines, %d different", len(lines), len(seen))
	}
}

type exported struct {
	ID       string         `json:"id"`
	Cursor   string         `json:"cursor"`
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata"`
}

// export gets an export; every line of it is a record.
func (w *world) export(t *testing.T, query string) (out []exported) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+exportLogs+"?"+query, nil)
	must(t, err)
	req.Header.Set("X-Api-Key", w.key)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("export: %d, %v, %s", res.StatusCode, res.Header, raw)
	}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		var e exported
		must(t, json.Unmarshal(lines.Bytes(), &e))
		out = append(out, e)
	}
	return out
}

func TestLogMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	filter := func(field, op, value string) string {
		return fmt.Sprintf(`{"filters":[{"field":"tool_slug","operator":"==","value":"X"},{"field":%q,"operator":%q,"value":%q}]}`, field, op, value)
	}
	for name, tc := range map[string]struct{ path, body, says string }{
		"a field":        {searchLogs, filter("password", "==", "x"), "filters[1].field"},
		"an operator":    {searchLogs, filter("user_id", "like", "x"), "filters[1].operator"},
		"a status":       {searchLogs, filter("status", "==", "fine"), "filters[1].value"},
		"nothing in it":  {searchLogs, filter("user_id", "contains", ""), "filters[1].value"},
		"a long value":   {searchLogs, filter("user_id", "==", strings.Repeat("x", 513)), "filters[1].value"},
		"no value":       {searchLogs, `{"filters":[{"field":"user_id","operator":"=="}]}`, "filters[0]: expected required property value"},
		"many filters":   {searchLogs, `{"filters":[` + strings.Repeat(`{"field":"user_id","operator":"==","value":"x"},`, 20) + `{"field":"user_id","operator":"==","value":"x"}]}`, "filters"},
		"a cursor":       {searchLogs, `{"cursor":"zzz"}`, "cursor"},
		"time backwards": {searchLogs, `{"time_range":{"from":2000,"to":1000}}`, "time_range.to"},
		"a negative":     {searchLogs, `{"time_range":{"from":-1,"to":1000}}`, "time_range.from"},
		"an older field": {actionLogs, `{"cursor":null,"search_params":[{"field":"nope","operation":"==","value":"x"}]}`, "search_params[0].field"},
		"an older word":  {actionLogs, `{"cursor":null,"search_params":[{"field":"actionKey","operation":"near","value":"x"}]}`, "search_params[0].operator"},
		"a fraction":     {actionLogs, `{"cursor":1.5}`, "cursor"},
		"a type":         {"/api/v3.1/project/usage/summary", `{"entity_types":["tea"]}`, "entity_types"},
		"an entity":      {"/api/v3.1/project/usage/tea", `{}`, "entity_type"},
		"a group":        {"/api/v3.1/project/usage/sessions", `{"group_by":"tool_slug"}`, "group_by"},
		"the future":     {"/api/v3.1/project/usage/sessions", `{"from":99999999999999}`, "from"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.want(400, "POST", tc.path, tc.body); !strings.Contains(string(a.Raw), tc.says) {
				t.Errorf("it does not name %s: %s", tc.says, a.Raw)
			}
		})
	}
	for query, field := range map[string]string{"cursor=zzz": "cursor", "from=yesterday": "from", "to=x": "to", "status=x": "status: expected", "limit=x": "limit"} {
		if a := w.want(400, "GET", exportLogs+"?"+query, nil); !strings.Contains(string(a.Raw), field) {
			t.Errorf("%s: %s", query, a.Raw)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy(t)
	w.session(`{"user_id":"ann"}`)
	sum := w.want(200, "POST", "/api/v3.1/project/usage/summary", `{}`)
	if sum.text("entities.tool_calls.total_quantity") != "2" || sum.at("entities.sessions.event_count") != 1.0 { // refused ones do not count
		t.Errorf("summary: %s", sum.Raw)
	}
	if sum.text("instant_charge") != "0" { // the newest client insists on it
		t.Errorf("a summary without the charge: %s", sum.Raw)
	}
	only := w.want(200, "POST", "/api/v3.1/project/usage/summary", `{"entity_types":["sessions"],"filters":{"user_id":["bob"],"session_id":null}}`)
	if only.at("entities.tool_calls") != nil || only.text("entities.sessions.total_quantity") != "0" {
		t.Errorf("sessions of bob: %s", only.Raw)
	}
	by := w.want(200, "POST", "/api/v3.1/project/usage/tool_calls", `{"order_by":"key","order_direction":"asc","limit":1}`)
	if by.text("total_quantity") != "2" || by.text("groups.0.key") != "CLOCK_NOW" || by.at("groups.1") != nil {
		t.Errorf("by tool: %s", by.Raw)
	}
	if a := w.want(200, "POST", "/api/v3.1/project/usage/tool_calls", `{"group_by":"user_id"}`); a.text("groups.0.key") != "ann" || a.at("groups.0.event_count") != 2.0 {
		t.Errorf("by user: %s", a.Raw)
	}
	otherProject(t, w)
	if a := w.want(200, "POST", "/api/v3.1/project/usage/summary", `{}`); a.text("entities.tool_calls.total_quantity") != "0" || a.text("entities.sessions.total_quantity") != "0" {
		t.Errorf("another project: %s", a.Raw)
	}
}
