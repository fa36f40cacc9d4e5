package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// What a session may not use is refused at every door, leaves its record there,
// and never goes out, whatever hides it.
func TestHiddenToolIsRefusedAtEveryDoor(t *testing.T) { onBoth(t, testHiddenToolIsRefusedAtEveryDoor) }

func testHiddenToolIsRefusedAtEveryDoor(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	db := r.database()
	const tool = "CONFLUENCE_GET_SPACES"
	doors := r.doors(tool)
	hidden := map[string]string{
		"toolkits disable":  `,"toolkits":{"disable":["confluence"]}`,
		"tools disable":     `,"tools":{"confluence":{"disable":["` + tool + `"]}}`,
		"tools enable":      `,"tools":{"confluence":{"enable":["CONFLUENCE_CREATE_PAGE"]}}`,
		"tools tags":        `,"tools":{"confluence":{"tags":{"disable":["readOnlyHint"]}}}`,
		"tags disable":      `,"tags":{"disable":["readOnlyHint"]}`,
		"tags enable":       `,"tags":{"enable":["destructiveHint"]}`,
		"preloaded, hidden": `,"preload":{"tools":"all"},"toolkits":{"enable":["confluence"]},"tags":{"disable":["readOnlyHint"]}`,
		"patched":           "",
	}
	for name, config := range hidden {
		t.Run(name, func(t *testing.T) {
			s := r.session("ann", config)
			if name == "patched" {
				if res := r.execute(s, tool, `{}`).result(t); !res.Successful {
					t.Fatalf("before it was hidden: %+v", res)
				}
				if a := r.send(http.MethodPatch, sessions+"/"+s, `{"tags":{"disable":["readOnlyHint"]}}`); a.status != http.StatusOK {
					t.Fatalf("patching: %v", a)
				}
			}
			for _, d := range doors {
				count := len(refusals(t, db, r.ProjectID(), s, tool))
				a := d.try(s)
				if !strings.Contains(a.body, tool) || strings.Contains(a.body, `"successful":true`) && d.door != "multi" {
					t.Errorf("%s: %v", d.name, a)
				}
				got := refusals(t, db, r.ProjectID(), s, tool)
				if len(got) != count+1 {
					t.Errorf("%s: %d records more: %v", d.name, len(got)-count, a)
					continue
				}
				e := got[0]
				if e.Door != d.door || e.ErrorCode != domain.CodeForbidden || e.UpstreamCalls != 0 || e.AccountID != "" || e.ArgsSize == 0 || e.RequestID == "" {
					t.Errorf("%s: record %+v", d.name, e)
				}
			}
			// Nothing of all that was run.
			for _, e := range executions(t, db, r.ProjectID(), s) {
				if e.Tool == tool && e.Outcome != domain.OutcomeRefused && name != "patched" {
					t.Errorf("it was run: %+v", e)
				}
			}
			// Nor is it shown.
			list := r.send(http.MethodPost, mcpPath(s), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, mcpMeta), mcpHeader("tools/list", "")...)
			if strings.Contains(list.body, tool) {
				t.Error("tools/list shows it")
			}
			for _, path := range []string{"/tools", "/search"} {
				method, body := http.MethodGet, ""
				if path == "/search" {
					method, body = http.MethodPost, `{"queries":[{"use_case":"list all spaces"}]}`
				}
				if a := r.send(method, sessions+"/"+s+path, body); a.status != http.StatusOK || strings.Contains(a.body, tool) {
					t.Errorf("%s shows it: %v", path, a)
				}
			}
		})
	}
}

// door is a way in which a session's call can come.
type door struct {
	name string
	door string // of the record
	try  func(session string) answer
}

