package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newTriggers(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "triggers",
		Short: "Watch applications, and be told of what happens there",
		Long: "A trigger is a kind of event with a configuration, on one connected account. The\n" +
			"router asks the application at intervals, keeps each event once, and delivers it to\n" +
			"the project's webhook subscription.",
		Example: "  sluice triggers types --toolkit confluence\n" +
			"  sluice triggers create CONFLUENCE_PAGE_CREATED_TRIGGER --set spaceId=MKT\n" +
			"  sluice triggers list\n" +
			"  sluice triggers test CONFLUENCE_PAGE_CREATED_TRIGGER\n" +
			"  sluice triggers listen",
	})
	cmd.AddCommand(
		newTriggersTypes(s), newTriggersCreate(s), newTriggersList(s), newTriggersShow(s),
		newTriggersEnable(s, true), newTriggersEnable(s, false), newTriggersDelete(s),
		newTriggersTest(s), newTriggersListen(s), newTriggersLogs(s), newTriggersBounds(s),
	)
	replay := newReplay(s, true)
	s.routerFlag(replay)
	s.jsonFlag(replay)
	cmd.AddCommand(replay)
	return cmd
}

func newTriggersTypes(s *shared) *cobra.Command {
	var toolkit string
	cmd := &cobra.Command{
		Use:   "types [SLUG]",
		Short: "List the kinds of triggers, or show one with its configuration and an event",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return s.completeTriggerType(cmd, args, "")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error {
				if len(args) == 1 {
					return s.showTriggerType(cmd.Context(), r, args[0])
				}
				list := []client.TriggerType{}
				for t, err := range r.TriggerTypes(cmd.Context(), toolkit) {
					if err != nil {
						return err
					}
					list = append(list, t)
				}
				if s.json {
					return s.writeJSON(list)
				}
				w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "SLUG\tWHAT IT REPORTS")
				for _, t := range list {
					fmt.Fprintf(w, "%s\t%s\n", t.Slug, cut(printable(t.Description), 90))
				}
				return w.Flush()
			})
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.Flags().StringVar(&toolkit, "toolkit", "", "only of this toolkit")
	return cmd
}

func (s *shared) showTriggerType(ctx context.Context, r *router, slug string) error {
	t, err := r.TriggerType(ctx, slug)
	if err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(t)
	}
	fmt.Fprintf(s.Out, "%s  (%s)\n%s\n", t.Slug, printable(t.Name), printable(t.Description))
	if t.Instructions != "" {
		fmt.Fprintf(s.Out, "%s\n", printable(t.Instructions))
	}
	fmt.Fprintf(s.Out, "Asked about every %v; needs %s\n", time.Duration(t.Interval)*time.Second, strings.Join(t.Scopes, ", "))
	for _, part := range []struct {
		title string
		text  json.RawMessage
	}{{"Configuration", t.Config}, {"Example of an event", t.Example}} {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, part.text, "", "  "); err != nil {
			return fmt.Errorf("the router's answer: %w", err)
		}
		fmt.Fprintf(s.Out, "\n%s:\n%s\n", part.title, pretty.String())
	}
	return nil
}

