package storetest

import (
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// approval gives one of the session that waits.
func approval(se domain.Session, id string, minutes int) domain.Approval {
	return domain.Approval{
		ID: id, ProjectID: se.ProjectID, SessionID: se.ID, UserID: se.UserID, Toolkit: "confluence", Tool: "CONFLUENCE_DELETE_PAGE",
		AccountID: "ca_x", Scope: domain.ApprovalOnce, ArgsDigest: hash("arguments"), Arguments: []byte("sealed"),
		State: domain.ApprovalPending, CreatedAt: at(minutes), ExpiresAt: at(minutes + 60),
	}
}

func callOf(a domain.Approval) store.ApprovalCall {
	return store.ApprovalCall{SessionID: a.SessionID, Tool: a.Tool, AccountID: a.AccountID, ArgsDigest: a.ArgsDigest}
}

func approvalIDs(list []domain.Approval) (ids string) {
	for _, a := range list {
		ids += a.ID + " "
	}
	return ids
}

func testApprovals(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, project, a := t.Context(), w.a.project.ID, w.a.approval
	same(t, a, must(s.Approval(ctx, project, a.ID))(t))
	_, err := s.Approval(ctx, project, "apr_none")
	wantCode(t, err, domain.CodeNotFound)
	wantCode(t, s.AddApproval(ctx, a), domain.CodeConflict)

	// A call's are those of its arguments, and those of the session for its tool.
	session := approval(w.a.session, "apr_session", 1)
	session.Scope, session.ArgsDigest, session.State, session.ExpiresAt = domain.ApprovalSession, hash("others"), domain.ApprovalAllowed, time.Time{}
	ok(t, s.AddApproval(ctx, session))
	for i, edit := range []func(*domain.Approval){
		func(o *domain.Approval) { o.ArgsDigest = hash("others") },
		func(o *domain.Approval) { o.Tool = "CONFLUENCE_OTHER" },
		func(o *domain.Approval) { o.AccountID = "ca_other" },
		func(o *domain.Approval) { o.AccountID = "" },
		func(o *domain.Approval) { o.SessionID = "trs_other" },
		func(o *domain.Approval) { o.State = domain.ApprovalUsed },
	} {
		o := approval(w.a.session, "apr_other_"+string(rune('a'+i)), 2)
		edit(&o)
		ok(t, s.AddApproval(ctx, o))
	}
	same(t, "apr_session apr_a ", approvalIDs(must(s.ApprovalsOf(ctx, project, callOf(a), at(59)))(t)))
	same(t, "apr_session ", approvalIDs(must(s.ApprovalsOf(ctx, project, callOf(a), at(60)))(t)))

	list, total, err := s.ListApprovals(ctx, project, store.ApprovalFilter{SessionID: a.SessionID, State: domain.ApprovalAllowed}, store.Page{})
	ok(t, err)
	same(t, "apr_session ", approvalIDs(list))
	same(t, 1, total)
	_, total, err = s.ListApprovals(ctx, project, store.ApprovalFilter{Tool: a.Tool, UserID: a.UserID, State: domain.ApprovalPending, At: at(61)}, store.Page{})
	ok(t, err)
	same(t, 4, total)

	// It is decided from the state that was read.
	d := a
	d.State, d.DecidedAt, d.DecidedBy, d.KeyID, d.Via, d.ExpiresAt = domain.ApprovalAllowed, at(3), "ann@acme", "key_1", "rest", at(63)
	same(t, false, must(s.UseApproval(ctx, project, a.ID, "log_1", at(3)))(t))
	same(t, false, must(s.DecideApproval(ctx, project, d, domain.ApprovalDenied))(t))
	same(t, true, must(s.DecideApproval(ctx, project, d, domain.ApprovalPending))(t))
	same(t, false, must(s.DecideApproval(ctx, project, d, domain.ApprovalPending))(t))
	same(t, d, must(s.Approval(ctx, project, a.ID))(t))
	same(t, false, must(s.UseApproval(ctx, project, a.ID, "log_1", at(63)))(t)) // too late
	same(t, true, must(s.UseApproval(ctx, project, a.ID, "log_1", at(4)))(t))
	same(t, false, must(s.UseApproval(ctx, project, session.ID, "log_1", at(4)))(t)) // never used up
	d.State, d.UsedAt, d.LogID = domain.ApprovalUsed, at(4), "log_1"
	same(t, d, must(s.Approval(ctx, project, a.ID))(t))
}

// Of many calls at once one may run.
func testApprovalRace(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, a := t.Context(), w.a.approval
	a.ID, a.State = "apr_race", domain.ApprovalAllowed
	ok(t, s.AddApproval(ctx, a))
	used := 0
	for _, first := range atOnce(t, 16, func(int) (bool, error) { return s.UseApproval(ctx, a.ProjectID, a.ID, "log", at(1)) }) {
		if first {
			used++
		}
	}
	same(t, 1, used)
}

func testSpentStates(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx := t.Context()
	first := 0
	for _, won := range atOnce(t, 16, func(int) (bool, error) { return s.SpendState(ctx, w.a.project.ID, hash("s"), at(10)) }) {
		if won {
			first++
		}
	}
	same(t, 1, first)
	same(t, true, must(s.SpendState(ctx, w.a.project.ID, hash("t"), at(20)))(t))
	same(t, true, must(s.SpendState(ctx, w.b.project.ID, hash("s"), at(10)))(t))
	same(t, 0, must(s.DropSpentStates(ctx, at(10), 9))(t))
	same(t, 1, must(s.DropSpentStates(ctx, at(11), 1))(t))
	same(t, 1, must(s.DropSpentStates(ctx, at(11), 9))(t))
	same(t, false, must(s.SpendState(ctx, w.a.project.ID, hash("t"), at(20)))(t))
}

// What was said for a session stays as long as the session.
func testPruneApprovals(t *testing.T, s store.Store) {
	w := newWorld(t, s)
	ctx, project := t.Context(), w.a.project.ID
	kept := approval(w.a.session, "apr_kept", 0)
	kept.Scope = domain.ApprovalSession
	ok(t, s.AddApproval(ctx, kept))
	young := approval(w.a.session, "apr_young", 5)
	ok(t, s.AddApproval(ctx, young))
	same(t, 0, must(s.DropApprovals(ctx, at(0), 9))(t))
	same(t, 1, must(s.DropApprovals(ctx, at(5), 1))(t)) // of one of the projects
	same(t, 1, must(s.DropApprovals(ctx, at(5), 9))(t))
	must(s.Approval(ctx, project, kept.ID))(t)
	must(s.Approval(ctx, project, young.ID))(t)
	ok(t, s.DeleteSession(ctx, project, w.a.session.ID))
	same(t, 1, must(s.DropApprovals(ctx, at(5), 9))(t))
	_, err := s.Approval(ctx, project, kept.ID)
	wantCode(t, err, domain.CodeNotFound)
}
