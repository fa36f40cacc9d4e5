package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/identity"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
)

// refusals gives the refused calls of a tool in a session, newest first.
func refusals(t *testing.T, db *sqlstore.DB, project, session, tool string) []domain.Execution {
	t.Helper()
	list, _, err := db.ListExecutions(t.Context(), project,
		store.ExecutionFilter{SessionID: session, Tool: tool, Outcome: string(domain.OutcomeRefused)}, store.Page{Limit: 1000})
	must(t, err)
	return list
}

// secondProject makes a project beside the default one and gives its key.
func (r *router) secondProject() (domain.Project, string) {
	r.t.Helper()
	db := r.database()
	p := domain.Project{ID: domain.NewID(domain.PrefixProject), Name: "second", CreatedAt: time.Now()}
	must(r.t, db.CreateProject(r.t.Context(), p))
	key, _, err := identity.New(identity.Options{Store: db}).CreateKey(r.t.Context(), p.ID, "second")
	must(r.t, err)
	return p, key
}

// tenant is one user of one project.
type tenant struct {
	project, key, user, session, account, email string
}

// who says whose identity a call runs with.
func who(t *testing.T, a answer) (id, email string) {
	t.Helper()
	res := a.result(t)
	var data struct {
		AccountID string `json:"account_id"`
		ID        string `json:"accountId"`
		Email     string `json:"email"`
	}
	if err := json.Unmarshal(res.Data, &data); err != nil || !res.Successful || data.Email == "" {
		t.Fatalf("who am I: %v", a)
	}
	return data.AccountID + data.ID, data.Email
}

// tenants gives two users in each of two projects, all by the same two names.
func (r *router) tenants() []*tenant {
	r.t.Helper()
	p, key := r.secondProject()
	var all []*tenant
	for _, project := range [][2]string{{r.ProjectID(), r.key}, {p.ID, key}} {
		for _, user := range []string{"ann", "bob"} {
			n := &tenant{project: project[0], key: project[1], user: user}
			n.session = r.session(user, "", "X-Api-Key", n.key)
			_, n.email = who(r.t, r.execute(n.session, "CONFLUENCE_GET_CURRENT_USER", `{}`, "X-Api-Key", n.key))
			a := r.send(http.MethodGet, "/api/v3.1/connected_accounts?user_ids="+user, "", "X-Api-Key", n.key)
			var list struct {
				Items []struct {
					ID   string
					Data map[string]string
				}
			}
			must(r.t, json.Unmarshal([]byte(a.body), &list))
			if len(list.Items) != 1 || list.Items[0].Data["generic_id"] != n.email {
				r.t.Fatalf("accounts of %+v: %v", n, a)
			}
			n.account = list.Items[0].ID
			all = append(all, n)
		}
	}
	return all
}

// Nobody's call runs with another's token, however many run at once.
func TestCallsRunAsTheirUser(t *testing.T) { onBoth(t, testCallsRunAsTheirUser) }

func testCallsRunAsTheirUser(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	all := r.tenants()
	seen := map[string]bool{}
	for _, n := range all {
		seen[n.email] = true
	}
	if len(seen) != len(all) {
		t.Fatalf("identities %v of %d users", seen, len(all))
	}
	var wg sync.WaitGroup
	for _, n := range all {
		for i := range 12 {
			wg.Go(func() {
				a := []func() answer{
					func() answer {
						return r.call(n.session, "CONFLUENCE_GET_CURRENT_USER", `{}`, "X-Api-Key", n.key)
					},
					func() answer {
						return r.execute(n.session, "CONFLUENCE_GET_CURRENT_USER", `{}`, "X-Api-Key", n.key)
					},
					func() answer {
						return r.send(http.MethodPost, "/api/v3.1/tools/execute/CONFLUENCE_GET_CURRENT_USER",
							fmt.Sprintf(`{"user_id":%q,"arguments":{}}`, n.user), "X-Api-Key", n.key)
					},
				}[i%3]()
				if !strings.Contains(a.body, n.email) {
					t.Errorf("%s of %s ran as somebody else: %v", n.user, n.project, a)
				}
				for _, other := range all {
					if other != n && strings.Contains(a.body, other.email) {
						t.Errorf("%s of %s saw %s", n.user, n.project, other.email)
					}
				}
			})
		}
	}
	wg.Wait()
	db := r.database()
	for _, n := range all {
		for _, e := range executions(t, db, n.project, n.session) {
			if e.AccountID != n.account || e.UserID != n.user || e.Outcome != domain.OutcomeOK {
				t.Errorf("record of %+v: %+v", n, e)
			}
		}
	}
}

// What another project has is not there.
func TestProjectsDoNotMeet(t *testing.T) { onBoth(t, testProjectsDoNotMeet) }

