package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// What has run out goes, the oldest first and bounded; what has not, or belongs
// to another project, stays.
func testPrune(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	for i := 1; i <= 4; i++ {
		ok(t, s.RecordExecution(ctx, execution(project, fmt.Sprint("log_", i), 10*i)))
		a := account(w.a.config, fmt.Sprint("ca_", i), "user")
		a.Status, a.CreatedAt = domain.AccountInitiated, at(10*i)
		ok(t, s.CreateAccount(ctx, a))
		ok(t, s.CreateLink(ctx, domain.ConnectLink{
			TokenHash: hash(a.ID), ProjectID: project, AccountID: a.ID, CreatedAt: a.CreatedAt, ExpiresAt: at(10*i + 10),
		}))
	}
	logs := func() string {
		list, _, err := s.ListExecutions(ctx, project, store.ExecutionFilter{}, store.Page{})
		ok(t, err)
		return executionIDs(list)
	}
	accounts := func() string {
		list, _, err := s.ListAccounts(ctx, project, store.AccountFilter{}, store.Page{})
		ok(t, err)
		return accountIDs(list)
	}
	same(t, 0, must(s.DropExecutions(ctx, project, at(0), 10))(t))
	same(t, 2, must(s.DropExecutions(ctx, project, at(30), 2))(t)) // that of minute 0 and one of two
	same(t, 1, must(s.DropExecutions(ctx, project, at(30), 2))(t))
	same(t, "log_4 log_3", logs())
	must(s.Execution(ctx, w.b.project.ID, w.b.exec.ID))(t)

	// Links expire at minutes 10 (of both projects), 20, 30, 40, 50; accounts wait
	// since 10, 20, 30, 40.
	same(t, 0, must(s.DropWaitingAccounts(ctx, at(20), 10))(t)) // the link was good at 20
	same(t, 1, must(s.DropWaitingAccounts(ctx, at(40), 1))(t))
	same(t, "ca_4 ca_3 ca_2 ca_a", accounts())
	same(t, 1, must(s.DropWaitingAccounts(ctx, at(40), 9))(t))
	same(t, "ca_4 ca_3 ca_a", accounts())
	_, err := s.LinkByHash(ctx, hash("ca_2"))
	wantCode(t, err, domain.CodeNotFound) // it went with its account
	same(t, 2, must(s.DropExpiredLinks(ctx, at(40), 9))(t))
	must(s.LinkByHash(ctx, hash("ca_3")))(t) // was good until then
	same(t, 2, must(s.DropExpiredLinks(ctx, at(60), 9))(t))
	same(t, 2, must(s.DropWaitingAccounts(ctx, at(60), 9))(t)) // without a link too
	same(t, "ca_a", accounts())
}