func newTriggersCreate(s *shared) *cobra.Command {
	var pairs []string
	var from, account string
	cmd := &cobra.Command{
		Use:   "create TYPE",
		Short: "Make a trigger; the same one again changes nothing",
		Long: "Make a trigger for a user. Its configuration is tried against the application: what it\n" +
			"names must be there. What happens from now on is reported.\n\n" +
			"A value of --set is read as JSON where the type asks for a number, boolean or list.",
		Example:           "  sluice triggers create CONFLUENCE_PAGE_CREATED_TRIGGER --set spaceId=MKT",
		Args:              oneArg("the slug of a trigger type, as sluice triggers types shows it"),
		ValidArgsFunction: s.completeTriggerType,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := readArguments(s.In, from)
			if err != nil {
				return err
			}
			return s.withRouter(cmd.Context(), func(r *router) error {
				t, err := r.TriggerType(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if err := setPairs(config, t.Config, pairs); err != nil {
					return fmt.Errorf("the configuration: %w", err)
				}
				stop := s.busy("Making the trigger")
				defer stop()
				id, err := r.UpsertTrigger(cmd.Context(), client.NewTrigger{Type: t.Slug, UserID: s.userID(), AccountID: account, Config: config})
				if err != nil {
					return err
				}
				stop()
				return s.done(map[string]any{"id": id}, "%s reports %s.", id, t.Slug)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&pairs, "set", nil, "one field of the configuration as name=value; may be given again")
	f.StringVar(&from, "config-file", "", "take the configuration as a JSON object from this file, or from standard input with -")
	f.StringVar(&account, "account", "", "connected account to watch (default: the newest active one)")
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	s.userFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("account", s.completeAccount) // fails only for a flag that is not there
	return cmd
}

func newTriggersList(s *shared) *cobra.Command {
	q := client.TriggerQuery{}
	var enabled bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List triggers, newest first",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error {
				q.Disabled = !enabled
				if s.user != "" {
					q.UserIDs = []string{s.user}
				}
				list := []client.Trigger{}
				for t, err := range r.Triggers(cmd.Context(), q) {
					if err != nil {
						return err
					}
					list = append(list, t)
				}
				if s.json {
					return s.writeJSON(list)
				}
				if len(list) == 0 {
					fmt.Fprintln(s.Err, "There is no trigger. Make one with: sluice triggers create TYPE")
					return nil
				}
				w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tTYPE\tUSER\tACCOUNT\tSTATUS\tCONFIGURATION")
				for i := range list {
					t := &list[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Type, printable(cut(t.UserID, 30)), t.AccountID,
						triggerState(t), printable(cut(string(t.Config), 60)))
				}
				return w.Flush()
			})
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.Flags().StringVarP(&s.user, "user", "u", "", "only this user's")
	cmd.Flags().StringSliceVar(&q.Types, "type", nil, "only of this type; may be given again")
	cmd.Flags().BoolVar(&enabled, "enabled", false, "leave out disabled ones")
	return cmd
}

// triggerState is a trigger's state as people read it.
func triggerState(t *client.Trigger) string {
	switch t.State.Cause {
	case "failures":
		return "disabled: it failed"
	case "account":
		return "disabled: its account"
	}
	return t.State.Status
}

// triggerCommand is a command on one trigger.
func (s *shared) triggerCommand(use, short string, run func(ctx context.Context, r *router, id string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               use + " ID",
		Short:             short,
		Args:              oneArg("the id of a trigger, as sluice triggers list shows it"),
		ValidArgsFunction: s.completeTrigger,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error { return run(cmd.Context(), r, args[0]) })
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

func newTriggersShow(s *shared) *cobra.Command {
	return s.triggerCommand("show", "Show one trigger", func(ctx context.Context, r *router, id string) error {
		t, err := r.Trigger(ctx, id)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(t)
		}
		w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
		for _, l := range [][2]string{
			{"Trigger", t.ID},
			{"Type", t.Type},
			{"User", t.UserID},
			{"Account", t.AccountID},
			{"Configuration", string(t.Config)},
			{"Status", triggerState(t)},
			{"Reason", t.State.Reason},
			{"Disabled", t.DisabledAt},
			{"Changed", t.UpdatedAt},
		} {
			if l[1] != "" {
				fmt.Fprintf(w, "%s\t%s\n", l[0], printable(l[1]))
			}
		}
		return w.Flush()
	})
}

func newTriggersEnable(s *shared, enable bool) *cobra.Command {
	use, short, did := "enable", "Let a trigger report again", "Enabled"
	if !enable {
		use, short, did = "disable", "End a trigger's reports until it is enabled again", "Disabled"
	}
	return s.triggerCommand(use, short, func(ctx context.Context, r *router, id string) error {
		if err := r.EnableTrigger(ctx, id, enable); err != nil {
			return err
		}
		return s.done(map[string]any{"id": id, "enabled": enable}, "%s %s.", did, id)
	})
}

func newTriggersDelete(s *shared) *cobra.Command {
	return s.triggerCommand("delete", "Delete a trigger; its events stay", func(ctx context.Context, r *router, id string) error {
		if err := r.DeleteTrigger(ctx, id); err != nil {
			return err
		}
		return s.done(map[string]any{"id": id, "deleted": true}, "Deleted %s.", id)
	})
}

// completeTriggerType completes the slugs of trigger types.
func (s *shared) completeTriggerType(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		var slugs []string
		for t, err := range r.TriggerTypes(ctx, "") {
			if err != nil {
				return nil, err
			}
			slugs = append(slugs, option(t.Slug, t.Name))
		}
		return slugs, nil
	})
}

// completeTrigger completes the ids of triggers.
func (s *shared) completeTrigger(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		var ids []string
		for t, err := range r.Triggers(ctx, client.TriggerQuery{Disabled: true}) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, option(t.ID, t.Type+" "+t.UserID))
		}
		return ids, nil
	})
}