func testProjectsDoNotMeet(t *testing.T, in func(*app.Options)) {
	r := testApp(t, in)
	all := r.tenants()
	mine, theirs := all[0], all[2]
	transport := r.handshake(mine.session)
	link := r.send(http.MethodPost, sessions+"/"+mine.session+"/link", `{"toolkit":"confluence"}`)
	var pending struct {
		ID string `json:"connected_account_id"`
	}
	must(t, json.Unmarshal([]byte(link.body), &pending))
	var configs struct{ Items []struct{ ID string } }
	must(t, json.Unmarshal([]byte(r.send(http.MethodGet, "/api/v3.1/auth_configs", "").body), &configs))

	with := func(method, path, body string, header ...string) func() answer {
		return func() answer { return r.send(method, path, body, append(header, "X-Api-Key", theirs.key)...) }
	}
	s := sessions + "/" + mine.session
	tries := map[string]func() answer{
		"session":         with(http.MethodGet, s, ""),
		"patch":           with(http.MethodPatch, s, `{"tags":{"disable":["readOnlyHint"]}}`),
		"delete":          with(http.MethodDelete, s, ""),
		"session tools":   with(http.MethodGet, s+"/tools", ""),
		"toolkits":        with(http.MethodGet, s+"/toolkits", ""),
		"execute":         with(http.MethodPost, s+"/execute", `{"tool_slug":"CONFLUENCE_GET_SPACES","arguments":{}}`),
		"execute_meta":    with(http.MethodPost, s+"/execute_meta", `{"slug":"COMPOSIO_SEARCH_TOOLS","arguments":{"queries":[{"use_case":"x"}]}}`),
		"search":          with(http.MethodPost, s+"/search", `{"queries":[{"use_case":"x"}]}`),
		"link":            with(http.MethodPost, s+"/link", `{"toolkit":"confluence"}`),
		"account":         with(http.MethodGet, "/api/v3.1/connected_accounts/"+mine.account, ""),
		"delete account":  with(http.MethodDelete, "/api/v3.1/connected_accounts/"+mine.account, ""),
		"pending account": with(http.MethodGet, "/api/v3.1/connected_accounts/"+pending.ID, ""),
		"auth config":     with(http.MethodGet, "/api/v3.1/auth_configs/"+configs.Items[0].ID, ""),
		"MCP":             with(http.MethodPost, mcpPath(mine.session), mcpBody("CONFLUENCE_GET_SPACES", `{}`), mcpHeader("tools/call", "CONFLUENCE_GET_SPACES")...),
		"MCP handshake":   with(http.MethodPost, mcpPath(mine.session), initialize, "Accept", "application/json, text/event-stream"),
		"MCP session":     with(http.MethodPost, mcpPath(mine.session), oldBody("CONFLUENCE_GET_SPACES", `{}`), transport...),
		"MCP session on their own URL": with(http.MethodPost, mcpPath(theirs.session),
			oldBody("CONFLUENCE_GET_SPACES", `{}`), transport...),
		"MCP stream on their own URL": with(http.MethodGet, mcpPath(theirs.session), "", append(transport, "Accept", "text/event-stream")...),
	}
	before := r.Site().Requests()
	for name, try := range tries {
		a := try()
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %v", name, a)
		}
		leaks(t, name, a.body, mine.email, mine.user+"\"", r.key)
	}
	if a := r.send(http.MethodGet, "/api/v3.1/connected_accounts", "", "X-Api-Key", theirs.key); strings.Contains(a.body, mine.account) || !strings.Contains(a.body, theirs.account) {
		t.Errorf("the list of accounts: %v", a)
	}
	// Nor can it be named where a choice is made; another user's neither.
	for _, other := range []*tenant{mine, all[3]} {
		for name, a := range map[string]answer{
			"execute": r.send(http.MethodPost, sessions+"/"+theirs.session+"/execute",
				fmt.Sprintf(`{"tool_slug":"CONFLUENCE_GET_CURRENT_USER","arguments":{},"account":%q}`, other.account), "X-Api-Key", theirs.key),
			"tool": r.send(http.MethodPost, "/api/v3.1/tools/execute/CONFLUENCE_GET_CURRENT_USER",
				fmt.Sprintf(`{"user_id":%q,"connected_account_id":%q,"arguments":{}}`, theirs.user, other.account), "X-Api-Key", theirs.key),
			"pin": r.send(http.MethodPost, sessions,
				fmt.Sprintf(`{"user_id":%q,"connected_accounts":{"confluence":[%q]}}`, theirs.user, other.account), "X-Api-Key", theirs.key),
		} {
			if a.status < 400 || strings.Contains(a.body, other.email) {
				t.Errorf("%s with the account of %s of %s: %v", name, other.user, other.project, a)
			}
		}
	}
	if after := r.Site().Requests(); after != before {
		t.Errorf("%d requests went out", after-before)
	}
	// And all is as it was.
	if a := r.send(http.MethodGet, s, ""); a.status != http.StatusOK {
		t.Errorf("my session: %v", a)
	}
	if _, email := who(t, r.execute(mine.session, "CONFLUENCE_GET_CURRENT_USER", `{}`)); email != mine.email {
		t.Errorf("I am %s now, was %s", email, mine.email)
	}
}
