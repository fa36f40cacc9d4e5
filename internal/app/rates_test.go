package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/config"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
)

// daily is a rate that gives nothing back while a test runs.
func daily(burst int) config.Rate { return config.Rate{Burst: burst, Window: 24 * time.Hour} }

const rateTool = "CONFLUENCE_GET_SPACES"

// rateRoads are the ways by which a tool of the user's can be called, in the
// session, outside, at an MCP server, and past the tools.
func (r *router) rateRoads(user, account string) []door {
	send := func(path, body string) func(string) answer {
		return func(session string) answer {
			return r.send(http.MethodPost, strings.ReplaceAll(path, "{session}", session), body)
		}
	}
	made := r.send(http.MethodPost, "/api/v3.1/mcp/servers/custom", fmt.Sprintf(`{"name":%q,"toolkits":["confluence"]}`, domain.NewSecret("")[:20]))
	var server struct{ ID string }
	if err := json.Unmarshal([]byte(made.body), &server); err != nil || made.status != http.StatusCreated {
		r.t.Fatalf("an MCP server: %v", made)
	}
	if a := send("/api/v3.1/mcp/servers/generate", fmt.Sprintf(`{"mcp_server_id":%q,"user_ids":[%q]}`, server.ID, user))(""); a.status != http.StatusOK {
		r.t.Fatalf("its addresses: %v", a)
	}
	const request = `"endpoint":"/wiki/rest/api/user/current","method":"GET"}`
	const byTool = "/api/v3.1/tools/execute/" + rateTool
	return append(
		r.doors(rateTool),
		door{"REST execute outside a session", "rest", send(byTool, `{"arguments":{},"user_id":"`+user+`"}`)},
		door{"REST execute on an account alone", "rest", send(byTool, `{"arguments":{},"connected_account_id":"`+account+`"}`)},
		door{"requests in a session", "rest_session", send(sessions+"/{session}/proxy_execute", `{"toolkit_slug":"confluence",`+request)},
		door{"requests", "proxy", send("/api/v3.1/tools/execute/proxy", `{"connected_account_id":"`+account+`",`+request)},
		door{"an MCP server", "mcp", func(string) answer {
			return r.send(http.MethodPost, "/v3/mcp/"+server.ID+"?user_id="+user, mcpBody(rateTool, `{}`), mcpHeader("tools/call", rateTool)...)
		}},
	)
}

// All roads take from one bucket, one token a call, and each is refused when it is
// empty, with when to come again and a record; others go on.
//
// One database is enough: what counts is in memory.
func TestRatesOnEveryRoad(t *testing.T) {
	t.Parallel()
	const roads = 13
	for kind, set := range map[string]func(*app.Config){
		policy.LimitUser:    func(c *app.Config) { c.RateUser, c.RateToolkit = daily(1+roads), daily(1000) },
		policy.LimitToolkit: func(c *app.Config) { c.RateToolkit, c.RateUser = daily(1+roads), daily(1000) },
	} {
		t.Run(kind, func(t *testing.T) {
			r := testApp(t, func(o *app.Options) {
				o.Config.Metrics = true
				set(&o.Config)
			})
			db := r.database()
			_, other := r.secondProject()
			s := r.session("ann", "")
			if res := r.execute(s, rateTool, `{}`).result(t); !res.Successful {
				t.Fatalf("the first call: %+v", res)
			}
			accounts, _, err := db.ListAccounts(t.Context(), r.ProjectID(), store.AccountFilter{UserIDs: []string{"ann"}}, store.Page{})
			must(t, err)
			all := r.rateRoads("ann", accounts[0].ID)
			if len(all) != roads {
				t.Fatalf("%d roads", len(all))
			}
			for _, d := range all {
				if a := d.try(s); a.status != http.StatusOK || strings.Contains(a.body, "as it may") {
					t.Errorf("%s, while there is some left: %v", d.name, a)
				}
			}
			upstream := r.Site().Requests()
			for _, d := range all {
				a := d.try(s)
				rateRefused(t, kind, 1+roads, d, a)
				list, _, err := db.ListExecutions(t.Context(), r.ProjectID(), store.ExecutionFilter{UserID: "ann", Outcome: string(domain.OutcomeRefused)}, store.Page{Limit: 1})
				must(t, err)
				if len(list) == 0 || list[0].Door != d.door || list[0].ErrorCode != domain.CodeRateLimited || list[0].Toolkit != "confluence" {
					t.Errorf("%s: record %+v", d.name, list)
				}
			}
			if n := r.Site().Requests() - upstream; n != 0 {
				t.Errorf("%d requests went out for refused calls", n)
			}
			// Finding tools takes nothing of it.
			if res := r.call(s, "COMPOSIO_SEARCH_TOOLS", `{"queries":[{"use_case":"list spaces"}]}`).result(t); !res.Successful {
				t.Errorf("search: %+v", res)
			}
			// Nor do others' calls: those of the same user id in another project, and,
			// of a user's limit, those of another user.
			theirs := r.session("ann", "", "X-Api-Key", other)
			if res := r.execute(theirs, rateTool, `{}`, "X-Api-Key", other).result(t); !res.Successful {
				t.Errorf("another project: %+v", res)
			}
			if a := r.execute(r.session("bob", ""), rateTool, `{}`); (a.status == http.StatusOK) != (kind == policy.LimitUser) {
				t.Errorf("another user: %v", a)
			}
			want := fmt.Sprintf(`sluice_rate_limited_total{limit=%q}`, kind)
			if a := r.send(http.MethodGet, "/metrics", ""); !strings.Contains(a.body, want) {
				t.Errorf("no %s", want)
			}
		})
	}
}

