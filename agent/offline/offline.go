// Package offline is a model for machines without a key: rules, no language
// model. It goes through the same interface and loop as every other model and
// sees only what they see: instructions, history, the tools with their schemas,
// and results.
//
// It reads a request by a small grammar (grammar_*.go), finds tools through
// the search tool of a router, or among the tools it is given, by the words of
// their names (tools.go), fills their arguments from their schemas (fill.go),
// and takes ids only from results. It understands little, and never acts on
// what it half understands: it asks, or says that it does not understand and
// what to set for a real model.
package offline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/sluice-run/sluice/agent"
)

// Model is the offline model. The zero value is ready for use.
type Model struct{}

// New makes the model.
func New() *Model { return &Model{} }

// Name is "offline".
func (*Model) Name() string { return "offline" }

// metaKey marks this model's own notes on its answers: what the conversation
// is about, and what it has asked.
const metaKey = "offline"

// notes ride along with an answer, so that "it" and short replies can be read.
type notes struct {
	Focus *item `json:"focus,omitempty"`
	Space *item `json:"space,omitempty"`
	// Asked is the slot that a question was about; Open are the intents that
	// wait for it, the first one first.
	Asked   string   `json:"asked,omitempty"`
	Choices []item   `json:"choices,omitempty"`
	Open    []intent `json:"open,omitempty"`
}

// Stream works out the next step: tool calls, or the answer. The plan is run
// from its beginning every time, with the results that are there already, until
// it needs one that is not.
func (m *Model) Stream(ctx context.Context, req agent.Request) iter.Seq2[agent.Chunk, error] {
	return func(yield func(agent.Chunk, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(agent.Chunk{}, err)
			return
		}
		t := newTurn(req)
		text, n, err := t.answer()
		var want *wanted
		if errors.As(err, &want) {
			yield(agent.Chunk{Done: &agent.Response{Finish: agent.FinishStop, Parts: []agent.Part{want.part()}}}, nil)
			return
		}
		if err != nil {
			text = t.explain(err)
		}
		for _, piece := range strings.SplitAfter(text, " ") {
			if !yield(agent.Chunk{Text: piece}, nil) {
				return
			}
		}
		part := agent.Part{Kind: agent.KindText, Text: text}
		if data, err := json.Marshal(n); err == nil {
			part.Meta = map[string]json.RawMessage{metaKey: data}
		}
		yield(agent.Chunk{Done: &agent.Response{Finish: agent.FinishStop, Parts: []agent.Part{part}}}, nil)
	}
}

// wanted is the error by which a plan says that it needs the result of a call
// that has not been made yet.
type wanted struct {
	id, tool string
	args     json.RawMessage
}

func (w *wanted) Error() string { return "waiting for " + w.tool }

// waits: err only says that a result is not there yet.
func waits(err error) bool {
	var w *wanted
	return errors.As(err, &w)
}

func (w *wanted) part() agent.Part {
	return agent.Part{Kind: agent.KindToolCall, CallID: w.id, Tool: w.tool, Args: string(w.args)}
}

// record is a call that has been made in this turn, with its result.
type record struct {
	tool, args string
	result     agent.Part
}

// turn is one user turn: what was said, what was found out since.
type turn struct {
	req   agent.Request
	said  string
	notes notes // of the answer before
	done  []record
	used  int
	box   toolbox

	focus *item // what "it" is, as the turn goes on
	space *item

	// What is asked once a turn: to ask the same again and again looks like a
	// loop, and is.
	found map[string]searchData
	// connected are toolkits that were connected since the search.
	connected map[string]bool
	spaced    []item
}

func newTurn(req agent.Request) *turn {
	t := &turn{req: req, found: map[string]searchData{}, connected: map[string]bool{}}
	begin := len(req.Messages)
	for i := len(req.Messages) - 1; i >= 0; i-- {
		m := req.Messages[i]
		if m.Role == agent.RoleUser && m.Text() != "" {
			begin, t.said = i, m.Text()
			break
		}
	}
	for i := begin - 1; i >= 0; i-- {
		if n, ok := notesIn(req.Messages[i]); ok {
			t.notes = n
			break
		}
	}
	t.focus, t.space = t.notes.Focus, t.notes.Space
	var calls []agent.Part
	for _, m := range req.Messages[min(begin, len(req.Messages)):] {
		calls = append(calls, m.Calls()...)
		for _, p := range m.Parts {
			for _, c := range calls {
				if p.Kind == agent.KindToolResult && p.CallID == c.CallID {
					t.done = append(t.done, record{tool: c.Tool, args: c.Args, result: p})
				}
			}
		}
	}
	t.box = newToolbox(req.Tools)
	return t
}

func notesIn(m agent.Message) (notes, bool) {
	var n notes
	for _, p := range m.Parts {
		if raw, ok := p.Meta[metaKey]; ok && json.Unmarshal(raw, &n) == nil {
			return n, true
		}
	}
	return n, false
}

// call returns the result of a tool call, or asks for it to be made.
func (t *turn) call(tool string, args any) (agent.Part, error) {
	data, err := json.Marshal(args)
	if err != nil {
		return agent.Part{}, fmt.Errorf("preparing %s: %w", tool, err)
	}
	for ; t.used < len(t.done); t.used++ {
		if d := t.done[t.used]; d.tool == tool && d.args == string(data) {
			t.used++
			return d.result, nil
		}
	}
	return agent.Part{}, &wanted{id: fmt.Sprintf("offline_%d_%d", len(t.req.Messages), len(t.done)), tool: tool, args: data}
}

// problem is a failure in words for the user.
type problem struct{ text string }

func (p *problem) Error() string { return p.text }

func fail(format string, args ...any) error { return &problem{fmt.Sprintf(format, args...)} }

// question is an error that asks the user for a slot of the intent in hand.
type question struct {
	slot, text string
	choices    []item
}

func (q *question) Error() string { return q.text }

func ask(slot, format string, args ...any) error {
	return &question{slot: slot, text: fmt.Sprintf(format, args...)}
}

func (t *turn) explain(err error) string {
	var p *problem
	if errors.As(err, &p) {
		return p.text
	}
	return "That did not work: " + err.Error()
}

// answer runs the plan. Its text says what was done; the notes are for the
// next turn.
func (t *turn) answer() (string, notes, error) {
	intents, reply := t.read()
	if reply != "" {
		return reply, notes{Focus: t.focus, Space: t.space}, nil
	}
	var said []string
	for i, in := range intents {
		text, err := t.do(in)
		var q *question
		var p *problem
		switch {
		case errors.As(err, &q):
			open := append([]intent{in}, intents[i+1:]...)
			said = append(said, q.text)
			return strings.Join(said, "\n\n"), notes{Focus: t.focus, Space: t.space, Asked: q.slot, Choices: q.choices, Open: open}, nil
		case errors.As(err, &p):
			said = append(said, p.text)
			if rest := len(intents) - i - 1; rest > 0 {
				said = append(said, "I have not done the rest of what you asked.")
			}
			return strings.Join(said, "\n\n"), notes{Focus: t.focus, Space: t.space}, nil
		case err != nil:
			return "", notes{}, err
		}
		said = append(said, text)
	}
	return strings.Join(said, "\n\n"), notes{Focus: t.focus, Space: t.space}, nil
}
