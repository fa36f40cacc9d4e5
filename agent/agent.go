package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Options configure an [Agent].
type Options struct {
	// Instructions are sent with every request and never stored.
	Instructions string
	// Tools are the sources of tools. Two tools of one name are an error of
	// the run.
	Tools []Toolset
	// Approve, when set, is asked about every call that is about to run.
	Approve Approver
	// Limits bound each run.
	Limits Limits
	// Settings are passed to the model.
	Settings Settings
}

// Limits bound one run. A zero field takes the default, a negative one means
// no limit.
type Limits struct {
	// Requests to the model (default 50).
	Requests int
	// ToolCalls in all, checked before a batch runs (default 200).
	ToolCalls int
	// InputTokens and OutputTokens as the provider counts them, checked after
	// each answer (default: no limit).
	InputTokens, OutputTokens int
	// Time of the whole run, with the tools and the person's approvals in it
	// (default 30 minutes).
	Time time.Duration
	// ToolTime of one call (default 3 minutes).
	ToolTime time.Duration
	// Retries: how many answers with something invalid in them are sent back to
	// the model (default 5).
	Retries int
	// SameCall: how many times the same call may give the same answer before
	// the run is taken for a loop (default 5).
	SameCall int
	// Parallel calls of one batch that run at once (default 8).
	Parallel int
	// ResultBytes of one result; the rest is cut, and the result says so
	// (default 128 KiB).
	ResultBytes int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	set(&l.Requests, 50)
	set(&l.ToolCalls, 200)
	set(&l.InputTokens, -1)
	set(&l.OutputTokens, -1)
	set(&l.Retries, 5)
	set(&l.SameCall, 5)
	set(&l.Parallel, 8)
	set(&l.ResultBytes, 128<<10)
	if l.Time == 0 {
		l.Time = 30 * time.Minute
	}
	if l.ToolTime == 0 {
		l.ToolTime = 3 * time.Minute
	}
	return l
}

// The ways a run can end early, besides errors of the model and of the
// context; test with [errors.Is]. The history is valid after each of them.
var (
	// ErrLimit: one of [Limits] was reached; the error names it.
	ErrLimit = errors.New("limit reached")
	// ErrLoop: the model repeats one call though the answer stays the same.
	ErrLoop = errors.New("the model repeats itself")
	// ErrRetries: the model keeps sending calls or outputs that are invalid.
	ErrRetries = errors.New("the model keeps sending invalid answers")
)

// Approver decides about a call before it runs. The arguments are valid when
// it is asked. All calls of one answer are decided, in order, before any of
// them runs, so a run can be stopped at this point without half a batch done.
// An error ends the run.
type Approver func(ctx context.Context, call ToolCall) (Decision, error)

// Decision is an approver's answer: [Allow], [AllowWith] or [Deny].
type Decision struct {
	deny   bool
	reason string
	args   []byte
}

// Allow lets the call run.
func Allow() Decision { return Decision{} }

// AllowWith lets the call run with other arguments, a JSON object that is
// validated like the model's.
func AllowWith(args []byte) Decision { return Decision{args: args} }

// Deny refuses the call; the model is told the reason.
func Deny(reason string) Decision { return Decision{deny: true, reason: reason} }

// Agent runs a model with tools until it has an answer of type Out. For a chat,
// Out is string: the answer is the model's text. Any other type is structured
// output: the model must hand in a value of that type, which is validated by
// its schema and, when Out has one, by its method Validate() error; what is
// wrong goes back to the model.
type Agent[Out any] struct {
	model  Model
	opts   Options
	output *output
}

// New builds an agent. It fails when the model is missing or when Out has no
// JSON Schema.
func New[Out any](model Model, opts Options) (*Agent[Out], error) {
	if model == nil {
		return nil, errors.New("agent: a model is needed")
	}
	for i, t := range opts.Tools {
		if t == nil {
			return nil, fmt.Errorf("agent: toolset %d is nil", i)
		}
	}
	out, err := newOutput[Out]()
	if err != nil {
		return nil, fmt.Errorf("agent: output type: %w", err)
	}
	opts.Limits = opts.Limits.withDefaults()
	return &Agent[Out]{model: model, opts: opts, output: out}, nil
}

// Input is what a run starts from.
type Input struct {
	// Prompt is the user's message. It may be empty when History ends with
	// something the model has to answer.
	Prompt string
	// History, when set, is the conversation so far; it gets what this run
	// adds, and is valid whenever the iteration has ended, however it ended. It
	// belongs to the run until then.
	History *History
	// Keep, when set, is given the conversation whenever it has grown: before the
	// tools of an answer run, after them, and at the end. Of a run that a crash
	// ended, what it got last is, after [Repair], where to go on: a call that was
	// about to run is answered as interrupted. Its error ends the run.
	Keep func(History) error
}

// Run works on one user turn. The events end with [Done], or with one error.
// Leaving the loop, or ending ctx, stops the model and the tools; running
// tools get a few seconds to notice.
func (a *Agent[Out]) Run(ctx context.Context, in Input) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if t := a.opts.Limits.Time; t > 0 {
			var stop context.CancelFunc
			ctx, stop = context.WithTimeoutCause(ctx, t, fmt.Errorf("%w: %s for one run", ErrLimit, t))
			defer stop()
		}
		r := &run{
			model: a.model, opts: a.opts, output: a.output,
			yield: yield, cancel: cancel, keep: in.Keep, seen: map[string]*sameCall{}, ids: map[string]bool{},
		}
		if in.History != nil {
			r.history = Repair(*in.History)
			defer func() { *in.History = Repair(r.history) }()
		}
		done, err := r.loop(ctx, in.Prompt)
		switch {
		case r.left:
		case err != nil:
			yield(nil, err)
		default:
			yield(done, nil)
		}
	}
}

// Do is Run to its end: it returns the typed output and the closing event.
func (a *Agent[Out]) Do(ctx context.Context, in Input) (Out, Done, error) {
	var out Out
	for event, err := range a.Run(ctx, in) {
		if err != nil {
			return out, Done{}, err
		}
		if done, ok := event.(Done); ok {
			out, ok = done.Output.(Out)
			if !ok {
				return out, done, fmt.Errorf("agent: output is a %T", done.Output)
			}
			return out, done, nil
		}
	}
	return out, Done{}, errors.New("agent: the run ended without a result")
}
