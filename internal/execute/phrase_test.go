package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/connect/connecttest"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/policy"
	"github.com/sluice-run/sluice/internal/store"
)

// reader is a Phraser that reads as it is told.
type reader func(ctx context.Context, p execute.Phrase) (json.RawMessage, error)

func (r reader) Phrase(ctx context.Context, p execute.Phrase) (json.RawMessage, error) {
	return r(ctx, p)
}

func says(args string) reader {
	return func(context.Context, execute.Phrase) (json.RawMessage, error) { return json.RawMessage(args), nil }
}

// A call by text has the record that the same call by arguments has.
func TestText(t *testing.T) {
	t.Parallel()
	var seen execute.Phrase
	f := setup(t, func(o *execute.Options) {
		o.Phraser = reader(func(_ context.Context, p execute.Phrase) (json.RawMessage, error) {
			seen = p
			return json.RawMessage(`{"a":1, "b":2}`), nil
		})
	})
	plain, err := f.Run(t.Context(), request("ABACUS_ADD", `{"b":2,"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range []string{"", "null", " {} "} {
		req := request("ABACUS_ADD", none)
		req.Text = "  one and two "
		answer, err := f.Run(t.Context(), req)
		if err != nil || string(answer.Data) != `{"total":3}` {
			t.Fatalf("%+v, %v", answer, err)
		}
		want, got := f.last(t, plain.LogID), f.last(t, answer.LogID)
		for _, rec := range []domain.Execution{want, got} {
			if args, bad := f.Arguments(t.Context(), &rec); bad || string(args) != `{"a":1,"b":2}` {
				t.Errorf("the record has the arguments %s", args)
			}
		}
		got.SealedArgs = want.SealedArgs
		if got.ArgsSize != len(`{"a":1, "b":2}`) {
			t.Errorf("size of the arguments: %d", got.ArgsSize)
		}
		got.ID, got.StartedAt, got.ArgsSize, got.Duration = want.ID, want.StartedAt, want.ArgsSize, want.Duration
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	tool, err := f.Catalog.Tool(t.Context(), connecttest.Project, "ABACUS_ADD", "")
	if err != nil {
		t.Fatal(err)
	}
	if seen.Tool != "ABACUS_ADD" || seen.Text != "one and two" || seen.Description != tool.Description || string(seen.Schema) != string(tool.Input) || seen.Guidance != "" {
		t.Errorf("the model is told %+v", seen)
	}
	if err := seen.Check(json.RawMessage(`{"a":"x"}`)); err == nil || !strings.Contains(err.Error(), "a") {
		t.Errorf("unfit arguments: %v", err)
	}
}

func TestTextRefused(t *testing.T) {
	t.Parallel()
	asked := 0
	counting := func(next reader) reader {
		return func(ctx context.Context, p execute.Phrase) (json.RawMessage, error) {
			asked++
			return next(ctx, p)
		}
	}
	fails := func(err error) reader {
		return func(context.Context, execute.Phrase) (json.RawMessage, error) { return nil, err }
	}
	down := domain.Errorf(domain.CodeUnavailable, "the router's model gave no answer")
	for _, tt := range []struct {
		name   string
		model  execute.Phraser
		text   string
		args   string
		rules  *policy.Rules
		code   domain.Code
		field  string
		says   string
		called bool
	}{
		{"no model", nil, "add", "", nil, domain.CodeUnsupported, "text", "no model", false},
		{"named setting", execute.NoModel("model_api_key is not set"), "add", "", nil, domain.CodeUnsupported, "text", "model_api_key", false},
		{"blank", counting(says(`{}`)), " \n", "", nil, domain.CodeInvalid, "text", "text:", false},
		{"too long", counting(says(`{}`)), strings.Repeat("x", 16<<10+1), "", nil, domain.CodeInvalid, "text", "16384 bytes", false},
		{"arguments too", counting(says(`{}`)), "add", `{"a":1}`, nil, domain.CodeInvalid, "text", "not both", false},
		{"broken arguments too", counting(says(`{}`)), "add", `{"a"`, nil, domain.CodeInvalid, "text", "not both", false},
		{"rules", counting(says(`{"a":1,"b":1}`)), "add", "", policy.Compile(domain.SessionConfig{Toolkits: &domain.Selection{Disable: []string{"abacus"}}}), domain.CodeForbidden, "", "ABACUS_ADD", false},
		{"unclear", counting(fails(&execute.Unclear{Message: "b is missing"})), "add", "", nil, domain.CodeInvalid, "text", "text: b is missing", true},
		{"unfit", counting(says(`{"a":"one"}`)), "add", "", nil, domain.CodeInvalid, "text", "ABACUS_ADD", true},
		{"down", counting(fails(down)), "add", "", nil, domain.CodeUnavailable, "", "no answer", true},
	} {
		f := setup(t, func(o *execute.Options) { o.Phraser = tt.model })
		asked = 0
		req := request("ABACUS_ADD", tt.args)
		req.Text, req.Rules = tt.text, tt.rules
		answer, err := f.Run(t.Context(), req)
		e := domain.AsError(err)
		if answer != nil || e == nil || e.Code != tt.code || e.Field != tt.field || !strings.Contains(e.Message, tt.says) || (asked > 0) != tt.called {
			t.Errorf("%s: %v, %+v, asked %d", tt.name, answer, e, asked)
			continue
		}
		if rec := f.last(t, execute.LogID(err)); rec.Outcome != domain.OutcomeRefused || rec.ErrorCode != tt.code || rec.Tool != "ABACUS_ADD" {
			t.Errorf("%s: record %+v", tt.name, rec)
		}
	}
}

// A project has only so many texts with the model; the next one waits its turn in
// vain. Another project is not in the way, and a caller who goes is recorded.
func TestTextsAtATime(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	f := setup(t, func(o *execute.Options) {
		o.QueueWait = time.Millisecond
		o.Phraser = reader(func(ctx context.Context, p execute.Phrase) (json.RawMessage, error) {
			if p.Text == "wait" {
				entered <- struct{}{}
				select {
				case <-release:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return json.RawMessage(`{"a":1,"b":2}`), nil
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	wait := func(ctx context.Context) {
		req := request("ABACUS_ADD", "")
		req.Text = "wait"
		_, err := f.Run(ctx, req)
		ended <- err
	}
	go wait(ctx)
	<-entered
	for range 7 {
		go wait(t.Context())
		<-entered
	}
	req := request("ABACUS_ADD", "")
	req.Text = "now"
	if _, err := f.Run(t.Context(), req); domain.CodeOf(err) != domain.CodeRateLimited {
		t.Errorf("one too many: %v", err)
	}
	req.Principal.ProjectID = connecttest.Other
	if _, err := f.Run(t.Context(), req); err != nil {
		t.Errorf("another project: %v", err)
	}
	cancel()
	err := <-ended
	if rec := f.last(t, execute.LogID(err)); domain.CodeOf(err) != domain.CodeCanceled || rec.Outcome != domain.OutcomeCanceled {
		t.Errorf("gone: %v, %+v", err, rec)
	}
	close(release)
	for range 7 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Phrase gives arguments and runs nothing.
func TestPhrase(t *testing.T) {
	t.Parallel()
	var seen execute.Phrase
	f := setup(t, func(o *execute.Options) {
		o.Phraser = reader(func(_ context.Context, p execute.Phrase) (json.RawMessage, error) {
			seen = p
			if p.Text == "unclear" {
				return nil, &execute.Unclear{Message: "say more"}
			}
			return json.RawMessage(`{"a":1,"b":2}`), nil
		})
	})
	ask := func(edit func(*execute.PhraseRequest)) (json.RawMessage, error) {
		r := execute.PhraseRequest{ProjectID: connecttest.Project, Tool: "abacus_add", Text: "add", Description: "It counts.", Guidance: "Be exact."}
		if edit != nil {
			edit(&r)
		}
		return f.Phrase(t.Context(), r)
	}
	if args, err := ask(nil); err != nil || string(args) != `{"a":1,"b":2}` {
		t.Errorf("%s, %v", args, err)
	}
	if !strings.HasSuffix(seen.Description, "\n\nIt counts.") || seen.Guidance != "Be exact." {
		t.Errorf("the model is told %+v", seen)
	}
	var unclear *execute.Unclear
	if _, err := ask(func(r *execute.PhraseRequest) { r.Text = "unclear" }); !errors.As(err, &unclear) {
		t.Errorf("unclear: %v", err)
	}
	long := strings.Repeat("x", 16<<10+1)
	for field, edit := range map[string]func(*execute.PhraseRequest){
		"text":               func(r *execute.PhraseRequest) { r.Text = long },
		"custom_description": func(r *execute.PhraseRequest) { r.Description = long },
		"system_prompt":      func(r *execute.PhraseRequest) { r.Guidance = long },
	} {
		if _, err := ask(edit); domain.CodeOf(err) != domain.CodeInvalid || domain.AsError(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := ask(func(r *execute.PhraseRequest) { r.Tool = "ABACUS_SUBTRACT" }); domain.CodeOf(err) != domain.CodeNotFound {
		t.Errorf("unknown tool: %v", err)
	}
	if _, n, err := f.DB.ListExecutions(t.Context(), connecttest.Project, store.ExecutionFilter{}, store.Page{}); err != nil || n != 0 {
		t.Errorf("%d records, %v", n, err)
	}
}