// doors are all of them, for one tool without arguments.
func (r *router) doors(tool string) []door {
	multi := fmt.Sprintf(`{"tools":[{"tool_slug":%q,"arguments":{}}]}`, tool)
	return []door{
		{"MCP tools/call", "mcp", func(s string) answer { return r.call(s, tool, `{}`) }},
		{"MCP tools/call, handshake era", "mcp", func(s string) answer {
			return r.send(http.MethodPost, mcpPath(s), oldBody(tool, `{}`), r.handshake(s)...)
		}},
		{"MCP multi-execute", "multi", func(s string) answer { return r.call(s, "COMPOSIO_MULTI_EXECUTE_TOOL", multi) }},
		{"REST execute", "rest_session", func(s string) answer { return r.execute(s, tool, `{}`) }},
		{"REST execute, lower case", "rest_session", func(s string) answer { return r.execute(s, strings.ToLower(tool), `{}`) }},
		{"REST execute of multi-execute", "multi", func(s string) answer { return r.execute(s, "COMPOSIO_MULTI_EXECUTE_TOOL", multi) }},
		{"REST execute_meta", "rest_meta", func(s string) answer { return r.meta(s, tool, `{}`) }},
		{"REST execute_meta of multi-execute", "multi", func(s string) answer { return r.meta(s, "COMPOSIO_MULTI_EXECUTE_TOOL", multi) }},
	}
}

// What an auth config says of its accounts holds at every door, inside sessions
// and outside: a tool that it does not list, and everything when it is disabled.
func TestAuthConfigIsEnforcedAtEveryDoor(t *testing.T) {
	onBoth(t, testAuthConfigIsEnforcedAtEveryDoor)
}

func testAuthConfigIsEnforcedAtEveryDoor(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	db := r.database()
	const tool = "CONFLUENCE_GET_SPACES"
	s := r.session("ann", "")
	if res := r.execute(s, tool, `{}`).result(t); !res.Successful {
		t.Fatalf("before: %+v", res)
	}
	accounts, _, err := db.ListAccounts(t.Context(), r.ProjectID(), store.AccountFilter{UserIDs: []string{"ann"}}, store.Page{})
	must(t, err)
	config := "/api/v3.1/auth_configs/" + accounts[0].AuthConfigID
	doors := append(r.doors(tool), door{"REST execute outside a session", "rest", func(string) answer {
		return r.send(http.MethodPost, "/api/v3.1/tools/execute/"+tool, `{"user_id":"ann","arguments":{}}`)
	}}, door{"REST execute on the account by id alone", "rest", func(string) answer {
		return r.send(http.MethodPost, "/api/v3.1/tools/execute/"+tool, `{"connected_account_id":"`+accounts[0].ID+`","arguments":{}}`)
	}})
	for _, rule := range []struct {
		name, method, path, body string
		codes                    []domain.Code
		account                  string // of the record
		says                     string
	}{
		{
			"a tool that is not listed", "PATCH", "", `{"tool_access_config":{"tools_available_for_execution":["CONFLUENCE_CREATE_PAGE"]}}`,
			[]domain.Code{domain.CodeForbidden},
			accounts[0].ID, "tools_available_for_execution",
		},
		{"the config is disabled", "PATCH", "/DISABLED", "", []domain.Code{domain.CodeForbidden, domain.CodeNoConnection}, "", "is disabled"},
	} {
		if a := r.send(rule.method, config+rule.path, rule.body); a.status != http.StatusOK {
			t.Fatalf("%s: %v", rule.name, a)
		}
		for _, d := range doors {
			a := d.try(s)
			if !strings.Contains(a.body, rule.says) || strings.Contains(a.body, `"successful":true`) && d.door != "multi" {
				t.Errorf("%s, %s: %v", rule.name, d.name, a)
			}
			list, _, err := db.ListExecutions(t.Context(), r.ProjectID(), store.ExecutionFilter{UserID: "ann", Tool: tool}, store.Page{Limit: 1})
			must(t, err)
			e := list[0]
			if e.Door != d.door || e.Outcome != domain.OutcomeRefused || !slices.Contains(rule.codes, e.ErrorCode) || e.UpstreamCalls != 0 || e.AccountID != rule.account {
				t.Errorf("%s, %s: record %+v", rule.name, d.name, e)
			}
		}
	}
	for _, change := range []struct{ path, body string }{
		{"/ENABLED", ""}, {"", `{"tool_access_config":{"tools_available_for_execution":[]}}`},
	} {
		if a := r.send(http.MethodPatch, config+change.path, change.body); a.status != http.StatusOK {
			t.Fatal(a)
		}
	}
	for _, d := range doors {
		if a := d.try(s); !strings.Contains(a.body, accounts[0].ID) || strings.Contains(a.body, "is disabled") {
			t.Errorf("allowed again, %s does not run or echo its account: %v", d.name, a)
		}
	}
}
