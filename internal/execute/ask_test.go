package execute_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// A client sends only the answers of the last round; the tool sees them all.
func TestAskTwice(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := request("NOTES_CONFIRM_TWICE", `{"note_id":"7"}`)
	req.Interact.CanAsk = toolkit.AskKinds{Form: true}
	for _, step := range []struct{ asks, action string }{{"first", "accept"}, {"second", "decline"}} {
		answer, err := f.Run(t.Context(), req)
		if err != nil || answer.Ask == nil || len(answer.Ask.Questions) != 1 {
			t.Fatalf("answer %+v, error %v", answer, err)
		}
		if _, ok := answer.Ask.Questions[step.asks]; !ok {
			t.Fatalf("asked %+v, want %s", answer.Ask.Questions, step.asks)
		}
		req.Interact.State = answer.State
		req.Interact.Answers = map[string]toolkit.Answer{step.asks: {Action: step.action}}
	}
	answer, err := f.Run(t.Context(), req)
	if err != nil || string(answer.Data) != `{"text":"accept decline"}` {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
}

func TestAskAndAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	f.Account(t, connecttest.Project, "bob", "bob@x.test", "")
	req := request("NOTES_CONFIRM", `{"note_id":"7"}`)
	req.Session = &domain.Session{ID: "trs_1", ProjectID: connecttest.Project, UserID: "ann"}

	// Who cannot show a form gets a failed call that says what is asked.
	answer, err := f.Run(t.Context(), req)
	if err != nil || answer.Ask != nil || answer.Successful || answer.Error != "Are you sure?" {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	req.Interact.CanAsk = toolkit.AskKinds{Form: true}
	answer, err = f.Run(t.Context(), req)
	if err != nil || answer.Ask == nil || answer.Successful || answer.State == "" {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	if answer.Ask.Questions["sure"].Message != "Are you sure?" {
		t.Errorf("questions %+v", answer.Ask.Questions)
	}
	if rec := f.last(t, answer.LogID); rec.Outcome != domain.OutcomeAsked {
		t.Errorf("record %+v", rec)
	}
	if strings.Contains(answer.State, "round") {
		t.Error("the tool's state is in the clear")
	}
	asked := answer.State
	back := req
	back.Interact.State = asked
	back.Interact.Answers = map[string]toolkit.Answer{"sure": {Action: "accept"}}
	answer, err = f.Run(t.Context(), back)
	want := `{"text":"accept 7 {\"round\":1,\"was\":{\"round\":1,\"was\":null}}"}`
	if err != nil || !answer.Successful || string(answer.Data) != want {
		t.Fatalf("answer %s, error %v", answer.Envelope(), err)
	}

	// The state is good for this call only.
	flip := func(s string) string {
		b := []byte(s)
		b[len(b)/2] ^= 1
		return string(b)
	}
	for name, edit := range map[string]func(*execute.Request){
		"tampered":        func(r *execute.Request) { r.Interact.State = flip(asked) },
		"cut":             func(r *execute.Request) { r.Interact.State = asked[:len(asked)-4] },
		"made up":         func(r *execute.Request) { r.Interact.State = "e30" },
		"other arguments": func(r *execute.Request) { r.Arguments = []byte(`{"note_id":"8"}`) },
		"other tool":      func(r *execute.Request) { r.Tool = "NOTES_DELETE_NOTE" },
		"other session": func(r *execute.Request) {
			r.Session = &domain.Session{ID: "trs_2", ProjectID: connecttest.Project, UserID: "ann"}
		},
		"other user": func(r *execute.Request) {
			r.Session = &domain.Session{ID: "trs_1", ProjectID: connecttest.Project, UserID: "bob"}
		},
	} {
		bad := back
		edit(&bad)
		_, err := f.Run(t.Context(), bad)
		if e := domain.AsError(err); e == nil || e.Code != domain.CodeInvalid || e.Field != "state" {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.Clock.Advance(10 * time.Minute)
	if _, err := f.Run(t.Context(), back); domain.CodeOf(err) != domain.CodeInvalid || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: %v", err)
	}
}

// An address that a tool wants opened is told to the caller and not kept: it may
// be good for whoever reads it.
func TestAskedAddressIsNotKept(t *testing.T) {
	t.Parallel()
	f := setup(t, nil)
	meta := f.metaTool(t)
	const address = "https://sluice.example/link/lt_secret"
	req := request(meta.Slug, "{}")
	req.Session = &domain.Session{ID: "trs_1", ProjectID: connecttest.Project, UserID: "ann"}
	answer, err := f.RunMeta(t.Context(), req, meta, func(context.Context, json.RawMessage, *toolkit.Call) (json.RawMessage, error) {
		return nil, &toolkit.Ask{Questions: map[string]toolkit.Question{"open": {Message: "Open this:", URL: address}}}
	})
	if err != nil || !strings.Contains(answer.Error, address) || !strings.Contains(string(answer.Data), address) {
		t.Fatalf("answer %+v, %v", answer, err)
	}
	if rec := f.last(t, answer.LogID); !strings.Contains(rec.Error, "Open this") || strings.Contains(rec.Error, "lt_secret") {
		t.Errorf("record %+v", rec)
	}
}

// metaTool is a tool under the name of a meta tool.
func (f *fixture) metaTool(t *testing.T) *toolkit.Tool {
	t.Helper()
	tool, err := toolkit.Raw(policy.SearchTools, "search", "Finds.", toolkit.About{}, toolkit.Hints{}, json.RawMessage(`{"type":"object","properties":{}}`), nil,
		func(context.Context, *toolkit.Call, json.RawMessage) (*toolkit.Result, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return &tool
}