// A walk to a provider that nobody ended leaves nothing for long, and nothing that
// is anybody's goes with it.
func testPruneWalks(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	project := w.a.project.ID
	add := func(id string, change func(*domain.ConnectedAccount), secrets ...string) {
		a := account(w.a.config, id, "user")
		a.Status, a.Identity, a.Grant = domain.AccountExpired, nil, domain.Grant{}
		if change != nil {
			change(&a)
		}
		ok(t, s.CreateAccount(ctx, a))
		for _, field := range secrets {
			ok(t, s.PutSecret(ctx, project, id, field, []byte("sealed")))
		}
	}
	walk := func(account string, used time.Time) {
		f := w.a.flow
		f.StateHash, f.AccountID = hash("walk of "+account), account
		ok(t, s.CreateFlow(ctx, f))
		if !used.IsZero() && !must(s.UseFlow(ctx, project, f.StateHash, used))(t) {
			t.Fatal("the flow was not used")
		}
	}
	add("ca_lapsed", nil)
	add("ca_failed", func(a *domain.ConnectedAccount) { a.Status = domain.AccountFailed }, "pending_grant")
	add("ca_young", func(a *domain.ConnectedAccount) { a.CreatedAt = at(50) })
	add("ca_linked", nil)
	ok(t, s.CreateLink(ctx, domain.ConnectLink{TokenHash: hash("linked"), ProjectID: project, AccountID: "ca_linked", CreatedAt: t0, ExpiresAt: at(50)}))
	add("ca_typed", nil, "api_token")
	add("ca_known", func(a *domain.ConnectedAccount) { a.Identity = map[string]string{"name": "Ada"} })
	add("ca_granted", func(a *domain.ConnectedAccount) { a.Generation = 1 })
	add("ca_asked", func(a *domain.ConnectedAccount) { a.Generation = 1 }, "access_token", "pending_grant")
	walk("ca_asked", at(8))
	add("ca_gone", func(a *domain.ConnectedAccount) { a.Generation = 1 }, "access_token", "pending_grant")
	walk("ca_gone", at(4))
	walk("ca_granted", time.Time{})

	same(t, 1, must(s.DropSecretsOfFlows(ctx, "pending_grant", at(5), 1))(t))
	same(t, 1, must(s.DropSecretsOfFlows(ctx, "pending_grant", at(5), 9))(t))
	same(t, 0, must(s.DropSecretsOfFlows(ctx, "pending_grant", at(5), 9))(t))
	same(t, 2, len(must(s.Secrets(ctx, project, "ca_asked"))(t)))
	same(t, 1, len(must(s.Secrets(ctx, project, "ca_gone"))(t)))
	same(t, 1, len(must(s.Secrets(ctx, w.b.project.ID, w.b.account.ID))(t)))

	same(t, 1, must(s.DropWaitingAccounts(ctx, at(40), 1))(t))
	same(t, 1, must(s.DropWaitingAccounts(ctx, at(40), 9))(t))
	same(t, 0, must(s.DropWaitingAccounts(ctx, at(40), 9))(t))
	for _, id := range []string{"ca_young", "ca_linked", "ca_typed", "ca_known", "ca_granted", "ca_asked", "ca_gone", w.a.account.ID} {
		must(s.Account(ctx, project, id))(t)
	}

	same(t, 0, must(s.DropExpiredFlows(ctx, at(10), 9))(t)) // good until then
	same(t, 2, must(s.DropExpiredFlows(ctx, at(11), 2))(t))
	same(t, 3, must(s.DropExpiredFlows(ctx, at(11), 9))(t)) // of both projects
}

// Of what became of an account the last word stays; leases go when their time is
// over.
func testPruneNews(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	for i, what := range []domain.AccountEventType{domain.AccountEventExpired, domain.AccountEventRecovered, domain.AccountEventExpiring} {
		e := w.a.event
		e.ID, e.Type, e.At = fmt.Sprint("evt_", i), what, at(10*(i+1))
		ok(t, s.AddAccountEvent(ctx, e))
	}
	same(t, 0, must(s.DropAccountEvents(ctx, at(2), 9))(t))
	same(t, 1, must(s.DropAccountEvents(ctx, at(60), 1))(t))
	same(t, 2, must(s.DropAccountEvents(ctx, at(60), 9))(t))
	same(t, 0, must(s.DropAccountEvents(ctx, at(60), 9))(t))
	for _, n := range []tenant{w.a, w.b} {
		list, total, err := s.ListAccountEvents(ctx, n.project.ID, store.AccountEventFilter{}, store.Page{})
		ok(t, err)
		if total != 1 || list[0].Type != domain.AccountEventExpiring {
			t.Errorf("%s: %d events, the last %+v", n.project.ID, total, list)
		}
	}
	for i := range 3 {
		must(s.TakeLease(ctx, fmt.Sprint("refresh/", i), "one", at(0), at(i+1)))(t)
	}
	same(t, 1, must(s.DropEndedLeases(ctx, at(3), 1))(t))
	same(t, 1, must(s.DropEndedLeases(ctx, at(3), 9))(t))
	if must(s.TakeLease(ctx, "refresh/2", "two", at(2), at(9)))(t) {
		t.Error("a lease that holds was dropped")
	}
}
