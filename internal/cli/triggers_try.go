package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/domain"
)

// triggerTest are the flags of sluice triggers test.
type triggerTest struct {
	*shared
	pairs   []string
	from    string
	to      string
	timeout time.Duration
}

func newTriggersTest(s *shared) *cobra.Command {
	f := &triggerTest{shared: s}
	cmd := &cobra.Command{
		Use:   "test ID|TYPE",
		Short: "Publish a made-up event of a trigger",
		Long: "Publish a made-up event of a trigger: the example of its type, as its configuration\n" +
			"could get it now, marked as a test. It is kept, delivered and streamed like every\n" +
			"event; the application is not asked.\n\n" +
			"With a type it is an event of the newest trigger of that type; where there is none, or\n" +
			"with --set, one of a trigger that does not exist (ti_test).\n\n" +
			"--to webhook follows its delivery: the command ends with 0 when the webhook\n" +
			"subscription's endpoint took it, and with 1 when it did not.",
		Example: "  sluice triggers test CONFLUENCE_PAGE_CREATED_TRIGGER\n" +
			"  sluice triggers test ti_… --to webhook\n" +
			"  sluice triggers test CONFLUENCE_PAGE_CREATED_TRIGGER --set spaceId=98304",
		Args: oneArg("the id of a trigger, or the slug of a type"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			ids, _ := s.completeTrigger(cmd, args, toComplete)
			slugs, directive := s.completeTriggerType(cmd, args, toComplete)
			return append(ids, slugs...), directive
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.to != "" && f.to != "webhook" {
				return usage(cmd, fmt.Errorf("--to %q: expected webhook", f.to))
			}
			config, err := readArguments(s.In, f.from)
			if err != nil {
				return err
			}
			return s.withRouter(cmd.Context(), func(r *router) error { return f.run(cmd.Context(), r, args[0], config) })
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&s.user, "user", "u", "", "with a type: this user's trigger")
	fl.StringArrayVar(&f.pairs, "set", nil, "with a type: one field of a configuration as name=value; may be given again")
	fl.StringVar(&f.from, "config-file", "", "with a type: a configuration as a JSON object from this file, or from standard input with -")
	fl.StringVar(&f.to, "to", "", "follow the delivery: webhook")
	fl.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for the delivery")
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"webhook"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *triggerTest) run(ctx context.Context, r *router, trigger string, config map[string]any) error {
	if len(f.pairs) > 0 {
		t, err := r.TriggerType(ctx, trigger)
		if err != nil {
			return err
		}
		if config == nil {
			config = map[string]any{}
		}
		if err := setPairs(config, t.Config, f.pairs); err != nil {
			return fmt.Errorf("the configuration: %w", err)
		}
	}
	if f.to == "webhook" {
		if err := hasWebhook(ctx, r); err != nil {
			return err
		}
	}
	if f.from == "" && len(f.pairs) == 0 {
		config = nil
	}
	e, err := r.TryTrigger(ctx, trigger, f.user, config)
	if err != nil {
		return err
	}
	if f.to == "" {
		if f.json {
			return f.writeJSON(e)
		}
		fmt.Fprintf(f.Out, "%s is an event of %s, %s.\n", e.ID, e.Source, e.Trigger)
		f.where(e)
		return nil
	}
	if len(e.Deliveries) == 0 {
		return errors.New("the webhook subscription went before the event was made")
	}
	d, err := f.follow(ctx, r, e.Deliveries[0].ID)
	if err != nil {
		return err
	}
	if f.json {
		if err := f.writeJSON(map[string]any{"event": e, "delivery": d}); err != nil {
			return err
		}
	}
	if d.Status != "delivered" {
		return fmt.Errorf("%s was not taken: %s. It is tried again; see: sluice webhooks deliveries %s", e.ID, undelivered(d), d.ID)
	}
	if !f.json {
		fmt.Fprintf(f.Out, "%s is an event of %s, %s.\nThe webhook took it: %d.\n", e.ID, e.Source, e.Trigger, d.LastStatus)
	}
	return nil
}

// where says who hears of the event.
func (f *triggerTest) where(e *client.Tried) {
	if len(e.Deliveries) == 0 {
		fmt.Fprintln(f.Err, "No webhook subscription is for events of triggers; see: sluice webhooks create")
		return
	}
	fmt.Fprintf(f.Err, "On its way to the webhook; see: sluice webhooks deliveries %s\n", e.Deliveries[0].ID)
}

// hasWebhook fails where no subscription is for events of triggers.
func hasWebhook(ctx context.Context, r *router) error {
	for w, err := range r.Webhooks(ctx) {
		if err != nil {
			return err
		}
		if w.Status == "disabled" {
			return fmt.Errorf("the webhook subscription %s is disabled: %s\n  Set its address: sluice webhooks update %s --to https://…", w.ID, w.StatusReason, w.ID)
		}
		for _, name := range w.Events {
			if name == triggerMessage {
				return nil
			}
		}
		return fmt.Errorf("the webhook subscription %s is not for events of triggers\n  Subscribe it: sluice webhooks update %s --events %s", w.ID, w.ID, triggerMessage)
	}
	return errors.New("the project has no webhook subscription\n  Make one: sluice webhooks create https://…")
}

// triggerMessage is the type of the events of triggers.
const triggerMessage = "composio.trigger.message"

// follow waits until the delivery was tried.
func (f *triggerTest) follow(ctx context.Context, r *router, id string) (*client.Delivery, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("the event is not delivered after %s; see: sluice webhooks deliveries %s", f.timeout, id))
	defer cancel()
	stop := f.busy("Delivering")
	defer stop()
	for {
		d, err := r.Delivery(ctx, id)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil || d.Status == "delivered" || d.Status == "dead" || d.LastError != "" {
			return d, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// undelivered says why a delivery was not taken.
func undelivered(d *client.Delivery) string {
	if text := lastOf(d.LastStatus, d.LastError); text != "" {
		return text
	}
	return "it is " + d.Status
}

// replayFlags are those of the commands that deliver events again.
type replayFlags struct {
	from, to string
	types    []string
	trigger  string
	failed   bool
}

// newReplay is the command that delivers events again: all kinds, or those of triggers.
func newReplay(s *shared, ofTriggers bool) *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use: "replay [EVENT]", Short: "Deliver an event again, or those of a time",
		Long: "Deliver an event again, or those of a time, with their ids of before: a receiver\n" +
			"that drops ids that it knows hears of each once.",
		Example: "  sluice webhooks replay evt_…\n  sluice webhooks replay --from 6h --failed",
		Args:    cobra.MaximumNArgs(1),
	}
	if ofTriggers {
		cmd.Short = "Deliver an event of a trigger again, or those of a time"
		cmd.Long = "Deliver an event of a trigger again, or those of a time, with their ids of before: a\n" +
			"receiver that drops ids that it knows hears of each once. They go to the webhook\n" +
			"subscription. It is sluice webhooks replay, which knows all kinds of events, for\n" +
			"those of triggers."
		cmd.Example = "  sluice triggers replay evt_…\n" +
			"  sluice triggers replay --from 6h --failed\n" +
			"  sluice triggers replay --from 2026-11-22T10:00:00Z --to 2026-11-22T11:00:00Z --trigger ti_…"
	}
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "a time, such as 2026-11-22T10:00:00Z, or how long ago, such as 6h")
	fl.StringVar(&f.to, "to", "", "a time or how long ago (default now)")
	fl.BoolVar(&f.failed, "failed", false, "only what was not delivered")
	fl.StringVar(&f.trigger, "trigger", "", "only of this trigger, by its id, or of this type, by its slug")
	if !ofTriggers {
		fl.StringSliceVar(&f.types, "types", nil, "only of these types")
	}
	fl.SetNormalizeFunc(olderNames(map[string]string{"since": "from", "until": "to"}))
	_ = cmd.RegisterFlagCompletionFunc("trigger", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		ids, _ := s.completeTrigger(cmd, nil, toComplete)
		slugs, directive := s.completeTriggerType(cmd, nil, toComplete)
		return append(ids, slugs...), directive
	}) // fails only for a flag that is not there
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		if ofTriggers {
			f.types = []string{triggerMessage}
		}
		n, err := f.run(cmd, r, args)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(map[string]any{"events": n})
		}
		fmt.Fprintf(s.Out, "Delivering again: %d.\n", n)
		return nil
	})
	return cmd
}