var retryAfterSeconds = regexp.MustCompile(`retry_after_seconds\\*":(\d+)`)

// rateRefused checks the answer to a call over a rate.
func rateRefused(t *testing.T, kind string, burst int, d door, a answer) {
	t.Helper()
	whose := map[string]string{policy.LimitUser: "this user has", policy.LimitToolkit: "toolkit confluence in this project has"}[kind]
	if !strings.Contains(a.body, whose+" made as many tool calls as it may: "+strconv.Itoa(burst)+" in 24h") || !strings.Contains(a.body, "nothing was run") {
		t.Errorf("%s: %v", d.name, a)
	}
	every := 24 * 3600 / burst // seconds in which a token flows in
	soon := func(text string) {
		t.Helper()
		if n, err := strconv.Atoi(text); err != nil || n <= every/2 || n > every+1 {
			t.Errorf("%s: to come again in %q seconds, want about %d", d.name, text, every)
		}
	}
	if a.status != http.StatusTooManyRequests {
		found := retryAfterSeconds.FindStringSubmatch(a.body)
		if a.status != http.StatusOK || found == nil {
			t.Fatalf("%s: no retry_after_seconds: %v", d.name, a)
		}
		soon(found[1])
		if d.door == "mcp" && !strings.Contains(a.body, `"isError":true`) {
			t.Errorf("%s: no error: %v", d.name, a)
		}
		return
	}
	soon(a.header.Get("Retry-After"))
	for name, want := range map[string]string{
		"X-Should-Retry": "false", "X-RateLimit-Limit": strconv.Itoa(burst), "X-RateLimit": strconv.Itoa(burst),
		"X-RateLimit-Remaining": "0", "X-RateLimit-Window-Size": "86400s",
	} {
		if got := a.header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %s %q, want %s", d.name, name, got, want)
		}
	}
	policies := strings.Join(a.header.Values("RateLimit-Policy"), ", ")
	if want := fmt.Sprintf(`"key";q=60000;w=60, %q;q=%d;w=86400`, kind, burst); policies != want {
		t.Errorf("%s: RateLimit-Policy %s, want %s", d.name, policies, want)
	}
	limits := strings.Join(a.header.Values("RateLimit"), ", ")
	if want := fmt.Sprintf(`%q;r=0;t=%s`, kind, a.header.Get("X-RateLimit-Reset")); !strings.HasPrefix(limits, `"key";r=`) || !strings.HasSuffix(limits, ", "+want) {
		t.Errorf("%s: RateLimit %s, want %s in it", d.name, limits, want)
	}
	if !strings.Contains(a.body, `"code":4290`) || !strings.Contains(a.body, `"suggested_fix":"Wait `) {
		t.Errorf("%s: %v", d.name, a)
	}
}

