package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/client"
)

// excused are the operations that the client leaves out, with the reason.
var excused = map[string]string{
	"createLabsSession":         "the words of January 2026 for Create",
	"listMCPServersOfApp":       "MCPServers with a query",
	"createMCPServer":           "CreateMCPServer makes them in the newer way, of toolkits, tools or auth configs",
	"listActionLogFields":       "the older form of the log of calls: Logs, Log and LogQuery",
	"searchActionLogs":          "the older form of Logs",
	"getActionLog":              "the older form of Log",
	"authorizeRealtime":         "Pusher's protocol, for the other SDKs: Listen reads the router's own stream",
	"getRealtimeCredentials":    "Pusher's protocol",
	"authorizeCLIRealtime":      "Pusher's protocol, of another program",
	"getCLIRealtimeCredentials": "Pusher's protocol, of another program",
	"createCLISession":          "the sign-in of another program",
	"getCLISession":             "the sign-in of another program",
	"reportCLIFailure":          "what another program reports to its makers",
	"getNanoID":                 "for ids of before 2025, which no router has",
	"createClaim":               "refused: there are no accounts to claim",
	"resolveConsumerProject":    "refused: there are no consumer projects",
	"listOrganisations":         "a server is one organisation; there is nothing to choose",
}

// TestEveryOperation has the client do everything once, against a router, and
// compares what was asked and answered with the router's own OpenAPI document: an
// operation that no method reaches needs an excuse, and an excuse is for one that
// is there and is not reached.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	w, seen := theWorld(), &witness{answered: map[string]bool{}}
	o := &operations{T: t, w: w, run: time.Now().Format("150405.000000000"), http: &http.Client{Transport: seen}}
	o.c = w.client(client.Options{HTTPClient: o.http})
	for _, do := range []func(){
		o.project, o.catalogue, o.sessions, o.files, o.accounts, o.consents, o.approvals, o.logs, o.mcpServers, o.triggers, o.endpoints, o.webhooks, o.operator,
	} {
		do()
	}
	left := w.operations(t)
	for route := range seen.answered {
		if id := left.match(route); id != "" {
			delete(left, id)
			if why := excused[id]; why != "" {
				t.Errorf("%s is reached, and excused: %s", id, why)
			}
		}
	}
	for id, route := range left {
		if excused[id] == "" {
			t.Errorf("no method of the client was answered by %s (%s %s)", id, route.method, route.path)
		}
	}
	for id := range excused {
		if _, there := left[id]; !there {
			t.Errorf("the excuse for %s: there is no such operation, or it is reached", id)
		}
	}
}

// operations does everything once. What a method gives is proven by the tests of
// its own; here it must be an answer.
type operations struct {
	*testing.T
	w   *world
	c   *client.Client
	run string // of the tests, when they are repeated

	http *http.Client
}

// user gives a user of this run.
func (o *operations) user(name string) string { return "op-" + name + "-" + o.run }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// all reads a list to its end.
func all[T any](t *testing.T, list iter.Seq2[T, error]) []T {
	t.Helper()
	var items []T
	for item, err := range list {
		must(t, err)
		items = append(items, item)
	}
	return items
}

