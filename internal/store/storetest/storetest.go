// Package storetest is the suite that every implementation of store.Store must
// pass. It knows no database: what it asks for holds on all of them.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Run tests the stores that open gives. Each call of open must give an empty
// store of its own, closed by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"projects", testProjects},
		{"brandings", testBrandings},
		{"API keys", testAPIKeys},
		{"revoked API keys", testRevokedAPIKeys},
		{"operator keys", testOperatorKeys},
		{"revoking all API keys", testRevokeAPIKeys},
		{"projects that have ended", testProjectEnds},
		{"auth configs", testAuthConfigs},
		{"accounts", testAccounts},
		{"account names", testAccountNames},
		{"account lists", testAccountLists},
		{"active accounts", testActiveAccounts},
		{"deleting an account", testDeleteAccount},
		{"secrets", testSecrets},
		{"walk over secrets", testSecretWalk},
		{"secret compare and swap", testSwapSecret},
		{"deleting secrets", testDeleteSecrets},
		{"uses", testUses},
		{"auth config changes", testAuthConfigChanges},
		{"grants", testGrants},
		{"grant compare and swap", testGrantRace},
		{"due accounts", testDueAccounts},
		{"leases", testLeases},
		{"lease taken once", testLeaseRace},
		{"OAuth flows", testFlows},
		{"OAuth flow used once", testFlowRace},
		{"links", testLinks},
		{"link used once", testLinkRace},
		{"links of an account made void", testVoidLinks},
		{"link of one browser", testBindLink},
		{"sessions", testSessions},
		{"session compare and swap", testSessionRace},
		{"MCP servers", testMCPServers},
		{"MCP server instances", testMCPInstances},
		{"project settings", testProjectSettings},
		{"executions", testExecutions},
		{"execution lists", testExecutionLists},
		{"execution of odd text", testExecutionOddText},
		{"use of toolkits", testToolkitUse},
		{"files of mounts", testMountFiles},
		{"execution search", testExecutionSearch},
		{"execution search while calls go on", testExecutionSearchStable},
		{"usage", testUsage},
		{"files", testFiles},
		{"account events", testAccountEvents},
		{"events", testEvents},
		{"feed", testFeed},
		{"feed at once", testFeedAtOnce},
		{"event told of at once", testEventRace},
		{"webhook subscriptions", testWebhooks},
		{"deliveries", testDeliveries},
		{"open deliveries", testOpenDeliveries},
		{"triggers", testTriggers},
		{"recovered triggers", testRecoveredTriggers},
		{"polls", testPolls},
		{"poll claimed once", testPollRace},
		{"webhook endpoints", testEndpoints},
		{"received webhooks", testInbounds},
		{"live polls", testLivePolls},
		{"bounds of triggers", testTriggerBounds},
		{"trigger logs", testTriggerLogs},
		{"approvals", testApprovals},
		{"approval used once", testApprovalRace},
		{"spent states", testSpentStates},
		{"approvals that have run out", testPruneApprovals},
		{"file quota", testFileQuota},
		{"file quota race", testFileQuotaRace},
		{"expired files", testExpiredFiles},
		{"file chunks", testFileChunks},
		{"what has run out", testPrune},
		{"what walks to a provider leave", testPruneWalks},
		{"events and leases that have run out", testPruneNews},
		{"keyset", testKeyset},
		{"keyset race", testKeysetRace},
		{"keyset compare and swap", testSwapKeyset},
		{"paging", testPaging},
		{"unicode", testUnicode},
		{"unstorable text", testUnstorable},
		{"errors say no SQL", testErrorTexts},
		{"isolation", testIsolation},
		{"isolation in a transaction", testIsolationInTx},
		{"transaction commits", testTxCommit},
		{"transaction rolls back", testTxRollback},
		{"transaction panics", testTxPanic},
		{"transaction spoiled", testTxSpoiled},
		{"transaction canceled", testTxCanceled},
		{"transactions at once", testTxRace},
		{"writers and readers at once", testConcurrency},
		{"canceled context", testCanceled},
		{"ready and closed", testReady},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, open(t))
		})
	}
}

// t0 is when everything began, with the precision that stores keep.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 123_456_000, time.UTC)

func at(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }

// world is a store with two projects that have the same things.
type world struct {
	store.Store
	a, b tenant
}

// tenant is one project and one of each thing in it.
type tenant struct {
	project domain.Project
	key     domain.APIKey
	config  domain.AuthConfig
	account domain.ConnectedAccount
	link    domain.ConnectLink
	flow    domain.OAuthFlow
	event   domain.AccountEvent
	session domain.Session
	exec    domain.Execution
	file    domain.File
	// What the application is told of, where, and how far that is.
	told     domain.Event
	hook     domain.Webhook
	delivery domain.Delivery
	trigger  domain.TriggerInstance
	poll     domain.TriggerPoll
	server   domain.MCPServer
	instance domain.MCPInstance
	endpoint domain.WebhookEndpoint
	inbound  domain.InboundWebhook
	approval domain.Approval
}