// olderNames lets flags be called by names that they had before.
func olderNames(now map[string]string) func(*pflag.FlagSet, string) pflag.NormalizedName {
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if newer, ok := now[name]; ok {
			name = newer
		}
		return pflag.NormalizedName(name)
	}
}

// run asks for the replay, and gives how many events it is of.
func (f *replayFlags) run(cmd *cobra.Command, r *router, args []string) (int, error) {
	if len(args) == 1 {
		for _, name := range []string{"from", "to", "failed", "trigger", "types"} {
			if cmd.Flags().Changed(name) {
				return 0, usage(cmd, fmt.Errorf("name an event or a time: --%s is for a time", name))
			}
		}
		return 1, r.ReplayEvent(cmd.Context(), args[0])
	}
	q := client.Replay{Types: f.types, Failed: f.failed}
	if isInstance(f.trigger) {
		q.Source = f.trigger
	} else {
		q.Trigger = f.trigger
	}
	var err error
	if q.From, err = momentOf("--from", f.from); err != nil {
		return 0, err
	}
	if q.From.IsZero() {
		return 0, usage(cmd, errors.New("name an event, or a time with --from"))
	}
	if q.To, err = momentOf("--to", f.to); err != nil {
		return 0, err
	}
	return r.ReplayEvents(cmd.Context(), q)
}

// isInstance tells the id of a trigger from the slug of a type.
func isInstance(name string) bool { return domain.HasPrefix(name, domain.PrefixTrigger) }
