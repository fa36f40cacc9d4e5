package execute_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/toolkit"
)

// rated gives limits of so many calls a day, by a clock that stands still.
func rated(user, toolkit int) func(*execute.Options) {
	now := time.Unix(1e9, 0)
	of := func(kind string, burst int) *policy.Limiter {
		return policy.NewLimiter(policy.LimiterOptions{
			Kind: kind, Rate: policy.Rate{Burst: burst, Window: 24 * time.Hour}, Now: func() time.Time { return now },
		})
	}
	return func(o *execute.Options) {
		o.RateUser, o.RateToolkit = of(policy.LimitUser, user), of(policy.LimitToolkit, toolkit)
	}
}

// limits says which limit refuses, "" none.
func (f *fixture) limits(t *testing.T, req execute.Request) string {
	t.Helper()
	_, err := f.Run(t.Context(), req)
	if domain.CodeOf(err) != domain.CodeRateLimited {
		if err != nil && domain.CodeOf(err) != domain.CodeInvalid && domain.CodeOf(err) != domain.CodeNotFound {
			t.Errorf("%s: %v", req.Tool, err)
		}
		return ""
	}
	rec := f.last(t, execute.LogID(err))
	if rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != domain.CodeRateLimited || rec.UpstreamCalls != 0 || rec.AccountID != "" {
		t.Errorf("record %+v", rec)
	}
	var data struct {
		Seconds int `json:"retry_after_seconds"`
	}
	if err := json.Unmarshal(execute.RefusalData(domain.AsError(err)), &data); err != nil || data.Seconds == 0 {
		t.Errorf("no time to come again: %v", err)
	}
	if domain.AsError(err).Message[:9] == "this user" {
		return policy.LimitUser
	}
	return policy.LimitToolkit
}

// Who is over their limit takes nothing from the others of the project; what
// another limit refuses is given back.
func TestARefusedCallTakesNothingFromOthers(t *testing.T) {
	t.Parallel()
	f := setup(t, rated(2, 5))
	add := func(user string) execute.Request {
		req := request("ABACUS_ADD", `{"a":1,"b":2}`)
		req.UserID = user
		return req
	}
	for i, step := range []struct {
		user, want string
	}{
		{"ann", ""},
		{"ann", ""},
		{"ann", "user"},
		{"ann", "user"},
		{"ann", "user"},
		{"ann", "user"}, // two of five are used
		{"bob", ""},
		{"bob", ""},
		{"cid", ""},
		{"cid", "toolkit"},
		{"cid", "toolkit"},
		{"dan", "toolkit"},
		{"dan", "toolkit"},
		{"dan", "toolkit"},
		{"ann", "user"},
	} {
		if got := f.limits(t, add(step.user)); got != step.want {
			t.Errorf("call %d, of %s: refused by %q, want %q", i, step.user, got, step.want)
		}
	}
	// Another toolkit has a bucket of its own, and there cid has what was given back.
	note := request("NOTES_CREATE_NOTE", `{"no":"such argument"}`)
	note.UserID = "cid"
	for i, want := range []string{"", "user"} {
		if got := f.limits(t, note); got != want {
			t.Errorf("call %d of another toolkit: refused by %q, want %q", i, got, want)
		}
	}
	other := add("ann")
	other.Principal = domain.Principal{ProjectID: "proj_other", KeyID: "key_other"}
	if got := f.limits(t, other); got != "" {
		t.Errorf("the same user id of another project is refused by %s", got)
	}
}

// A call counts once, however often it asks; what is no answer of its own gets
// nothing for free.
func TestACallThatAsksCountsOnce(t *testing.T) {
	t.Parallel()
	f := setup(t, rated(1, 1))
	f.Account(t, connecttest.Project, "ann", "ann@x.test", "")
	req := request("NOTES_CONFIRM_TWICE", `{"note_id":"7"}`)
	req.Interact.CanAsk = toolkit.AskKinds{Form: true}
	for _, asks := range []string{"first", "second"} {
		answer, err := f.Run(t.Context(), req)
		if err != nil || answer.Ask == nil {
			t.Fatalf("answer %+v, error %v", answer, err)
		}
		req.Interact.State = answer.State
		req.Interact.Answers = map[string]toolkit.Answer{asks: {Action: "accept"}}
	}
	if answer, err := f.Run(t.Context(), req); err != nil || !answer.Successful {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	for name, state := range map[string]string{"used already": req.Interact.State, "made up": "made-up"} {
		req.Interact.State = state
		if answer, err := f.Run(t.Context(), req); domain.CodeOf(err) != domain.CodeInvalid {
			t.Errorf("%s: answer %+v, error %v", name, answer, err)
		}
	}
	req.Interact.State, req.Interact.Answers = "", nil
	if got := f.limits(t, req); got != "user" {
		t.Errorf("another call: refused by %q", got)
	}
}

// A call counts before a model is asked to read its text; what is no tool, and a
// look at what a call would need, do not count.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	asked := 0
	f := setup(t, func(o *execute.Options) {
		rated(2, 100)(o)
		o.Phraser = reader(func(context.Context, execute.Phrase) (json.RawMessage, error) {
			asked++
			return json.RawMessage(`{"a":1,"b":2}`), nil
		})
	})
	look := permitted("ABACUS_ADD", `{"a":1,"b":2}`, domain.AskAlways, nil)
	unknown, text, wrong := request("NO_SUCH_TOOL", `{}`), request("ABACUS_ADD", ``), request("ABACUS_ADD", `{"a":"x"}`)
	text.Text = "one and two"
	for range 5 {
		if got := f.limits(t, unknown); got != "" {
			t.Errorf("an unknown tool: %s", got)
		}
		if q, err := f.Permit(t.Context(), look, nil); err != nil || q == nil {
			t.Errorf("%v, %v", q, err)
		}
	}
	for i, step := range []struct {
		req  execute.Request
		want string
	}{{wrong, ""}, {text, ""}, {text, "user"}, {wrong, "user"}} {
		if got := f.limits(t, step.req); got != step.want {
			t.Errorf("call %d: refused by %q, want %q", i, got, step.want)
		}
	}
	if asked != 1 {
		t.Errorf("the model was asked %d times", asked)
	}
}
