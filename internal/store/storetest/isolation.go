package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// attempt tries to reach a thing of victim in the name of project.
type attempt struct {
	method string
	try    func(ctx context.Context, q store.Queries, project string, victim tenant) error
	want   domain.Code // "" where the answer must be empty instead
}

// attempts has every method that takes a project. What is missing here and not
// excused below fails the test.
var attempts = []attempt{
	{"ListAPIKeys", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ListAPIKeys(ctx, project)
		return leak(err, got, func(k domain.APIKey) bool { return k.ProjectID == v.project.ID })
	}, ""},
	{"RevokeAPIKey", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.RevokeAPIKey(ctx, project, v.key.ID, at(1))
	}, domain.CodeNotFound},
	{"Approval", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Approval(ctx, project, v.approval.ID)
		return err
	}, domain.CodeNotFound},
	{"ListApprovals", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListApprovals(ctx, project, store.ApprovalFilter{SessionID: v.session.ID}, store.Page{})
		return leak(counted(err, total), got, func(domain.Approval) bool { return true })
	}, ""},
	{"ApprovalsOf", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ApprovalsOf(ctx, project, callOf(v.approval), at(1))
		return counted(err, len(got))
	}, ""},
	{"DecideApproval", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		a := v.approval
		a.State = domain.ApprovalAllowed
		if done, err := q.DecideApproval(ctx, project, a, domain.ApprovalPending); done || err != nil {
			return fmt.Errorf("decided for another project: %w", err)
		}
		return nil
	}, ""},
	{"UseApproval", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		a := v.approval
		a.ID, a.State = a.ID+"_allowed_"+project, domain.ApprovalAllowed
		if err := q.AddApproval(ctx, a); err != nil {
			return err
		}
		if done, err := q.UseApproval(ctx, project, a.ID, "log_x", at(1)); done || err != nil {
			return fmt.Errorf("used another project's: %w", err)
		}
		return nil
	}, ""},
	{"AuthConfig", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.AuthConfig(ctx, project, v.config.ID)
		return err
	}, domain.CodeNotFound},
	{"FindAuthConfig", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.FindAuthConfig(ctx, project, "only-"+v.project.ID, domain.OriginProject)
		return err
	}, domain.CodeNotFound},
	{"ListAuthConfigs", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListAuthConfigs(ctx, project, "only-"+v.project.ID, store.Page{})
		return leak(counted(err, total), got, func(domain.AuthConfig) bool { return true })
	}, ""},
	{"UpdateAuthConfig", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		c := v.config
		c.Name = "stolen"
		return q.UpdateAuthConfig(ctx, project, c)
	}, domain.CodeNotFound},
	{"DeleteAuthConfig", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteAuthConfig(ctx, project, v.config.ID)
	}, domain.CodeNotFound},
	{"PutConfigSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.PutConfigSecret(ctx, project, v.config.ID, "client_secret", []byte("forged"))
	}, domain.CodeNotFound},
	{"ConfigSecrets", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ConfigSecrets(ctx, project, v.config.ID)
		return counted(err, len(got))
	}, ""},
	{"SwapGrant", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		swapped, err := q.SwapGrant(ctx, project, v.account)
		if swapped {
			return fmt.Errorf("swapped the grant of another project")
		}
		return err
	}, ""},
	{"AddAccountEvent", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		e := v.event
		e.ID, e.ProjectID = "evt_forged", project
		return q.AddAccountEvent(ctx, e)
	}, domain.CodeNotFound},
	{"ListAccountEvents", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListAccountEvents(ctx, project, store.AccountEventFilter{AccountID: v.account.ID}, store.Page{})
		return leak(counted(err, total), got, func(domain.AccountEvent) bool { return true })
	}, ""},
	{"Event", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Event(ctx, project, v.told.ID)
		return err
	}, domain.CodeNotFound},
	{"ListEvents", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, _, err := q.ListEvents(ctx, project, store.EventFilter{}, store.Page{Limit: 1000})
		return leak(err, got, func(e domain.Event) bool { return e.ProjectID == v.project.ID })
	}, ""},
	{"Webhook", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Webhook(ctx, project, v.hook.ID)
		return err
	}, domain.CodeNotFound},
	{"ListWebhooks", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ListWebhooks(ctx, project)
		return leak(err, got, func(h domain.Webhook) bool { return h.ProjectID == v.project.ID })
	}, ""},
	{"UpdateWebhook", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		h := v.hook
		h.URL = "https://thief.example"
		return q.UpdateWebhook(ctx, project, h)
	}, domain.CodeNotFound},
	{"DeleteWebhook", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteWebhook(ctx, project, v.hook.ID)
	}, domain.CodeNotFound},
	{"PutWebhookSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.PutWebhookSecret(ctx, project, v.hook.ID, "secret", []byte("forged"))
	}, domain.CodeNotFound},
	{"WebhookSecrets", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.WebhookSecrets(ctx, project, v.hook.ID)
		return counted(err, len(got))
	}, ""},
	{"AddDelivery", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		d := v.delivery
		d.ID, d.ProjectID = "dlv_forged", project // of the victim's event, to its address
		_, err := q.AddDelivery(ctx, d)
		return err
	}, domain.CodeNotFound},
	{"Delivery", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Delivery(ctx, project, v.delivery.ID)
		return err
	}, domain.CodeNotFound},
	{"UpdateDelivery", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		d := v.delivery
		d.State = domain.DeliveryDead
		return q.UpdateDelivery(ctx, project, d)
	}, domain.CodeNotFound},
	{"ListDeliveries", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListDeliveries(ctx, project, store.DeliveryFilter{EventID: v.told.ID}, store.Page{})
		return leak(counted(err, total), got, func(domain.Delivery) bool { return true })
	}, ""},
	{"OpenDeliveries", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.OpenDeliveries(ctx, project, v.hook.ID, 10)
		return counted(err, len(got))
	}, ""},
	{"ParkedDeliveries", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ParkedDeliveries(ctx, project, v.hook.ID, 10)
		return counted(err, len(got))
	}, ""},
	{"ClaimedDelivery", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		if claimed, err := q.ClaimedDelivery(ctx, project, v.hook.ID, time.Time{}.Add(-time.Hour)); claimed || err != nil {
			return fmt.Errorf("another project's attempt shows: %w", err)
		}
		return nil
	}, ""},
	{"EndDeliveries", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.EndDeliveries(ctx, project, v.hook.ID, "stolen", at(1))
	}, ""},
	{"AddAttempt", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		a := attemptOf(v.delivery, 99)
		a.ProjectID = project
		return q.AddAttempt(ctx, a)
	}, domain.CodeNotFound},
	{"ListAttempts", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ListAttempts(ctx, project, v.delivery.ID)
		return counted(err, len(got))
	}, ""},
	{"CreateFlow", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		f := v.flow
		f.ProjectID, f.StateHash = project, hash("forged")
		return q.CreateFlow(ctx, f)
	}, domain.CodeNotFound},
	{"UseFlow", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		used, err := q.UseFlow(ctx, project, v.flow.StateHash, at(1))
		if used {
			return fmt.Errorf("used a flow of another project")
		}
		return err
	}, ""},
	{"CreateAccount", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		a := v.account
		a.ID, a.ProjectID, a.WordID = "ca_thief", project, ""
		return q.CreateAccount(ctx, a) // with the victim's auth config
	}, domain.CodeNotFound},
	{"Account", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Account(ctx, project, v.account.ID)
		return err
	}, domain.CodeNotFound},
	{"UpdateAccount", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		a := v.account // still says that it is the victim's
		a.Alias = "stolen"
		return q.UpdateAccount(ctx, project, a)
	}, domain.CodeNotFound},
	{"ListAccounts", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.ListAccounts(ctx, project, store.AccountFilter{IDs: []string{v.account.ID}}, store.Page{})
		return leak(counted(err, total), got, func(domain.ConnectedAccount) bool { return true })
	}, ""},
	{"ActiveAccounts", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.ActiveAccounts(ctx, project, v.account.UserID, v.account.Toolkit)
		return leak(err, got, func(a domain.ConnectedAccount) bool { return a.ProjectID == v.project.ID })
	}, ""},
	{"DeleteAccount", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteAccount(ctx, project, v.account.ID)
	}, domain.CodeNotFound},
	{"PutSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.PutSecret(ctx, project, v.account.ID, "access_token", []byte("forged"))
	}, domain.CodeNotFound},
	{"Secrets", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.Secrets(ctx, project, v.account.ID)
		return counted(err, len(got))
	}, ""},
	{"SecretsAfter", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		if project == "" {
			return nil // the operator's walk over all
		}
		got, err := q.SecretsAfter(ctx, store.SecretFilter{ProjectID: project}, store.SecretKey{}, 100)
		return leak(err, got, func(i store.SecretInfo) bool { return i.ProjectID == v.project.ID })
	}, ""},
	{"CountSecrets", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		if project == "" {
			return nil
		}
		n, err := q.CountSecrets(ctx, store.SecretFilter{ProjectID: project, Under: []byte("sealed " + v.project.Name)})
		return counted(err, n)
	}, ""},
	{"SwapSecret", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		key := store.SecretKey{ProjectID: project, AccountID: v.account.ID, Field: "access_token"}
		swapped, err := q.SwapSecret(ctx, key, []byte("sealed "+v.project.Name), []byte("forged"))
		if swapped {
			return fmt.Errorf("swapped a secret of another project")
		}
		return err
	}, ""},
	{"DeleteSecrets", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		n, err := q.DeleteSecrets(ctx, project, v.account.ID)
		return counted(err, n)
	}, ""},
	{"TouchAccount", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.TouchAccount(ctx, project, v.account.ID, at(99))
	}, ""},
	{"CreateLink", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		l := v.link
		l.ProjectID, l.TokenHash = project, hash("forged")
		return q.CreateLink(ctx, l)
	}, domain.CodeNotFound},
	{"BindLink", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		bound, err := q.BindLink(ctx, project, v.link.TokenHash, hash("thief"))
		if bound {
			return fmt.Errorf("bound a link of another project")
		}
		return err
	}, ""},
	{"VoidLinks", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		n, err := q.VoidLinks(ctx, project, v.account.ID, at(1))
		return counted(err, n)
	}, ""},
	{"UseLink", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		used, err := q.UseLink(ctx, project, v.link.TokenHash, at(1))
		if used {
			return fmt.Errorf("used a link of another project")
		}
		return err
	}, ""},
	{"Session", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Session(ctx, project, v.session.ID)
		return err
	}, domain.CodeNotFound},
	{"UpdateSession", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		se := v.session
		se.Version++
		return q.UpdateSession(ctx, project, se)
	}, domain.CodeNotFound},
	{"DeleteSession", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		return q.DeleteSession(ctx, project, v.session.ID)
	}, domain.CodeNotFound},
	{"SessionVersions", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.SessionVersions(ctx, project, v.session.ID, store.Page{})
		return counted(err, len(got)+total)
	}, ""},
	{"ToolkitUse", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		used, err := q.ToolkitUse(ctx, project, v.exec.StartedAt)
		for _, n := range used { // each project has one call
			err = counted(err, n-1)
		}
		return err
	}, ""},
	{"MountFiles", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, total, err := q.MountFiles(ctx, project, store.MountFilter{SessionID: v.session.ID}, store.Page{})
		return counted(err, len(got)+total)
	}, ""},
	{"LeaveMount", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		n, err := q.LeaveMount(ctx, project, store.MountFilter{SessionID: v.session.ID}, at(1))
		return counted(err, n)
	}, ""},
	{"Execution", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.Execution(ctx, project, v.exec.ID)
		return err
	}, domain.CodeNotFound},
	{"ListExecutions", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, _, err := q.ListExecutions(ctx, project, store.ExecutionFilter{}, store.Page{Limit: 1000})
		return leak(err, got, func(e domain.Execution) bool { return e.ProjectID == v.project.ID })
	}, ""},
	{"SearchExecutions", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.SearchExecutions(ctx, project, store.ExecutionQuery{Tests: []store.ExecutionTest{
			{Columns: []store.ExecutionColumn{store.ExecutionID, store.ExecutionUser}, Values: []string{v.exec.ID, v.exec.UserID}},
			{Columns: []store.ExecutionColumn{store.ExecutionTool}, Values: []string{"nothing"}, Not: true},
		}}, 1000)
		return leak(err, got, func(e domain.Execution) bool { return e.ProjectID == v.project.ID })
	}, ""},
	{"CountExecutions", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.CountExecutions(ctx, project, store.UsageQuery{By: store.ExecutionID, Limit: 1000})
		return leak(err, got.Groups, func(g store.UsageGroup) bool { return g.Key == v.exec.ID })
	}, ""},
	{"CountSessions", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, err := q.CountSessions(ctx, project, store.UsageQuery{By: store.ExecutionSession, Limit: 1000})
		return leak(err, got.Groups, func(g store.UsageGroup) bool { return g.Key == v.session.ID })
	}, ""},
	{"DropExecutions", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.DropExecutions(ctx, project, v.exec.StartedAt.Add(-time.Second), 10) // the own ones began later
		return err
	}, ""},
	{"File", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		_, err := q.File(ctx, project, v.file.Key)
		return err
	}, domain.CodeNotFound},
	{"ListFiles", func(ctx context.Context, q store.Queries, project string, v tenant) error {
		got, _, err := q.ListFiles(ctx, project, store.FileFilter{}, store.Page{Limit: 1000})
		return leak(err, got, func(f domain.File) bool { return f.ProjectID == v.project.ID })
	}, ""},
}

