package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// run is the state of one Agent.Run; it lives in the goroutine that iterates.
type run struct {
	model  Model
	opts   Options
	output *output

	yield  func(Event, error) bool
	cancel context.CancelCauseFunc
	left   bool // the caller left the loop: nothing may be yielded any more
	keep   func(History) error

	history History
	usage   Usage
	retries int
	seen    map[string]*sameCall
	ids     map[string]bool // call ids in use, over the whole history
}

// emit hands an event to the caller. Once the caller has left, the run is
// cancelled and emit does nothing.
func (r *run) emit(e Event) {
	if r.left {
		return
	}
	if !r.yield(e, nil) {
		r.left = true
		r.cancel(errors.New("the caller left the run"))
	}
}

func (r *run) loop(ctx context.Context, prompt string) (Done, error) {
	if prompt != "" {
		r.history = Repair(append(r.history, UserMessage(prompt)))
	}
	if n := len(r.history); n == 0 || r.history[n-1].Role == RoleAssistant {
		return Done{}, errors.New("agent: nothing to answer: the prompt is empty")
	}
	for _, m := range r.history {
		for _, c := range m.Calls() {
			r.ids[c.CallID] = true
		}
	}
	for {
		if err := r.kept(); err != nil {
			return Done{}, err
		}
		tools, err := r.gather(ctx)
		if err != nil {
			return Done{}, err
		}
		resp, err := r.ask(ctx, tools)
		if err != nil {
			return Done{}, err
		}
		r.history = append(r.history, Message{Role: RoleAssistant, Parts: resp.Parts})
		calls := r.history[len(r.history)-1].Calls()
		if err := r.kept(); err != nil {
			return Done{}, err
		}
		if err := r.checkTokens(); err != nil {
			return Done{}, err
		}
		if len(calls) == 0 {
			done, again := r.answer(resp)
			if !again {
				return done, nil
			}
			if err := r.retry(); err != nil {
				return Done{}, err
			}
			continue
		}
		if err := r.limit("tool calls", r.opts.Limits.ToolCalls, r.usage.ToolCalls+len(calls)); err != nil {
			jobs := make([]*job, len(calls))
			for i, c := range calls {
				jobs[i] = &job{part: c}
				r.emit(ToolCall{ID: c.CallID, Name: c.Tool, Args: showArgs(c.Args), Hints: tools.byName[c.Tool].Hints})
			}
			r.store(jobs)
			return Done{}, err
		}
		r.usage.ToolCalls += len(calls)
		value, final, err := r.batch(ctx, tools, calls)
		if err != nil {
			return Done{}, err
		}
		if final {
			return Done{Text: textOf(resp.Parts), Output: value, Finish: resp.Finish, Usage: r.usage}, nil
		}
	}
}

// kept hands the conversation to who keeps it.
func (r *run) kept() error {
	if r.keep == nil {
		return nil
	}
	if err := r.keep(r.history.Clone()); err != nil {
		return fmt.Errorf("keeping the conversation: %w", err)
	}
	return nil
}

// answer ends the run with text, or asks again where a typed result is due.
func (r *run) answer(resp *Response) (done Done, again bool) {
	text := textOf(resp.Parts)
	var remark string
	switch {
	case r.output != nil:
		remark = "Hand in the result by calling " + outputTool + "."
	case text == "" && resp.Finish == FinishStop:
		remark = "Your answer was empty. Answer the user, or call a tool."
	default:
		return Done{Text: text, Output: text, Finish: resp.Finish, Usage: r.usage}, false
	}
	r.history = Repair(append(r.history, Message{Role: RoleUser, Parts: []Part{{Kind: KindRetry, Text: remark}}}))
	return Done{}, true
}

// ask sends one request and returns the whole answer, with call ids that are
// unique in the conversation.
func (r *run) ask(ctx context.Context, tools *toolIndex) (*Response, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, r.stopped(err)
	}
	if err := r.limit("requests", r.opts.Limits.Requests, r.usage.Requests+1); err != nil {
		return nil, err
	}
	r.usage.Requests++
	req := Request{
		Instructions: tools.instructions,
		Messages:     r.history.Clone(),
		Tools:        tools.specs,
		Force:        r.output != nil,
		Settings:     r.opts.Settings,
	}
	var partial strings.Builder
	var resp *Response
	var failure error
	for chunk, err := range r.model.Stream(ctx, req) {
		if failure = errors.Join(err, context.Cause(ctx)); failure != nil {
			break
		}
		if chunk.Thinking != "" {
			r.emit(ThinkingDelta{Text: chunk.Thinking})
		}
		if chunk.Text != "" {
			partial.WriteString(chunk.Text)
			r.emit(TextDelta{Text: chunk.Text})
		}
		if chunk.Done != nil {
			resp = chunk.Done
		}
		if resp != nil || r.left {
			break
		}
	}
	if cause := context.Cause(ctx); cause != nil && resp == nil {
		failure = cause
	}
	if failure == nil && resp == nil {
		failure = ErrTruncated
	}
	if failure != nil {
		// What was shown stays in the history; unsigned thinking could not.
		if partial.Len() > 0 {
			r.history = append(r.history, Message{Role: RoleAssistant, Parts: []Part{{Kind: KindText, Text: partial.String()}}})
		}
		if ctx.Err() != nil {
			return nil, r.stopped(failure)
		}
		return nil, fmt.Errorf("model %s: %w", r.model.Name(), failure)
	}
	r.uniqueIDs(resp.Parts)
	usage := resp.Usage
	usage.Requests, usage.ToolCalls = 0, 0
	r.usage = r.usage.Add(usage)
	r.emit(UsageReport{Total: r.usage})
	return resp, nil
}

// stopped names what ended the run from outside.
func (r *run) stopped(cause error) error { return fmt.Errorf("the run was stopped: %w", cause) }

// uniqueIDs gives a new id to calls that have none or share one: some servers
// number their calls from zero in every answer.
func (r *run) uniqueIDs(parts []Part) {
	for i := range parts {
		p := &parts[i]
		if p.Kind != KindToolCall {
			continue
		}
		for n := 1; p.CallID == "" || r.ids[p.CallID]; n++ {
			p.CallID = fmt.Sprintf("call_%d_%d", len(r.ids)+1, n)
		}
		r.ids[p.CallID] = true
	}
}

func (r *run) limit(what string, limit, want int) error {
	if limit >= 0 && want > limit {
		return fmt.Errorf("%w: %d %s in one run", ErrLimit, limit, what)
	}
	return nil
}

func (r *run) checkTokens() error {
	if err := r.limit("input tokens", r.opts.Limits.InputTokens, r.usage.InputTokens); err != nil {
		return err
	}
	return r.limit("output tokens", r.opts.Limits.OutputTokens, r.usage.OutputTokens)
}

// retry counts an answer that had to go back to the model.
func (r *run) retry() error {
	r.retries++
	if limit := r.opts.Limits.Retries; limit >= 0 && r.retries > limit {
		return fmt.Errorf("%w: %d in one run", ErrRetries, r.retries)
	}
	return nil
}

func textOf(parts []Part) string { return Message{Parts: parts}.Text() }
