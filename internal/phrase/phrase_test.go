package phrase_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/agent"
	"github.com/sluice-run/sluice/agent/scripted"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
	"github.com/sluice-run/sluice/internal/phrase"
)

const tool = "PAGES_CREATE"

var schema = json.RawMessage(`{"type":"object","required":["title"],"properties":{"title":{"type":"string"},"parent":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}}},"additionalProperties":false}`)

// question is a text for a tool that takes any title but "Bad".
func question(text string) execute.Phrase {
	return execute.Phrase{
		Tool: tool, Description: "Create a page.", Schema: schema, Text: text,
		Check: func(args json.RawMessage) error {
			var in struct{ Title, Parent *string }
			dec := json.NewDecoder(bytes.NewReader(args))
			if err := dec.Decode(&in); err != nil {
				return errors.New("title: expected text")
			}
			if in.Title == nil || *in.Title == "Bad" {
				return errors.New("title: expected a good one")
			}
			return nil
		},
	}
}

func call(args string) scripted.Turn { return scripted.Reply(scripted.Call("c1", tool, args)) }

func TestPhrase(t *testing.T) {
	t.Parallel()
	good := scripted.Reply(scripted.Thinking("a page"), scripted.Call("c1", tool, `{"title":"Plan"}`))
	for _, tt := range []struct {
		name    string
		turns   []scripted.Turn
		want    string
		unclear string
		asked   int
	}{
		{"a call", []scripted.Turn{good}, `{"title":"Plan"}`, "", 1},
		{"nulls of strict mode", []scripted.Turn{call(`{"title":"Plan","parent":null,"tags":null}`)}, `{"title":"Plan"}`, "", 1},
		{"large numbers stay", []scripted.Turn{call(`{"title":"Plan","n":12345678901234567890}`)}, `{"title":"Plan","n":12345678901234567890}`, "", 1},
		{"an object in a string", []scripted.Turn{call(`"{\"title\":\"Plan\"}"`)}, `{"title":"Plan"}`, "", 1},
		{"arguments as text", []scripted.Turn{scripted.Reply(scripted.Text("```json\n{\"title\":\"Plan\"}\n```"))}, `{"title":"Plan"}`, "", 1},
		{"broken JSON, then right", []scripted.Turn{call(`{"title":`), good}, `{"title":"Plan"}`, "", 2},
		{"cut off, then right", []scripted.Turn{{Parts: []agent.Part{scripted.Text("I would")}, Finish: agent.FinishLength}, good}, `{"title":"Plan"}`, "", 2},
		{"broken text, then right", []scripted.Turn{scripted.Reply(scripted.Text(`{"title"`)), good}, `{"title":"Plan"}`, "", 2},
		{"nothing, then right", []scripted.Turn{scripted.Reply(), good}, `{"title":"Plan"}`, "", 2},
		{"another tool, then right", []scripted.Turn{scripted.Reply(scripted.Call("c1", "PAGES_DELETE", `{"title":"Plan"}`)), good}, `{"title":"Plan"}`, "", 2},
		{"no name and no id, then right", []scripted.Turn{scripted.Reply(scripted.Call("", "", `{"title":"Plan"}`)), good}, `{"title":"Plan"}`, "", 2},
		{"twice, then right", []scripted.Turn{scripted.Reply(scripted.Call("c1", tool, `{"title":"A"}`), scripted.Call("c2", tool, `{"title":"B"}`)), good}, `{"title":"Plan"}`, "", 2},
		{"unfit, then right", []scripted.Turn{call(`{"title":"Bad"}`), good}, `{"title":"Plan"}`, "", 2},
		{"unfit twice", []scripted.Turn{call(`{"title":"Bad"}`), call(`{}`), good}, "", "title: expected a good one", 2},
		{"broken twice", []scripted.Turn{call(`{"title":`), call(`[]`), good}, "", "not a JSON object", 2},
		{"too much twice", []scripted.Turn{call(strings.Repeat(" ", 300<<10)), call(strings.Repeat(" ", 300<<10)), good}, "", "larger than", 2},
		{"missing", []scripted.Turn{scripted.Reply(scripted.Text("The text does not say the title.")), good}, "", "The text does not say the title.", 1},
		{"filtered", []scripted.Turn{{Finish: agent.FinishFilter}, good}, "", "does not take this text", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			model := scripted.Script(tt.turns...)
			got, err := phrase.New(phrase.Options{Model: model}).Phrase(t.Context(), question("make a page"))
			var unclear *execute.Unclear
			switch {
			case tt.unclear != "":
				if !errors.As(err, &unclear) || !strings.Contains(unclear.Message, tt.unclear) {
					t.Errorf("got %s, %v", got, err)
				}
			case err != nil || string(got) != tt.want:
				t.Errorf("got %s, %v", got, err)
			}
			if n := len(model.Requests()); n != tt.asked {
				t.Errorf("the model was asked %d times", n)
			}
			for _, req := range model.Requests() {
				if err := agent.Validate(req.Messages); err != nil {
					t.Errorf("the conversation is not one: %v", err)
				}
			}
		})
	}
}