func newWorld(t *testing.T, s store.Store) world {
	t.Helper()
	return world{Store: s, a: newTenant(t, s, "a"), b: newTenant(t, s, "b")}
}

func newTenant(t *testing.T, s store.Store, name string) tenant {
	t.Helper()
	p := domain.Project{ID: "pr_" + name, Name: name, CreatedAt: t0}
	n := tenant{
		project: p,
		key: domain.APIKey{
			ID: "key_" + name, ProjectID: p.ID, Name: "first", Hash: hash("key " + name), Hint: "wxyz", CreatedAt: t0,
		},
		config: domain.AuthConfig{
			ID: "ac_" + name, ProjectID: p.ID, Toolkit: "confluence", Name: "Confluence", Scheme: domain.SchemeOAuth2,
			Origin: domain.OriginProject, Fields: map[string]string{"client_id": "app " + name},
			Scopes: []string{"read:page:confluence", "offline_access"}, Tools: []string{"CONFLUENCE_GET_PAGES"},
			CreationTools: []string{"CONFLUENCE_GET_PAGES"}, RouterOff: true, CreatedAt: t0, UpdatedAt: at(1),
		},
		link: domain.ConnectLink{
			TokenHash: hash("link " + name), ProjectID: p.ID, AccountID: "ca_" + name,
			CallbackURL: "https://app.example/done?a=1", CreatedAt: t0, ExpiresAt: at(10),
		},
		session: domain.Session{
			ID: "trs_" + name, ProjectID: p.ID, UserID: "user", Config: fullConfig(), Version: 1, CreatedAt: t0, UpdatedAt: t0,
		},
		exec: execution(p.ID, "log_"+name, 0),
		file: file(p.ID, "file_"+name, 0),
	}
	n.account = account(n.config, "ca_"+name, "user")
	n.flow = domain.OAuthFlow{
		StateHash: hash("state " + name), ProjectID: p.ID, AccountID: n.account.ID, LinkHash: n.link.TokenHash,
		BrowserHash: hash("browser " + name), Verifier: []byte("sealed"), RedirectURI: "https://router.example/callback",
		CreatedAt: t0, ExpiresAt: at(10),
	}
	n.event = domain.AccountEvent{
		ID: "evt_" + name, ProjectID: p.ID, AccountID: n.account.ID, UserID: "user", Toolkit: "confluence",
		Type: domain.AccountEventExpiring, Reason: "it ends soon", At: at(2),
	}
	ctx := t.Context()
	ok(t, s.CreateProject(ctx, p))
	ok(t, s.CreateAPIKey(ctx, n.key))
	ok(t, s.CreateAuthConfig(ctx, n.config))
	ok(t, s.CreateAccount(ctx, n.account))
	ok(t, s.PutSecret(ctx, p.ID, n.account.ID, "access_token", []byte("sealed "+name)))
	ok(t, s.PutConfigSecret(ctx, p.ID, n.config.ID, "client_secret", []byte("sealed "+name)))
	ok(t, s.CreateLink(ctx, n.link))
	ok(t, s.CreateFlow(ctx, n.flow))
	ok(t, s.AddAccountEvent(ctx, n.event))
	ok(t, s.CreateSession(ctx, n.session))
	ok(t, s.RecordExecution(ctx, n.exec))
	if !must(s.AddFile(ctx, n.file, 1<<20))(t) {
		t.Fatal("the first file is over the quota")
	}
	n.approval = approval(n.session, "apr_"+name, 0)
	ok(t, s.AddApproval(ctx, n.approval))
	n.publish(ctx, t, s, name)
	n.watch(ctx, t, s, name)
	n.serve(ctx, t, s, name)
	n.receive(ctx, t, s, name)
	return n
}

// account gives a full account of the config's project. Its word id is its id.
func account(c domain.AuthConfig, id, user string) domain.ConnectedAccount {
	return domain.ConnectedAccount{
		ID: id, ProjectID: c.ProjectID, UserID: user, Toolkit: c.Toolkit, AuthConfigID: c.ID, Scheme: c.Scheme, Origin: c.Origin,
		WordID: "word_" + id, Status: domain.AccountActive, StatusReason: "checked",
		Fields:    map[string]string{"subdomain": "acme", "base_url": "https://acme.example"},
		Identity:  map[string]string{"name": "Ada", "email": "ada@acme.example"},
		Grant:     domain.Grant{Scopes: []string{"read:page:confluence"}, ExpiresAt: at(60), RefreshAt: at(48), Generation: 1},
		CreatedAt: t0, UpdatedAt: at(1),
	}
}