// A multi-execute is one request of the key, and a call of the user for each of its
// tools: those that fit run.
func TestRateOfAMultiExecute(t *testing.T) {
	t.Parallel()
	r := testApp(t, func(o *app.Options) { o.Config.RateUser = daily(2) })
	one := `{"tool_slug":"` + rateTool + `","arguments":{}}`
	res := r.call(r.session("ann", ""), "COMPOSIO_MULTI_EXECUTE_TOOL", `{"tools":[`+strings.Repeat(one+",", 3)+one+`]}`).result(t)
	var data struct {
		Success int `json:"success_count"`
		Results []struct {
			Error    *string
			Response struct {
				Data struct {
					RetryAfter int    `json:"retry_after_seconds"`
					Kind       string `json:"kind"`
				}
			}
		}
	}
	must(t, json.Unmarshal(res.Data, &data))
	late := 0
	for _, item := range data.Results {
		if item.Error != nil && item.Response.Data.Kind == "rate_limited" && item.Response.Data.RetryAfter > 3600 {
			late++
		}
	}
	if data.Success != 2 || late != 2 {
		t.Errorf("two of four are to run: %s", res.Data)
	}
}

// The key's rate is one for both doors. Other keys, and what needs none, go on.
func TestRateOfAKey(t *testing.T) {
	t.Parallel()
	const most = 6
	r := testApp(t, func(o *app.Options) { o.Config.RateKey, o.Config.Metrics = daily(most), true })
	_, other := r.secondProject()
	s := r.session("ann", "") // the first
	list := func(h ...string) answer {
		return r.send(http.MethodPost, mcpPath(s), fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}`, mcpMeta), append(mcpHeader("tools/list", ""), h...)...)
	}
	toolkits := func(h ...string) answer { return r.send(http.MethodGet, "/api/v3.1/toolkits", "", h...) }
	for left := most - 2; left >= 0; left-- {
		ask := list
		if left%2 == 0 {
			ask = func(h ...string) answer { return toolkits(h...) }
		}
		a := ask()
		if a.status != http.StatusOK || a.header.Get("X-RateLimit-Remaining") != strconv.Itoa(left) || a.header.Get("RateLimit-Policy") != fmt.Sprintf(`"key";q=%d;w=86400`, most) {
			t.Errorf("with %d left: %d %v", left, a.status, a.header)
		}
	}
	for door, a := range map[string]answer{"REST": toolkits(), "MCP": list(), "MCP, handshake era": r.send(http.MethodPost, mcpPath(s), initialize, "Accept", "application/json, text/event-stream", "Content-Type", "application/json")} {
		says(t, door, a, r.key, status(429), "this API key has made as many requests as it may: 6 in 24h", "Wait 14")
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if err != nil || wait < 14000 || wait > 14400 || a.header.Get("X-RateLimit-Remaining") != "0" || !strings.HasPrefix(a.header.Get("RateLimit"), `"key";r=0;t=8`) {
			t.Errorf("%s: headers %v", door, a.header)
		}
	}
	if a := toolkits("X-Api-Key", other); a.status != http.StatusOK || a.header.Get("X-RateLimit-Remaining") != strconv.Itoa(most-1) {
		t.Errorf("another key: %v %v", a, a.header)
	}
	for _, path := range []string{"/readyz", "/openapi.json", "/metrics"} {
		if a := r.send(http.MethodGet, path, ""); a.status != http.StatusOK || a.header.Get("RateLimit") != "" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	if a := r.send(http.MethodGet, "/metrics", ""); !strings.Contains(a.body, `sluice_rate_limited_total{limit="key"} 3`) {
		t.Error("the refusals are not counted")
	}
}
