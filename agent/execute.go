package agent

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// news is what a running call sends to the loop.
type news struct {
	job      *job
	progress *Progress
	outcome  Outcome
	content  string
	took     time.Duration
}

// execute runs the jobs that are not settled yet: in parallel, bounded, with
// tools marked Alone as barriers. Events come as things happen; the history
// keeps the order of the calls.
func (r *run) execute(ctx context.Context, jobs []*job) {
	var group []*job
	for _, j := range jobs {
		if j.ready {
			continue
		}
		if j.tool.Alone {
			r.executeGroup(ctx, group)
			r.executeGroup(ctx, []*job{j})
			group = nil
			continue
		}
		group = append(group, j)
	}
	r.executeGroup(ctx, group)
}

func (r *run) executeGroup(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 || ctx.Err() != nil {
		return
	}
	parallel := r.opts.Limits.Parallel
	if parallel < 1 || parallel > len(jobs) {
		parallel = len(jobs)
	}
	ch := make(chan news, 64)
	over := make(chan struct{})
	defer close(over) // late senders give up
	next := 0
	start := func() {
		if next < len(jobs) && ctx.Err() == nil {
			jobs[next].started = true
			go r.call(ctx, jobs[next], ch, over)
			next++
		}
	}
	for range parallel {
		start()
	}
	stopped := ctx.Done()
	var grace <-chan time.Time
	for settled := 0; settled < next; {
		select {
		case n := <-ch:
			if n.progress != nil {
				if !n.job.ready { // news of a finished call is no news
					r.emit(*n.progress)
				}
				continue
			}
			r.settle(n.job, n.outcome, n.content, n.took)
			settled++
			start()
		case <-stopped:
			stopped = nil
			timer := time.NewTimer(cancelGrace)
			defer timer.Stop()
			grace = timer.C
		case <-grace:
			return
		}
	}
}

// call runs one tool in its own goroutine.
func (r *run) call(ctx context.Context, j *job, ch chan<- news, over <-chan struct{}) {
	began := time.Now()
	callCtx, cancel := ctx, context.CancelFunc(func() {})
	if t := r.opts.Limits.ToolTime; t > 0 {
		callCtx, cancel = context.WithTimeout(ctx, t)
	}
	defer cancel()
	report := func(p Progress) {
		p.CallID = j.part.CallID
		select {
		case ch <- news{job: j, progress: &p}:
		default: // progress is for watching: rather lose some than slow the tool
		}
	}
	res, err := safely(callCtx, j.tool, Call{ID: j.part.CallID, Name: j.part.Tool, Args: j.args, Report: report})
	outcome, content := callOutcome(ctx, res, err, r.opts.Limits.ToolTime)
	select {
	case ch <- news{job: j, outcome: outcome, content: content, took: time.Since(began)}:
	case <-over:
	}
}

// PanicError is a tool that panicked. Its message has no stack; Stack does.
type PanicError struct {
	Tool  string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("tool %s crashed", e.Tool) }

// safely keeps a tool's panic from taking the program down.
func safely(ctx context.Context, t Tool, c Call) (res Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Tool: t.Name, Value: v, Stack: debug.Stack()}
		}
	}()
	if t.Call == nil {
		return Result{}, fmt.Errorf("tool %s has no implementation", t.Name)
	}
	return t.Call(ctx, c)
}
