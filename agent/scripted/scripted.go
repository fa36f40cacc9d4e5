// Package scripted is a model for tests: it answers from a list of turns or
// from a function, streams like a real one, and keeps what it was asked.
package scripted

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/sluice-run/sluice/agent"
)

// ErrExhausted is reported when a model is asked more often than its script
// has turns.
var ErrExhausted = errors.New("scripted: no turn left")

// Turn is one answer of the model.
type Turn struct {
	// Parts of the answer; build them with [Text], [Thinking] and [Call].
	Parts []agent.Part
	// Err is reported after the parts have been streamed, in place of the end of
	// the answer: a connection that breaks.
	Err error
	// Finish is why the model stopped; the default is [agent.FinishStop].
	Finish agent.Finish
	// Usage of this answer.
	Usage agent.Usage
}

// Reply is a turn of these parts.
func Reply(parts ...agent.Part) Turn { return Turn{Parts: parts} }

// Text is a text part.
func Text(text string) agent.Part { return agent.Part{Kind: agent.KindText, Text: text} }

// Thinking is a thinking part.
func Thinking(text string) agent.Part { return agent.Part{Kind: agent.KindThinking, Text: text} }

// Call is a tool call; args is what the model writes, valid JSON or not.
func Call(id, tool, args string) agent.Part {
	return agent.Part{Kind: agent.KindToolCall, CallID: id, Tool: tool, Args: args}
}

// Model answers as it was told. It is safe for concurrent use.
type Model struct {
	next func(ctx context.Context, n int, req agent.Request) (Turn, error)

	mu       sync.Mutex
	requests []agent.Request
}

// Script is a model that answers with these turns, in order.
func Script(turns ...Turn) *Model {
	return &Model{next: func(_ context.Context, n int, _ agent.Request) (Turn, error) {
		if n >= len(turns) {
			return Turn{}, fmt.Errorf("%w after %d", ErrExhausted, len(turns))
		}
		return turns[n], nil
	}}
}

// Func is a model that answers by a function of what it sees.
func Func(answer func(ctx context.Context, req agent.Request) (Turn, error)) *Model {
	return &Model{next: func(ctx context.Context, _ int, req agent.Request) (Turn, error) { return answer(ctx, req) }}
}

// Name is "scripted".
func (m *Model) Name() string { return "scripted" }

// Requests returns what the model has been asked so far.
func (m *Model) Requests() []agent.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]agent.Request(nil), m.requests...)
}

// Stream gives the next answer, text and thinking in pieces of a few runes.
func (m *Model) Stream(ctx context.Context, req agent.Request) iter.Seq2[agent.Chunk, error] {
	return func(yield func(agent.Chunk, error) bool) {
		m.mu.Lock()
		n := len(m.requests)
		m.requests = append(m.requests, req)
		m.mu.Unlock()
		turn, err := m.next(ctx, n, req)
		if err != nil {
			yield(agent.Chunk{}, err)
			return
		}
		for _, p := range turn.Parts {
			for _, piece := range pieces(p.Text) {
				if ctx.Err() != nil {
					yield(agent.Chunk{}, ctx.Err())
					return
				}
				chunk := agent.Chunk{Text: piece}
				if p.Kind == agent.KindThinking {
					chunk = agent.Chunk{Thinking: piece}
				}
				if !yield(chunk, nil) {
					return
				}
			}
		}
		if turn.Err != nil {
			yield(agent.Chunk{}, turn.Err)
			return
		}
		if turn.Finish == "" {
			turn.Finish = agent.FinishStop
		}
		parts := append([]agent.Part(nil), turn.Parts...)
		yield(agent.Chunk{Done: &agent.Response{Parts: parts, Finish: turn.Finish, Usage: turn.Usage}}, nil)
	}
}

func pieces(text string) []string {
	const size = 7
	var out []string
	runes := []rune(text)
	for len(runes) > size {
		out = append(out, string(runes[:size]))
		runes = runes[size:]
	}
	if len(runes) > 0 {
		out = append(out, string(runes))
	}
	return out
}
