package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// cancelGrace is how long running tools may take to notice a cancellation.
const cancelGrace = 3 * time.Second

// notRunText is the content of a result whose call never started.
const notRunText = "Not run: the run ended first."

// job is one call of a batch on its way to a result.
type job struct {
	part   Part
	tool   Tool
	args   json.RawMessage
	result Part
	ready  bool // result is set
	// started: the tool may have had an effect.
	started bool
	value   any // the typed output, for the output tool
}

func (j *job) finish(outcome Outcome, content string) {
	j.result = Part{Kind: KindToolResult, CallID: j.part.CallID, Tool: j.part.Tool, Outcome: outcome, Text: content}
	j.ready = true
}

// batch answers all calls of one answer of the model: check, decide, run. It
// returns the typed output when the model handed in a valid one.
func (r *run) batch(ctx context.Context, tools *toolIndex, calls []Part) (value any, final bool, err error) {
	jobs := make([]*job, len(calls))
	for i, c := range calls {
		jobs[i] = &job{part: c}
		r.emit(ToolCall{ID: c.CallID, Name: c.Tool, Args: showArgs(c.Args), Hints: tools.byName[c.Tool].Hints})
		if reason := r.prepare(tools, jobs[i]); reason != "" {
			r.settle(jobs[i], OutcomeInvalid, reason, 0)
		} else if jobs[i].value != nil && !final {
			value, final = jobs[i].value, true
			r.settle(jobs[i], OutcomeOK, "Accepted.", 0)
		}
	}
	defer func() { r.store(jobs) }()
	if final {
		for _, j := range jobs {
			if !j.ready {
				r.settle(j, OutcomeDenied, "Not run: the final result was handed in beside this call.", 0)
			}
		}
		return value, true, nil
	}
	if err := r.approve(ctx, jobs); err != nil {
		return nil, false, err
	}
	r.execute(ctx, jobs)
	if cause := context.Cause(ctx); cause != nil {
		return nil, false, r.stopped(cause)
	}
	if slices.ContainsFunc(jobs, func(j *job) bool { return j.result.Outcome == OutcomeInvalid }) {
		if err := r.retry(); err != nil {
			return nil, false, err
		}
	}
	return nil, false, r.checkLoop(jobs)
}

// store puts the results into the history, in the order of the calls. What
// never came is an interruption, whatever ended the run.
func (r *run) store(jobs []*job) {
	results := make([]Part, 0, len(jobs))
	for _, j := range jobs {
		if !j.ready {
			text := notRunText
			if j.started {
				text = interruptedText
			}
			r.settle(j, OutcomeInterrupted, text, 0)
		}
		results = append(results, j.result)
	}
	r.history = Repair(append(r.history, Message{Role: RoleTool, Parts: results}))
}

// settle gives a job its result and tells the caller.
func (r *run) settle(j *job, outcome Outcome, content string, took time.Duration) {
	j.finish(outcome, cut(content, r.opts.Limits.ResultBytes))
	r.emit(ToolResult{ID: j.part.CallID, Name: j.part.Tool, Outcome: outcome, Content: j.result.Text, Duration: took})
}

// prepare finds the tool and checks the arguments; it returns what is wrong,
// in words for the model.
func (r *run) prepare(tools *toolIndex, j *job) string {
	args, err := normaliseArgs(j.part.Args)
	if r.output != nil && j.part.Tool == outputTool {
		if err == nil {
			args = DropNulls(r.output.spec.Schema, args)
			err = r.output.check.validate(args)
		}
		if err == nil {
			j.value, err = r.output.decode(args)
		}
		return reasonOf(err)
	}
	tool, ok := tools.byName[j.part.Tool]
	if !ok {
		names := make([]string, 0, len(tools.specs))
		for _, s := range tools.specs {
			names = append(names, s.Name)
		}
		return fmt.Sprintf("There is no tool %q. The tools are: %s.", j.part.Tool, strings.Join(names, ", "))
	}
	if err == nil {
		args = DropNulls(tool.Schema, args)
		err = newSchemaCheck(tool.Schema).validate(args)
	}
	j.tool, j.args = tool, args
	return reasonOf(err)
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return "Not run: " + err.Error() + ". Correct it and try again."
}

// approve asks about every call that is ready to run, before any of them does.
func (r *run) approve(ctx context.Context, jobs []*job) error {
	if r.opts.Approve == nil {
		return nil
	}
	for _, j := range jobs {
		if j.ready {
			continue
		}
		if cause := context.Cause(ctx); cause != nil {
			return r.stopped(cause)
		}
		d, err := r.opts.Approve(ctx, ToolCall{ID: j.part.CallID, Name: j.part.Tool, Args: j.args, Hints: j.tool.Hints})
		switch {
		case err != nil:
			if cause := context.Cause(ctx); cause != nil {
				return r.stopped(cause)
			}
			return fmt.Errorf("approving %s: %w", j.part.Tool, err)
		case d.deny:
			r.settle(j, OutcomeDenied, "The user refused this call. "+d.reason, 0)
		case d.args != nil:
			args, err := normaliseArgs(string(d.args))
			if err == nil {
				args = DropNulls(j.tool.Schema, args)
				err = newSchemaCheck(j.tool.Schema).validate(args)
			}
			if err != nil {
				return fmt.Errorf("approving %s with other arguments: %w", j.part.Tool, err)
			}
			j.args = args
		}
	}
	return nil
}

// sameCall remembers the last answer to one exact call.
type sameCall struct {
	answer string
	count  int
}

// checkLoop notices a model that asks the same and hears the same over and
// over: first it is told, then the run ends.
func (r *run) checkLoop(jobs []*job) error {
	for _, j := range jobs {
		if !j.ready || j.result.Outcome == OutcomeInvalid {
			continue
		}
		key := j.part.Tool + "\x00" + string(j.args)
		s := r.seen[key]
		if s == nil || s.answer != j.result.Text {
			s = &sameCall{answer: j.result.Text}
			r.seen[key] = s
		}
		s.count++
		limit := r.opts.Limits.SameCall
		if limit < 0 {
			continue
		}
		if s.count > limit {
			return fmt.Errorf("%w: %s was called %d times with the same arguments and the same answer", ErrLoop, j.part.Tool, s.count)
		}
		if s.count == limit && limit > 1 {
			j.result.Text += "\n\n[The same call has now given the same answer " + fmt.Sprint(s.count) +
				" times. Do something else, or answer with what you have.]"
		}
	}
	return nil
}

// cut bounds a result on a rune border and says so.
func cut(s string, limit int) string {
	if limit < 0 || len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s\n[cut: the first %d of %d bytes; ask for less, or page through it]", s[:end], end, len(s))
}

// callOutcome turns what a tool returned into a result. stop is the run's
// context: when it has ended, an error is an interruption, not a failure.
func callOutcome(stop context.Context, res Result, err error, limit time.Duration) (Outcome, string) {
	var again retryError
	switch {
	case err == nil && res.Failed:
		return OutcomeFailed, res.Content
	case err == nil:
		return OutcomeOK, res.Content
	case stop.Err() != nil:
		return OutcomeInterrupted, interruptedText
	case errors.As(err, &again):
		return OutcomeInvalid, again.message
	case errors.Is(err, context.DeadlineExceeded):
		return OutcomeFailed, fmt.Sprintf("The tool did not answer within %s; it may or may not have taken effect.", limit)
	default:
		return OutcomeFailed, "The tool failed: " + err.Error()
	}
}
