package execute_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// permitted is a request in a session with permissions.
func permitted(tool, args string, fallback domain.Permission, rules map[string]domain.Permission) execute.Request {
	req := request(tool, args)
	req.Session = &domain.Session{
		ID: "trs_1", ProjectID: connecttest.Project, UserID: "ann",
		Config: domain.SessionConfig{Permissions: &domain.PermissionsConfig{Default: fallback, Overrides: rules}},
	}
	return req
}

const create, note = "NOTES_CREATE_NOTE", `{"text":"hello"}`

func (f *fixture) waits(t *testing.T, req execute.Request) string {
	t.Helper()
	_, err := f.Run(t.Context(), req)
	var w *execute.Waiting
	if domain.CodeOf(err) != domain.CodeForbidden || !errors.As(err, &w) || w.ApprovalID == "" {
		t.Fatalf("got %v, want a call that waits", err)
	}
	if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeRefused || !strings.Contains(rec.Error, w.ApprovalID) {
		t.Errorf("record %+v", rec)
	}
	if fix := domain.AsError(err).Fix; !strings.Contains(fix, w.ApprovalID) || !strings.Contains(fix, "sluice approvals allow") {
		t.Errorf("fix %q", fix)
	}
	return w.ApprovalID
}

func (f *fixture) runs(t *testing.T, req execute.Request) string {
	t.Helper()
	answer, err := f.Run(t.Context(), req)
	if err != nil || !answer.Successful {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	return answer.LogID
}

func (f *fixture) decide(t *testing.T, id string, allow bool) {
	t.Helper()
	if _, err := f.Decide(t.Context(), connecttest.Principal, id, allow, "ann@acme"); err != nil {
		t.Fatal(err)
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	for name, rules := range map[string]map[string]domain.Permission{
		"the tool": {create: domain.AlwaysDeny}, "the account": {"*:" + a.ID: domain.AlwaysDeny}, "what is not known": {create: "perhaps"},
	} {
		_, err := f.Run(t.Context(), permitted(create, note, "", rules))
		if e := domain.AsError(err); e == nil || e.Code != domain.CodeForbidden || e.Fix == "" || !strings.Contains(e.Message, "permissions") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeRefused {
			t.Errorf("%s: record %+v", name, rec)
		}
		f.runs(t, permitted("NOTES_SEARCH_NOTES", `{"text":"x"}`, "", map[string]domain.Permission{create: domain.AlwaysDeny}))
	}
}

// A word on one call is for this call, once, and says who gave it.
func TestApproveOnce(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	a := f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := permitted(create, note, domain.AskAlways, nil)
	id := f.waits(t, req)
	if again := f.waits(t, req); again != id {
		t.Errorf("the same call waits twice: %s, %s", id, again)
	}
	shown, err := f.Approval(t.Context(), connecttest.Project, id)
	if err != nil || string(shown.Arguments) != note || shown.AccountID != a.ID || shown.State != domain.ApprovalPending {
		t.Errorf("shown %+v, %v", shown, err)
	}
	if strings.Contains(string(shown.Approval.Arguments), "hello") {
		t.Error("the arguments are kept in the clear")
	}
	f.decide(t, id, true)
	other := req
	other.Arguments = []byte(`{"text":"other"}`)
	if f.waits(t, other) == id {
		t.Error("other arguments have the same approval")
	}
	stranger := req
	session := *req.Session
	session.ID = "trs_2"
	stranger.Session = &session
	f.waits(t, stranger)
	spelt := req
	spelt.Arguments = []byte(` { "text" : "hello" } `)
	log := f.runs(t, spelt)
	got, err := f.DB.Approval(t.Context(), connecttest.Project, id)
	want := got
	want.State, want.DecidedBy, want.KeyID, want.Via, want.LogID = domain.ApprovalUsed, "ann@acme", "key_main", execute.ViaREST, log
	if diff := cmp.Diff(want, got); diff != "" || err != nil || got.DecidedAt.IsZero() || got.UsedAt.IsZero() {
		t.Errorf("%v\n%s", err, diff)
	}
	if f.waits(t, req) == id {
		t.Error("an approval is good twice")
	}
	if _, err := f.Decide(t.Context(), connecttest.Principal, id, true, ""); domain.CodeOf(err) != domain.CodeConflict {
		t.Errorf("deciding again: %v", err)
	}
	if _, err := f.Decide(t.Context(), domain.Principal{ProjectID: connecttest.Other}, id, true, ""); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("another project: %v", err)
	}
}

// Of many calls that were allowed once, one runs.
func TestApproveOnceAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := permitted(create, note, domain.AskAlways, nil)
	f.decide(t, f.waits(t, req), true)
	var wg sync.WaitGroup
	ran := make(chan bool, 8)
	for range cap(ran) {
		wg.Go(func() {
			answer, err := f.Run(t.Context(), req)
			ran <- err == nil && answer.Successful
		})
	}
	wg.Wait()
	close(ran)
	n := 0
	for ok := range ran {
		if ok {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d calls ran, want 1", n)
	}
}

func TestDenyAndExpire(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := permitted(create, note, domain.AskAlways, nil)
	id := f.waits(t, req)
	f.decide(t, id, false)
	_, err := f.Run(t.Context(), req)
	if domain.CodeOf(err) != domain.CodeForbidden || !strings.Contains(err.Error(), "a person denied it") {
		t.Errorf("denied: %v", err)
	}
	f.Clock.Advance(time.Hour)
	late := f.waits(t, req)
	if late == id {
		t.Error("an old word counts")
	}
	f.Clock.Advance(time.Hour)
	if _, err := f.Decide(t.Context(), connecttest.Principal, late, true, ""); domain.CodeOf(err) != domain.CodeConflict {
		t.Errorf("deciding too late: %v", err)
	}
	unused := f.waits(t, req)
	f.decide(t, unused, true)
	f.Clock.Advance(time.Hour)
	if f.waits(t, req) == unused {
		t.Error("an approval that expired is good")
	}
}

// A word for the session holds for all arguments, until it is changed.
func TestApproveForSession(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := permitted(create, note, domain.AskOnce, nil)
	id := f.waits(t, req)
	other := req
	other.Arguments = []byte(`{"text":"other"}`)
	if f.waits(t, other) != id {
		t.Error("one question for the session, and there are two")
	}
	f.decide(t, id, true)
	f.Clock.Advance(100 * time.Hour)
	f.runs(t, req)
	f.runs(t, other)
	always := permitted(create, note, domain.AskAlways, nil)
	f.waits(t, always) // asks for each call, whatever was said for the session
	f.decide(t, id, false)
	for _, r := range []execute.Request{req, other} {
		r.Interact.CanAsk = toolkit.AskKinds{Form: true}
		if _, err := f.Run(t.Context(), r); domain.CodeOf(err) != domain.CodeForbidden {
			t.Errorf("denied for the session: %v", err)
		}
	}
}

func TestTooManyWait(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := permitted(create, note, domain.AskAlways, nil)
	for i := range 100 {
		req.Arguments = []byte(`{"text":"` + strings.Repeat("x", i+1) + `"}`)
		f.waits(t, req)
	}
	req.Arguments = []byte(`{"text":"one more"}`)
	if _, err := f.Run(t.Context(), req); domain.CodeOf(err) != domain.CodeForbidden || !strings.Contains(err.Error(), "the most that may") {
		t.Errorf("one more: %v", err)
	}
	if _, n, err := f.DB.ListApprovals(t.Context(), connecttest.Project, store.ApprovalFilter{}, store.Page{}); n != 100 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
}

// The question comes before the tool's own ones, and a state comes back once.
func TestAskInClient(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := permitted("NOTES_CONFIRM", `{"note_id":"7"}`, domain.AskAlways, nil)
	req.Interact.CanAsk = toolkit.AskKinds{Form: true}
	ask := func(req execute.Request, question string) execute.Request {
		t.Helper()
		answer, err := f.Run(t.Context(), req)
		if err != nil || answer.Ask == nil || len(answer.Ask.Questions) != 1 || answer.Ask.Questions[question].Message == "" {
			t.Fatalf("answer %+v, error %v", answer, err)
		}
		if rec := f.last(t, answer.LogID); rec.Outcome != domain.OutcomeAsked {
			t.Errorf("record %+v", rec)
		}
		req.Interact.State = answer.State
		return req
	}
	reply := func(req execute.Request, question, action string) execute.Request {
		req.Interact.Answers = map[string]toolkit.Answer{question: {Action: action}}
		return req
	}
	const own = "sluice_approval"
	for _, action := range []string{"decline", "cancel"} {
		_, err := f.Run(t.Context(), reply(ask(req, own), own, action))
		if domain.CodeOf(err) != domain.CodeForbidden {
			t.Errorf("%s: %v", action, err)
		}
	}
	allowed := reply(ask(req, own), own, "accept")
	sure := ask(allowed, "sure")
	if _, err := f.Run(t.Context(), allowed); domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(err.Error(), "used already") {
		t.Errorf("the same answer again: %v", err)
	}
	sure = reply(sure, "sure", "accept")
	f.runs(t, sure)
	if _, err := f.Run(t.Context(), sure); domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(err.Error(), "used already") {
		t.Errorf("the tool's answer again: %v", err)
	}
	list, _, err := f.DB.ListApprovals(t.Context(), connecttest.Project, store.ApprovalFilter{State: domain.ApprovalUsed}, store.Page{})
	if err != nil || len(list) != 1 || list[0].Via != execute.ViaMCP || list[0].KeyID != "key_main" {
		t.Errorf("kept %+v, %v", list, err)
	}
}
