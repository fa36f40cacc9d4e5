package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/agent"
	agentevents "github.com/sluice-run/sluice/agent/events"
	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
)

// onFlags are the flags of sluice chat that are about events.
type onFlags struct {
	triggers []string
	file     string
	journal  string
	parallel int
	tries    int
	most     int
	ordered  bool
}

func (o *onFlags) add(cmd *cobra.Command, s *shared) {
	fl := cmd.Flags()
	fl.StringSliceVar(&o.triggers, "on", nil, "run the prompt on each event of this trigger, by its id, or of the user's triggers of this type, by its slug; may be given again")
	fl.StringVar(&o.file, "prompt-file", "", "take the prompt of -p from this file")
	fl.StringVar(&o.journal, "journal", "", "with --on: folder that keeps which events were handled, and the conversations (default: one in the home for what --on, --user and the router are)")
	fl.IntVar(&o.parallel, "parallel", 1, "with --on: how many events are handled at once")
	fl.IntVar(&o.tries, "tries", 3, "with --on: how often an event is tried before it is given up")
	fl.BoolVar(&o.ordered, "ordered", false, "with --on: events of one trigger one after the other, also with --parallel")
	fl.IntVar(&o.most, "events", 0, "with --on: leave after so many events (default: never)")
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("on", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		ids, _ := s.completeTrigger(cmd, nil, toComplete)
		slugs, directive := s.completeTriggerType(cmd, nil, toComplete)
		return append(ids, slugs...), directive
	})
}

// check finds flags that do not go together.
func (o *onFlags) check(cmd *cobra.Command, f *chatFlags) error {
	if len(o.triggers) > 0 {
		if !f.once {
			return errors.New("--on needs -p or --prompt-file: what to do with each event")
		}
		return nil
	}
	for _, name := range []string{"journal", "parallel", "tries", "ordered", "events"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s needs --on", name)
		}
	}
	return nil
}

// readFile takes the prompt from --prompt-file.
func (f *chatFlags) readFile() error {
	if f.on.file == "" {
		return nil
	}
	info, err := os.Stat(f.on.file)
	if err == nil && info.Size() > maxPrompt {
		return &exitCoded{exitUsage, fmt.Errorf("--prompt-file: it is larger than %d KiB", maxPrompt>>10)}
	}
	text, err := os.ReadFile(f.on.file)
	if err != nil {
		return &exitCoded{exitUsage, fmt.Errorf("--prompt-file: %w", err)}
	}
	f.prompt = string(text)
	return nil
}

// watched resolves --on: which events, and whose they are. The agent acts for that
// user and sees events of nobody else.
func (f *chatFlags) watched(ctx context.Context, r *router) (agentevents.StreamOptions, error) {
	o := agentevents.StreamOptions{}
	user := ""
	for _, name := range f.on.triggers {
		if !isInstance(name) {
			t, err := r.TriggerType(ctx, name)
			if err != nil {
				return o, err
			}
			o.Triggers = append(o.Triggers, t.Slug)
			continue
		}
		t, err := r.Trigger(ctx, name)
		if err != nil {
			return o, err
		}
		if user != "" && user != t.UserID {
			return o, &exitCoded{exitUsage, fmt.Errorf("--on: the triggers are of two users, %q and %q: run one command for each", user, t.UserID)}
		}
		user = t.UserID
		o.Instances = append(o.Instances, t.ID)
	}
	switch {
	case len(o.Triggers) > 0 && len(o.Instances) > 0:
		return o, &exitCoded{exitUsage, errors.New("--on: name triggers or types, not both")}
	case user == "":
		user = f.userID()
	case f.user != "" && f.user != user:
		return o, &exitCoded{exitUsage, fmt.Errorf("--on: the trigger is of the user %q, not of %q", user, f.user)}
	}
	f.user, o.UserIDs = user, []string{user}
	o.Notice = f.streamNotice
	return o, nil
}

// streamNotice tells a person how the stream fares.
func (f *chatFlags) streamNotice(n client.Notice) {
	switch {
	case n.Missed > 0:
		fmt.Fprintf(f.Err, "%d events are gone: the router kept them no longer.\n", n.Missed)
	case n.Err != nil:
		fmt.Fprintf(f.Err, "The stream broke off; opened again in %s: %s\n", n.Retry.Round(time.Millisecond), printable(n.Err.Error()))
	}
}

// journalDir is where --on keeps what it did.
func (f *chatFlags) journalDir(r *router) (string, error) {
	if f.on.journal != "" {
		return f.on.journal, nil
	}
	cfg, err := app.LoadConfig(f.config, f.home)
	if err != nil {
		return "", err
	}
	where := "" // a router in this process has another address each time
	if r.app == nil {
		where = r.BaseURL()
	}
	names := slices.Sorted(slices.Values(f.on.triggers))
	sum := sha256.Sum256([]byte(strings.Join(append(names, f.user, where), "\x00")))
	return filepath.Join(cfg.Home, "agents", hex.EncodeToString(sum[:8])), nil
}