// The model sees the tool, the text and what the application adds; the second time
// what was wrong besides.
func TestWhatTheModelSees(t *testing.T) {
	t.Parallel()
	model := scripted.Script(call(`{"title":"Bad"}`), call(`{"title":"Plan"}`))
	q := question("make a page")
	q.Guidance = "Titles are in German."
	day := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	p := phrase.New(phrase.Options{Model: model, MaxTokens: 77, Now: func() time.Time { return day }})
	if _, err := p.Phrase(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	asked := model.Requests()
	for _, req := range asked {
		if !strings.Contains(req.Instructions, tool) || !strings.Contains(req.Instructions, "Sunday, 2026-11-22") || !strings.HasSuffix(req.Instructions, q.Guidance) {
			t.Errorf("instructions: %s", req.Instructions)
		}
		if diff := cmp.Diff([]agent.ToolSpec{{Name: tool, Description: q.Description, Schema: schema}}, req.Tools); diff != "" || req.Settings.MaxOutputTokens != 77 {
			t.Errorf("%+v %s", req.Settings, diff)
		}
	}
	want := agent.History{
		agent.UserMessage("make a page"),
		{Role: agent.RoleAssistant, Parts: []agent.Part{scripted.Call("c1", tool, `{"title":"Bad"}`)}},
		{Role: agent.RoleTool, Parts: []agent.Part{{
			Kind: agent.KindToolResult, CallID: "c1", Tool: tool, Outcome: agent.OutcomeInvalid, Text: "title: expected a good one",
		}}},
	}
	if diff := cmp.Diff(want, asked[1].Messages); diff != "" {
		t.Error(diff)
	}
}

// What ends the asking: the model's time, its failure, and the caller's going.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	hang := scripted.Func(func(ctx context.Context, _ agent.Request) (scripted.Turn, error) {
		<-ctx.Done()
		return scripted.Turn{}, ctx.Err()
	})
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := phrase.New(phrase.Options{Model: hang}).Phrase(t.Context(), question("x"))
			if domain.CodeOf(err) != domain.CodeUnavailable || !strings.Contains(err.Error(), "within 45s") || time.Since(began) != 45*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("late the second time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := 0
			model := scripted.Func(func(ctx context.Context, _ agent.Request) (scripted.Turn, error) {
				if n++; n == 1 {
					time.Sleep(40 * time.Second)
					return call(`{}`), nil
				}
				<-ctx.Done()
				return scripted.Turn{}, ctx.Err()
			})
			began := time.Now()
			_, err := phrase.New(phrase.Options{Model: model}).Phrase(t.Context(), question("x"))
			if domain.CodeOf(err) != domain.CodeUnavailable || time.Since(began) != 45*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("broken", func(t *testing.T) {
		t.Parallel()
		var logs bytes.Buffer
		model := scripted.Script(scripted.Turn{Err: errors.New("the account of acme-corp has no money")})
		p := phrase.New(phrase.Options{Model: model, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		_, err := p.Phrase(t.Context(), question("the text itself"))
		if domain.CodeOf(err) != domain.CodeUnavailable || strings.Contains(err.Error(), "acme-corp") {
			t.Errorf("%v", err)
		}
		if !strings.Contains(logs.String(), "acme-corp") || strings.Contains(logs.String(), "the text itself") {
			t.Errorf("the log: %s", &logs)
		}
	})
	t.Run("caller gone", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := phrase.New(phrase.Options{Model: hang}).Phrase(ctx, question("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