// excused are the methods that no project id could narrow, with the reason.
var excused = map[string]string{
	"CreateProject":       "makes a project",
	"UnplacedEvents":      "is for the work over all projects",
	"EventHeads":          "tells only how far the events of projects go that the caller names",
	"Project":             "takes the project itself",
	"ListProjects":        "is for the operator",
	"Branding":            "takes the project itself",
	"PutBranding":         "takes the project itself",
	"CreateAPIKey":        "writes under its own project id and refers to nothing else",
	"APIKeyByHash":        "is how the project becomes known",
	"RevokedAPIKeys":      "tells only whether keys the caller has seen are good",
	"CreateAuthConfig":    "writes under its own project id and refers to nothing else",
	"LinkByHash":          "is how a link's project becomes known",
	"DueAccounts":         "is for the sweep over all projects",
	"TakeLease":           "belongs to the installation",
	"DropLease":           "belongs to the installation",
	"FlowByState":         "is how a callback's project becomes known",
	"RevokeAPIKeys":       "takes the project itself",
	"EndProject":          "takes the project itself",
	"EndedProjects":       "is for the operator",
	"DropOfProject":       "takes the project itself, and only one that has ended",
	"ExpireFiles":         "takes the project itself, and only one that has ended",
	"DropProject":         "takes the project itself, and only one that has ended",
	"CreateOperatorKey":   "belongs to the installation",
	"OperatorKeyByHash":   "belongs to the installation",
	"ListOperatorKeys":    "belongs to the installation",
	"RevokeOperatorKey":   "belongs to the installation",
	"AddEvent":            "writes under its own project id and refers to nothing else",
	"DropEvents":          "is for the operator: what is old goes, whoever had it",
	"CreateEndpoint":      "writes under its own project id and refers to nothing else",
	"EndpointByID":        "is how the project of what an application sends becomes known",
	"DropInbounds":        "is for the operator: what is old goes, whoever had it",
	"TriggerBounds":       "takes the project itself",
	"PutTriggerBounds":    "takes the project itself",
	"CreateWebhook":       "writes under its own project id and refers to nothing else",
	"DueWebhooks":         "is for the sweep over all projects",
	"LostDeliveries":      "is for the sweep over all projects",
	"OverdueDeliveries":   "is for the sweep over all projects",
	"RecoveredTriggers":   "is for the sweep over all projects",
	"LostPolls":           "is for the sweep over all projects",
	"EndParked":           "is for the sweep over all projects",
	"CreateMCPServer":     "writes under its own project id and refers to nothing else",
	"MCPServerOfAny":      "is how an address's project becomes known",
	"ProjectSettings":     "takes the project itself",
	"PutProjectSettings":  "takes the project itself",
	"CreateSession":       "writes under its own project id and refers to nothing else",
	"RecordExecution":     "writes under its own project id and refers to nothing else",
	"AddFile":             "writes under its own project id and refers to nothing else",
	"DropExpiredFiles":    "is for the operator: what has expired goes, whoever had it",
	"HasExpiredFiles":     "is for the operator: what has expired goes, whoever had it",
	"FileContentUsed":     "is how content that nobody has is found",
	"PutFileChunk":        "keeps content, which no project owns; which files have it is in Files",
	"FileChunk":           "gives content to who knows its hash, which only a file tells",
	"DropFileChunks":      "is for content that nobody has",
	"AddApproval":         "writes under its own project id and refers to nothing else",
	"SpendState":          "writes under its own project id and refers to nothing else",
	"DropApprovals":       "is for the operator: what is old goes, whoever had it",
	"DropSpentStates":     "is for the operator: what has expired goes, whoever had it",
	"DropExpiredLinks":    "is for the operator: what has expired goes, whoever had it",
	"DropWaitingAccounts": "is for the operator: what was given up goes, whoever began it",
	"DropAccountEvents":   "is for the operator: what is old goes, whoever had it",
	"DropEndedLeases":     "belongs to the installation",
	"DropExpiredFlows":    "is for the operator: what has expired goes, whoever had it",
	"DropSecretsOfFlows":  "is for the operator: what was given up goes, whoever began it",
	"LoadKeyset":          "belongs to the installation",
	"SaveKeyset":          "belongs to the installation",
	"SwapKeyset":          "belongs to the installation",
}