// eventRuns shows the runs of events. Several may be under way.
type eventRuns struct {
	*chatFlags
	model, session string
	end            context.CancelFunc

	mu    sync.Mutex
	left  int
	calls map[string]*eventCalls
}

// eventCalls are the tool calls of one event.
type eventCalls struct {
	list []callReport
	runs map[string][]string
}

// answerEvents runs the prompt on each event until ctx ends, or until there were as many
// as were asked for.
func (f *chatFlags) answerEvents(ctx context.Context, c *conversation) error {
	prompt, err := agent.EventPrompt(f.prompt)
	if err != nil {
		return &exitCoded{exitUsage, err}
	}
	dir, err := f.journalDir(c.router)
	if err != nil {
		return err
	}
	journal, err := agent.OpenJournal(dir)
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }() // what matters is on the disk already
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &eventRuns{chatFlags: f, model: c.model, session: c.session.ID, end: cancel, left: f.on.most, calls: map[string]*eventCalls{}}
	handle := c.agent.Handler(agent.EventOptions[string]{Prompt: prompt, Show: r.show, Done: r.done})
	fmt.Fprintf(f.Err, "Waiting for events of %s, for user %q; kept in %s\n", strings.Join(f.on.triggers, ", "), f.user, dir)
	return agent.On(ctx, agentevents.Stream(c.router.Client, c.watched), handle, agent.OnOptions{
		Journal: journal, Parallel: f.on.parallel, Ordered: f.on.ordered, Tries: f.on.tries,
		TryFailed: r.tryFailed, GivenUp: r.givenUp,
	})
}

// of gives the calls of an event; the lock is held.
func (r *eventRuns) of(id string) *eventCalls {
	if r.calls[id] == nil {
		r.calls[id] = &eventCalls{list: []callReport{}, runs: map[string][]string{}}
	}
	return r.calls[id]
}

func (r *eventRuns) show(e agent.TriggerEvent, happened agent.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls[e.ID] == nil && r.format == "text" {
		fmt.Fprintf(r.Err, "%s  %s  %s\n", printable(e.ID), printable(e.Trigger), printable(e.Instance))
	}
	c := r.of(e.ID)
	switch one := happened.(type) {
	case agent.ToolCall:
		for _, t := range innerCalls(one) {
			c.runs[one.ID] = append(c.runs[one.ID], t.Slug)
		}
	case agent.ToolResult:
		c.list = append(c.list, callReport{Tool: one.Name, Runs: c.runs[one.ID], Outcome: string(one.Outcome), Seconds: one.Duration.Seconds()})
	}
	switch r.format {
	case "stream-json":
		line := wireEvent(happened)
		line["event"] = e.ID
		r.encode(line)
	case "text":
		r.tell(happened)
	}
}

func (r *eventRuns) encode(v any) {
	enc := json.NewEncoder(r.Out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the next write to a closed pipe ends the program
}

// done shows an answer; the event is settled then.
func (r *eventRuns) done(_ context.Context, e agent.TriggerEvent, answer string, d agent.Done) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.format {
	case "json":
		r.encode(map[string]any{
			"event": e.ID, "trigger": e.Trigger, "trigger_id": e.Instance, "answer": answer, "finish": d.Finish,
			"tool_calls": r.of(e.ID).list, "model": r.model, "session": r.session, "usage": d.Usage,
		})
	case "text":
		if note := cutNote(d); note != "" {
			fmt.Fprintln(r.Err, note)
		}
		if isTerminal(r.Out) {
			answer = printable(answer)
		}
		if _, err := fmt.Fprintln(r.Out, answer); err != nil {
			return err
		}
	}
	r.over(e.ID)
	return nil
}

// over counts an event; the lock is held.
func (r *eventRuns) over(id string) {
	delete(r.calls, id)
	if r.left--; r.left == 0 {
		r.end()
	}
}

func (r *eventRuns) tryFailed(_ context.Context, e agent.TriggerEvent, err error, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.Err, "%s failed; tried again in %s: %s\n", printable(e.ID), next.Round(time.Second), printable(describe(err)))
}

func (r *eventRuns) givenUp(_ context.Context, e agent.TriggerEvent, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.Err, "%s was given up: %s\n", printable(e.ID), printable(describe(err)))
	if r.format != "text" {
		r.encode(map[string]any{"type": "error", "event": e.ID, "error": describe(err)})
	}
	r.over(e.ID)
}