// one proves that there is an answer.
func one[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// operator is what whoever operates the server does, with the key of the world.
func (o *operations) operator() {
	ctx, name := o.Context(), o.user("project")
	op, err := client.NewOperator(client.Options{BaseURL: o.w.router.URL(), APIKey: operatorKey, HTTPClient: o.http})
	must(o.T, err)
	id, key, err := op.CreateProject(ctx, name)
	if err != nil || id == "" || key == "" {
		o.Fatalf("made %q: %v", id, err)
	}
	if p := all(o.T, op.Projects(ctx)); len(p) < 2 || !slices.ContainsFunc(p, func(p client.Project) bool { return p.ID == id && p.Name == name }) {
		o.Errorf("projects %+v", p)
	}
	again := one[*client.ProjectKey](o.T)(op.RegenerateKey(ctx, id))
	p, keys, err := op.Project(ctx, id)
	if err != nil || p.Name != name || len(keys) != 1 || keys[0].ID != again.ID || keys[0].Key == again.Key {
		o.Errorf("project %+v with %+v: %v", p, keys, err)
	}
	theirs, err := client.New(client.Options{BaseURL: o.w.router.URL(), APIKey: again.Key})
	must(o.T, err)
	if k := one[*client.KeyInfo](o.T)(theirs.KeyInfo(ctx)); k.Project.ID != id {
		o.Errorf("the key %+v", k)
	}
	if u := one[*client.Usage](o.T)(op.Usage(ctx, client.UsageSessions, client.UsageQuery{GroupBy: "project_id"}, id)); u.Count != 0 {
		o.Errorf("usage %+v", u)
	}
	if u := one[map[string]int64](o.T)(op.UsageSummary(ctx, client.UsageQuery{})); u[client.UsageSessions] == 0 {
		o.Errorf("usage %+v", u)
	}
	must(o.T, op.DeleteProject(ctx, id))
	if _, err := theirs.KeyInfo(ctx); err == nil {
		o.Error("a deleted project's key is good")
	}
}

func (o *operations) project() {
	ctx, c := o.Context(), o.c
	if k, err := c.KeyInfo(ctx); err != nil || k.Project.ID != o.w.router.ProjectID() || k.Key.ID == "" {
		o.Errorf("key %+v, %v", k, err)
	}
	if p := all(o.T, c.Projects(ctx)); len(p) != 1 || p[0].ID != o.w.router.ProjectID() || p[0].Name == "" {
		o.Errorf("projects %+v", p)
	}
	name := "Acme"
	before := one[*client.ProjectConfig](o.T)(c.ProjectConfig(ctx))
	if p, err := c.UpdateProjectConfig(ctx, client.ProjectConfigChange{DisplayName: &name}); err != nil || p.DisplayName != name || p.LogVisibility != before.LogVisibility {
		o.Errorf("switches %+v, %v", p, err)
	}
	must(o.T, second(c.Branding(ctx)))
	if b, err := c.SetBranding(ctx, client.BrandingChange{Name: &name}); err != nil || b.Name != name {
		o.Errorf("look %+v, %v", b, err)
	}
	lost := o.w.router.EphemeralKey("lost")
	other, err := client.New(client.Options{BaseURL: c.BaseURL(), APIKey: lost})
	must(o.T, err)
	must(o.T, second(other.KeyInfo(ctx)))
	must(o.T, c.RevokeAPIKeys(ctx, lost))
	if _, err := other.KeyInfo(ctx); !errors.Is(err, client.ErrUnauthorized) {
		o.Errorf("with a revoked key: %v", err)
	}
}

// second gives the error of a call whose value is of no interest.
func second[T any](_ T, err error) error { return err }

func (o *operations) catalogue() {
	ctx, c := o.Context(), o.c
	if tk, err := c.Toolkit(ctx, "confluence"); err != nil || tk.Slug != "confluence" || tk.Meta.Triggers == 0 || len(tk.AuthSchemes) < 2 || len(tk.Meta.Categories) == 0 || tk.Meta.Categories[0].ID == "" {
		o.Errorf("toolkit %+v, %v", tk, err)
	}
	if list := all(o.T, c.Toolkits(ctx, client.ToolkitQuery{})); len(list) != 1 {
		o.Errorf("toolkits %+v", list)
	}
	if list := all(o.T, c.Toolkits(ctx, client.ToolkitQuery{Slugs: []string{"confluence"}, ByUse: true})); len(list) != 1 || list[0].Name == "" || len(list[0].AuthSchemes) < 2 || list[0].Meta.Categories[0].ID == "" {
		o.Errorf("toolkits by name %+v", list)
	}
	if list := all(o.T, c.Categories(ctx)); len(list) == 0 || list[0].ID == "" {
		o.Errorf("categories %+v", list)
	}
	if v := one[map[string][]string](o.T)(c.ToolkitVersions(ctx)); len(v["confluence"]) == 0 {
		o.Errorf("versions %v", v)
	}
	slugs := one[[]string](o.T)(c.ToolSlugs(ctx))
	tools := all(o.T, c.Tools(ctx, client.ToolQuery{}))
	if len(slugs) != len(tools) || len(slugs) < 62 {
		o.Errorf("%d slugs, %d tools", len(slugs), len(tools))
	}
	must(o.T, second(c.Tool(ctx, slugs[0])))
	must(o.T, second(c.RequiredScopes(ctx, slugs[0])))
	kinds, names := all(o.T, c.TriggerTypes(ctx, "confluence")), one[[]string](o.T)(c.TriggerSlugs(ctx))
	if len(kinds) != len(names) || len(kinds) == 0 {
		o.Errorf("%d trigger types, %d slugs", len(kinds), len(names))
	}
	must(o.T, second(c.TriggerType(ctx, names[0])))
}

func (o *operations) sessions() {
	ctx, c := o.Context(), o.c
	own := []client.CustomTool{{Slug: "SEND_FAX", Name: "Send fax", Description: "Send a fax to a number.", Input: json.RawMessage(`{"type":"object","properties":{"number":{"type":"string"}}}`)}}
	s := one[*client.Session](o.T)(c.Create(ctx, o.user("session"), client.SessionOptions{CustomTools: own}))
	again := one[*client.Session](o.T)(c.Use(ctx, s.ID))
	attached := one[*client.Session](o.T)(c.Attach(ctx, s.ID, client.AttachOptions{CustomTools: own}))
	if attached.Prompt == "" || len(attached.CustomTools) != 1 || len(again.CustomTools) != 0 {
		o.Errorf("tools of its own %+v, %+v", attached.CustomTools, again.CustomTools)
	}
	must(o.T, s.Configure(ctx, client.SessionOptions{
		Toolkits: []string{"confluence"}, Preload: []string{"CONFLUENCE_GET_SPACES"}, CustomTools: own,
		MultiAccount: &client.MultiAccount{Max: 3}, NoRemoval: true, LinkOrigin: "https://connect.acme.example",
	}))
	if s.Version != 2 {
		o.Errorf("version %d after a change", s.Version)
	}
	if err := again.Configure(ctx, client.SessionOptions{}); !errors.Is(err, client.ErrConflict) {
		o.Errorf("changed from an older state: %v", err)
	}
	if link := one[*client.Link](o.T)(s.Connect(ctx, client.ConnectOptions{Toolkit: "confluence", Alias: "work"})); !strings.HasPrefix(link.URL, "https://connect.acme.example/link/") {
		o.Errorf("the link leads elsewhere: %s", strings.TrimSuffix(link.URL, link.Token))
	}
	found := one[*client.SearchAnswer](o.T)(s.Search(ctx, "send a fax to a number"))
	if len(found.Results) != 1 || !slices.ContainsFunc(found.Results[0].Primary, func(slug string) bool { return strings.Contains(slug, "SEND_FAX") }) {
		o.Errorf("a tool of its own is not found: %+v", found.Results)
	}
	if r := one[*client.Result](o.T)(s.Execute(ctx, "COMPOSIO_SEARCH_TOOLS", map[string]any{"queries": []any{map[string]string{"use_case": "send a fax to a number"}}}, "")); !r.Successful || !strings.Contains(string(r.Data), "SEND_FAX") {
		o.Errorf("the meta tool %+v", r)
	}
	if r := one[*client.Result](o.T)(s.Execute(ctx, "CONFLUENCE_GET_SPACES", nil, "")); !r.Successful {
		o.Errorf("the tool %+v", r)
	}
	if r := one[*client.Result](o.T)(c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_CURRENT_USER", UserID: o.user("session")})); !r.Successful {
		o.Errorf("the tool outside the session %+v", r)
	}
	if args := one[json.RawMessage](o.T)(c.Phrase(ctx, client.PhraseRequest{Tool: "CONFLUENCE_GET_SPACES", Text: "three spaces"})); string(args) != `{"limit":3}` {
		o.Errorf("arguments %s", args)
	}
	list := all(o.T, s.Toolkits(ctx, client.SessionToolkitQuery{}))
	if len(list) != 1 || list[0].Account == nil || list[0].Account.Status != "ACTIVE" {
		o.Errorf("its toolkits %+v", list)
	}
	if r := one[*client.Response](o.T)(s.Proxy(ctx, "confluence", client.Request{Endpoint: "/wiki/rest/api/space"})); r.Status != http.StatusOK {
		o.Errorf("a request of its own %+v", r)
	}
	if r := one[*client.Response](o.T)(c.Proxy(ctx, list[0].Account.ID, client.Request{Endpoint: "/wiki/rest/api/space"})); r.Status != http.StatusOK {
		o.Errorf("a request on an account %+v", r)
	}
	shown := all(o.T, s.Tools(ctx))
	if !slices.ContainsFunc(shown, func(t client.Tool) bool { return t.Slug == "CONFLUENCE_GET_SPACES" }) {
		o.Errorf("it shows %d tools", len(shown))
	}
	if h := all(o.T, s.History(ctx)); len(h) != 2 {
		o.Errorf("history %+v", h)
	}
	must(o.T, s.Delete(ctx))
}

func (o *operations) files() {
	ctx, c := o.Context(), o.c
	f := one[*client.File](o.T)(c.UploadFile(ctx, client.Upload{Name: "a.txt", Toolkit: "confluence"}, strings.NewReader("text")))
	if kept := all(o.T, c.Files(ctx, client.FileQuery{Toolkit: "confluence"})); f.Key == "" || !slices.ContainsFunc(kept, func(k client.StoredFile) bool { return k.Name == "a.txt" }) {
		o.Errorf("kept %+v", kept)
	}
	s := one[*client.Session](o.T)(c.Create(ctx, o.user("files"), client.SessionOptions{}))
	must(o.T, s.WriteFile(ctx, "empty.txt", "text/plain", strings.NewReader("")))
	must(o.T, s.WriteFile(ctx, "notes/a.txt", "text/plain", strings.NewReader("of the session")))
	var b bytes.Buffer
	if n, err := s.ReadFile(ctx, "notes/a.txt", &b); err != nil || n != 14 || b.String() != "of the session" {
		o.Errorf("read %q, %v", b.String(), err)
	}
	if n := len(all(o.T, s.Files(ctx, ""))); n != 2 {
		o.Errorf("%d files", n)
	}
	must(o.T, s.RemoveFile(ctx, "notes"))
}

func (o *operations) accounts() {
	ctx, c := o.Context(), o.c
	r := one[*client.Result](o.T)(c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_CURRENT_USER", UserID: o.user("accounts")}))
	must(o.T, second(c.Account(ctx, r.AccountID)))
	must(o.T, c.SetAlias(ctx, r.AccountID, "mine"))
	must(o.T, c.EnableAccount(ctx, r.AccountID, true))
	must(o.T, second(c.RefreshAccount(ctx, r.AccountID, false)))
	if list := one[[]string](o.T)(c.ConnectedToolkits(ctx, o.user("accounts"))); !slices.Equal(list, []string{"confluence"}) {
		o.Errorf("connected to %v", list)
	}
	_ = all(o.T, c.Accounts(ctx, client.AccountQuery{UserIDs: []string{o.user("accounts")}}))
	_ = all(o.T, c.AccountEvents(ctx, client.AccountEventQuery{AccountID: r.AccountID, Types: []string{"expired"}}))
	must(o.T, second(c.DeleteAccount(ctx, r.AccountID, false)))
}

// consents walk to a provider and back, with what the person carries by hand.
func (o *operations) consents() {
	ctx, c := o.Context(), o.c
	config := one[*client.AuthConfig](o.T)(c.CreateAuthConfig(ctx, o.w.config("operations")))
	name := "operations, renamed"
	must(o.T, second(c.UpdateAuthConfig(ctx, config.ID, client.AuthConfigChange{Name: &name})))
	must(o.T, c.EnableAuthConfig(ctx, config.ID, true))
	_ = all(o.T, c.AuthConfigs(ctx, "confluence"))
	code := one[*client.Link](o.T)(c.LinkAccount(ctx, client.LinkRequest{UserID: o.user("code"), AuthConfigID: config.ID}))
	if k := one[*client.ConnectCode](o.T)(c.CreateConnectCode(ctx, code.Token)); k.Code == "" || k.PageURL == "" {
		o.Errorf("code %+v", k)
	}
	link := one[*client.Link](o.T)(c.LinkAccount(ctx, client.LinkRequest{UserID: o.user("consent"), AuthConfigID: config.ID}))
	begun := one[*client.Consent](o.T)(c.BeginConsent(ctx, link.Token, nil))
	done := one[*client.ConsentResult](o.T)(c.AnswerConsent(ctx, begun, o.w.consent(begun, o.w.site, o.w.labs)))
	if done.Status != "question" || len(done.Sites) != 2 {
		o.Fatalf("two sites lead to %+v", done)
	}
	if done = one[*client.ConsentResult](o.T)(c.FinishConsent(ctx, begun, done.Sites[0].ID)); done.Status != "connected" {
		o.Fatalf("a site leads to %+v", done)
	}
	must(o.T, second(c.WaitForAccount(ctx, done.AccountID)))
	must(o.T, second(c.RevokeAccount(ctx, done.AccountID)))
	brought := one[*client.Account](o.T)(c.BringAccount(ctx, client.BringRequest{UserID: o.user("brought"), AuthConfigID: config.ID}))
	if brought.Status != "EXPIRED" {
		o.Errorf("brought %+v", brought)
	}
	must(o.T, c.DeleteAuthConfig(ctx, config.ID, false))
}

func (o *operations) approvals() {
	ctx, c := o.Context(), o.c
	s := one[*client.Session](o.T)(c.Create(ctx, o.user("approvals"), client.SessionOptions{}))
	must(o.T, s.SetPermissions(ctx, client.Permissions{Overrides: map[string]string{"CONFLUENCE_GET_SPACES": client.AskAlways}}))
	_, err := s.Execute(ctx, "CONFLUENCE_GET_SPACES", nil, "")
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, client.ErrNeedsPerson) || errors.Is(err, client.ErrNotFound) {
		o.Fatalf("a call that waits: %v", err)
	}
	must(o.T, second(c.Approval(ctx, e.ApprovalID)))
	if list := all(o.T, c.Approvals(ctx, client.ApprovalQuery{SessionID: s.ID, State: "pending"})); len(list) != 1 {
		o.Errorf("approvals %+v", list)
	}
	must(o.T, second(c.DecideApproval(ctx, e.ApprovalID, true, "a manager")))
	must(o.T, second(s.Execute(ctx, "CONFLUENCE_GET_SPACES", nil, "")))
}

func (o *operations) logs() {
	ctx, c := o.Context(), o.c
	must(o.T, second(c.Execute(ctx, client.ExecuteRequest{Tool: "CONFLUENCE_GET_SPACES", UserID: o.user("logs")})))
	q := client.LogQuery{UserID: o.user("logs"), From: time.Now().Add(-time.Hour)}
	list := all(o.T, c.Logs(ctx, q))
	if len(list) != 1 {
		o.Fatalf("logs %+v", list)
	}
	must(o.T, second(c.Log(ctx, list[0].ID)))
	if lines := all(o.T, c.ExportLogs(ctx, q)); len(lines) != 1 || !bytes.Contains(lines[0], []byte(list[0].ID)) {
		o.Errorf("exported %s", lines)
	}
	if u := one[*client.Usage](o.T)(c.Usage(ctx, client.UsageToolCalls, client.UsageQuery{UserIDs: []string{o.user("logs")}, From: q.From, GroupBy: "tool_slug"})); u.Count != 1 || len(u.Groups) != 1 || u.Groups[0].Key != "CONFLUENCE_GET_SPACES" {
		o.Errorf("usage %+v", u)
	}
	if u := one[map[string]int64](o.T)(c.UsageSummary(ctx, client.UsageQuery{UserIDs: []string{o.user("logs")}})); u[client.UsageToolCalls] != 1 {
		o.Errorf("summary %v", u)
	}
}

func (o *operations) mcpServers() {
	ctx, c := o.Context(), o.c
	name, tools := "Operations", []string{"CONFLUENCE_GET_SPACES"}
	m := one[*client.MCPServer](o.T)(c.CreateMCPServer(ctx, client.MCPServerChange{Name: &name, Tools: &tools}))
	must(o.T, second(c.UpdateMCPServer(ctx, m.ID, client.MCPServerChange{Name: &name})))
	must(o.T, second(c.MCPServerURLs(ctx, m.ID, []string{o.user("mcp")}, nil)))
	must(o.T, second(c.CreateMCPInstance(ctx, m.ID, o.user("mcp-2"))))
	if n := len(all(o.T, c.MCPInstances(ctx, m.ID))); n != 2 {
		o.Errorf("%d users have it", n)
	}
	must(o.T, second(c.DeleteMCPInstance(ctx, m.ID, o.user("mcp"))))
	if list := all(o.T, c.MCPServers(ctx, client.MCPServerQuery{Name: "operat", Toolkits: []string{"confluence"}})); len(list) != 1 || list[0].ID != m.ID {
		o.Errorf("MCP servers %+v", list)
	}
	must(o.T, c.DeleteMCPServer(ctx, m.ID))
}

func (o *operations) triggers() {
	ctx, c := o.Context(), o.c
	id := one[string](o.T)(c.UpsertTrigger(ctx, client.NewTrigger{Type: "CONFLUENCE_PAGE_CREATED_TRIGGER", UserID: o.user("triggers")}))
	must(o.T, second(c.Trigger(ctx, id)))
	tried := one[*client.Tried](o.T)(c.TryTrigger(ctx, id, "", nil))
	must(o.T, second(c.Event(ctx, tried.ID)))
	if n := len(all(o.T, c.Events(ctx, client.EventQuery{Source: id, From: time.Now().Add(-time.Hour)}))); n != 1 {
		o.Errorf("%d events", n)
	}
	for e, err := range c.Listen(ctx, client.ListenQuery{After: client.FromOldest, Sources: []string{id}}) {
		if err != nil || e.ID != tried.ID {
			o.Errorf("the stream: %+v, %v", e, err)
		}
		break
	}
	if logs := all(o.T, c.TriggerLogs(ctx, client.TriggerLogQuery{Trigger: id})); len(logs) != 1 {
		o.Errorf("logs %+v", logs)
	}
	if logs := all(o.T, c.TriggerLogs(ctx, client.TriggerLogQuery{Trigger: id, AuthConfigID: "ac_another"})); len(logs) != 0 {
		o.Errorf("logs of another auth config %+v", logs)
	}
	must(o.T, second(c.TriggerLog(ctx, tried.ID)))
	must(o.T, c.EnableTrigger(ctx, id, false))
	must(o.T, c.DeleteTrigger(ctx, id))
	least := time.Duration(0)
	must(o.T, second(c.SetTriggerBounds(ctx, &least, nil)))
	must(o.T, second(c.TriggerBounds(ctx)))
}

func (o *operations) endpoints() {
	ctx, c := o.Context(), o.c
	e := one[*client.Endpoint](o.T)(c.CreateEndpoint(ctx, "confluence", o.user("endpoints")))
	must(o.T, second(c.Endpoint(ctx, e.ID)))
	for _, overlap := range []bool{true, false} {
		if e, err := c.SetEndpointSecret(ctx, e.ID, "a-secret-of-thirty-two-characters", overlap); err != nil || (e.PreviousUntil != "") != overlap {
			o.Errorf("overlap %v: %+v, %v", overlap, e, err)
		}
	}
	_, _, err := c.RotateEndpointSecret(ctx, e.ID, time.Hour)
	must(o.T, err)
	if list := one[[]client.Endpoint](o.T)(c.Endpoints(ctx, "confluence")); len(list) == 0 {
		o.Error("no endpoints")
	}
	must(o.T, c.DeleteEndpoint(ctx, e.ID))
}

func (o *operations) webhooks() {
	ctx, c := o.Context(), o.c
	address, stop := receiver(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	defer stop()
	events, ordered := []string{"composio.trigger.message"}, true
	if kinds := one[[]client.EventType](o.T)(c.EventTypes(ctx)); !slices.ContainsFunc(kinds, func(k client.EventType) bool { return k.Type == events[0] }) {
		o.Errorf("types %+v", kinds)
	}
	hook := one[*client.Webhook](o.T)(c.CreateWebhook(ctx, client.WebhookChange{URL: &address, Events: &events}))
	must(o.T, second(c.UpdateWebhook(ctx, hook.ID, client.WebhookChange{Ordered: &ordered})))
	if h, err := c.Webhook(ctx, hook.ID); err != nil || !h.Ordered || h.Secret == hook.Secret {
		o.Errorf("subscription %+v, %v", h, err)
	}
	if n := len(all(o.T, c.Webhooks(ctx))); n != 1 {
		o.Errorf("%d subscriptions", n)
	}
	tried := one[*client.Tried](o.T)(c.TryTrigger(ctx, "CONFLUENCE_PAGE_CREATED_TRIGGER", o.user("webhooks"), nil))
	if list := all(o.T, c.Deliveries(ctx, client.DeliveryQuery{EventID: tried.ID})); len(list) != 1 {
		o.Errorf("deliveries %+v", list)
	}
	must(o.T, second(c.Delivery(ctx, tried.Deliveries[0].ID)))
	must(o.T, c.ReplayEvent(ctx, tried.ID))
	must(o.T, second(c.ReplayEvents(ctx, client.Replay{From: time.Now().Add(-time.Hour), UserID: o.user("webhooks")})))
	_, _, err := c.RotateWebhookSecret(ctx, hook.ID, -1)
	must(o.T, err)
	must(o.T, c.DeleteWebhook(context.WithoutCancel(ctx), hook.ID))
}