func testIsolation(t *testing.T, s store.Store) {
	covered := map[string]bool{}
	for _, a := range slices.Concat(attempts, triggerAttempts, feedAttempts, serverAttempts, inboundAttempts) {
		covered[a.method] = true
	}
	all := reflect.TypeFor[store.Queries]()
	for i := range all.NumMethod() {
		if name := all.Method(i).Name; !covered[name] && excused[name] == "" {
			t.Errorf("%s is not tried with another project's id", name)
		}
	}
	w := isolationWorld(t, s)
	tryAll(t.Context(), t, s, w)
}

func testIsolationInTx(t *testing.T, s store.Store) {
	w := isolationWorld(t, s)
	for _, a := range slices.Concat(attempts, triggerAttempts, feedAttempts, serverAttempts, inboundAttempts) {
		t.Run(a.method, func(t *testing.T) {
			// One each: on some databases a failed statement ends its transaction.
			err := s.InTx(t.Context(), func(tx store.Tx) error {
				return a.try(t.Context(), tx, w.b.project.ID, w.a)
			})
			verdict(t, a, err)
		})
	}
	same(t, w.before, snapshot(t.Context(), t, s, w.a))
}

type isolated struct {
	world
	before string
}

// isolationWorld adds a toolkit that only one of the two has.
func isolationWorld(t *testing.T, s store.Store) isolated {
	w := newWorld(t, s)
	for _, n := range []tenant{w.a, w.b} {
		c := n.config
		c.ID, c.Toolkit = "ac_only_"+n.project.ID, "only-"+n.project.ID
		ok(t, s.CreateAuthConfig(t.Context(), c))
	}
	return isolated{world: w, before: snapshot(t.Context(), t, s, w.a)}
}

func tryAll(ctx context.Context, t *testing.T, q store.Queries, w isolated) {
	for _, project := range []string{w.b.project.ID, "pr_none", "", w.a.project.ID + " ", "%"} {
		for _, a := range slices.Concat(attempts, triggerAttempts, feedAttempts, serverAttempts, inboundAttempts) {
			t.Run(fmt.Sprintf("%s as %q", a.method, project), func(t *testing.T) {
				verdict(t, a, a.try(ctx, q, project, w.a))
			})
		}
	}
	same(t, w.before, snapshot(ctx, t, q, w.a))
}

func verdict(t *testing.T, a attempt, err error) {
	t.Helper()
	if a.want == "" {
		ok(t, err)
		return
	}
	wantCode(t, err, a.want)
}

func leak[T any](err error, got []T, foreign func(T) bool) error {
	if err != nil {
		return err
	}
	for _, v := range got {
		if foreign(v) {
			return fmt.Errorf("another project sees %+v", v)
		}
	}
	return nil
}

func counted(err error, n int) error {
	if err == nil && n != 0 {
		return fmt.Errorf("another project counts %d", n)
	}
	return err
}
