package storetest

import (
	"fmt"
	"testing"

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