func execution(projectID, id string, minutes int) domain.Execution {
	return domain.Execution{
		ID: id, ProjectID: projectID, KeyID: "key_x", UserID: "user", SessionID: "trs_x", Toolkit: "confluence",
		Tool: "CONFLUENCE_GET_PAGE_BY_ID", Version: "20260101_00", AccountID: "ca_x", Door: "mcp", RequestID: "req_x",
		Outcome: domain.OutcomeRefused, ErrorCode: domain.CodeNoConnection, Error: "connect first", ArgsSize: 12,
		ArgsDigest: hash(id), ResultSize: 1 << 33, UpstreamCalls: 2, StartedAt: at(minutes), Duration: 1234567 * time.Microsecond,
		AuthConfigID: "ac_x", ParentID: "log_parent", ParentTool: "COMPOSIO_MULTI_EXECUTE_TOOL", UpstreamID: "up-x", UpstreamStatus: 503, SealedArgs: "sealed-x",
	}
}

func fullConfig() domain.SessionConfig {
	yes, no, size := true, false, 4096
	return domain.SessionConfig{
		Toolkits: &domain.Selection{Enable: []string{"confluence"}},
		Tools: map[string]domain.ToolRule{"confluence": {
			Disable: []string{"CONFLUENCE_DELETE_PAGE"}, Tags: &domain.TagRule{Enable: []string{"readOnlyHint"}},
		}},
		Tags:              &domain.TagRule{Disable: []string{"destructiveHint"}},
		AuthConfigs:       map[string]string{"confluence": "ac_1"},
		ConnectedAccounts: map[string][]string{"confluence": {"ca_1", "ca_2"}},
		ManageConnections: domain.ManageConnectionsConfig{CallbackURL: "https://x.example/?a=<b>&c", Wait: true, Removal: &no},
		Workbench:         domain.WorkbenchConfig{ProxyExecution: &yes, AutoOffloadThreshold: &size, SandboxSize: "large"},
		MultiAccount:      domain.MultiAccountConfig{Enable: true, Max: 3, RequireExplicit: true},
		Preload:           domain.PreloadConfig{Tools: []string{"CONFLUENCE_GET_PAGES"}},
		SearchOff:         true,
		MultiExecuteOff:   true,
	}
}

func hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// must unwraps a result or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func wantCode(t testing.TB, err error, want domain.Code) {
	t.Helper()
	var e *domain.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("got error %v of code %q, want code %q", err, domain.CodeOf(err), want)
	}
}

// same compares what was stored with what came back. Empty and nil are one.
func same[T any](t testing.TB, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func ids[T any](items []T, id func(T) string) string {
	out := make([]string, len(items))
	for i, v := range items {
		out[i] = id(v)
	}
	return strings.Join(out, " ")
}

func accountIDs(items []domain.ConnectedAccount) string {
	return ids(items, func(a domain.ConnectedAccount) string { return a.ID })
}

func executionIDs(items []domain.Execution) string {
	return ids(items, func(e domain.Execution) string { return e.ID })
}

// snapshot gives all that the project has, to see that nothing changed.
func snapshot(ctx context.Context, t testing.TB, q store.Queries, n tenant) string {
	t.Helper()
	id := n.project.ID
	configs, configsTotal, err := q.ListAuthConfigs(ctx, id, "", store.Page{Limit: 1000})
	ok(t, err)
	accounts, accountsTotal, err := q.ListAccounts(ctx, id, store.AccountFilter{}, store.Page{Limit: 1000})
	ok(t, err)
	execs, execsTotal, err := q.ListExecutions(ctx, id, store.ExecutionFilter{}, store.Page{Limit: 1000})
	ok(t, err)
	files, filesTotal, err := q.ListFiles(ctx, id, store.FileFilter{}, store.Page{Limit: 1000})
	ok(t, err)
	secrets := must(q.SecretsAfter(ctx, store.SecretFilter{ProjectID: id}, store.SecretKey{}, 1000))(t)
	told, _, err := q.ListEvents(ctx, id, store.EventFilter{}, store.Page{Limit: 1000})
	ok(t, err)
	deliveries, _, err := q.ListDeliveries(ctx, id, store.DeliveryFilter{}, store.Page{Limit: 1000})
	ok(t, err)
	triggers, _, err := q.ListTriggers(ctx, id, store.TriggerFilter{}, store.Page{Limit: 1000})
	ok(t, err)
	received := must(q.CountInbound(ctx, id, n.endpoint.ID))(t)
	return fmt.Sprintln(must(q.ListMCPServers(ctx, id))(t), must(q.MCPInstance(ctx, id, n.server.ID, n.instance.UserID))(t), must(q.ListEndpoints(ctx, id, ""))(t), received, must(q.Inbound(ctx, id, n.inbound.ID))(t), triggers, must(q.Poll(ctx, id, n.poll.ID))(t), told, deliveries, must(q.ListWebhooks(ctx, id))(t), must(q.ListAttempts(ctx, id, n.delivery.ID))(t),
		must(q.Project(ctx, id))(t), must(q.ListAPIKeys(ctx, id))(t), configs, configsTotal, accounts,
		accountsTotal, execs, execsTotal, files, filesTotal, secrets, must(q.LinkByHash(ctx, n.link.TokenHash))(t),
		fmt.Sprintf("%+v", must(q.Session(ctx, id, n.session.ID))(t).Version))
}
