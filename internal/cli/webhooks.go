package cli

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newWebhooks(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "webhooks",
		Short: "Subscribe an application to events, and follow their deliveries",
		Long: "Subscribe an application to events, and follow their deliveries. A project has\n" +
			"one subscription.",
		Example: "  sluice webhooks create https://app.example.com/hooks\n  sluice webhooks deliveries --status dead\n  sluice webhooks replay evt_…",
	})
	for _, c := range []*cobra.Command{
		newWebhooksList(s), newWebhooksCreate(s), newWebhooksUpdate(s), newWebhooksRotate(s), newWebhooksDelete(s),
		newWebhooksDeliveries(s), newReplay(s, false),
	} {
		s.routerFlag(c)
		s.jsonFlag(c)
		cmd.AddCommand(c)
	}
	cmd.AddCommand(newEndpoints(s))
	return cmd
}

// onRouter makes a command's work of f, given the router.
func (s *shared) onRouter(f func(cmd *cobra.Command, r *router, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		r, err := s.router(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close(cmd.Context())
		return f(cmd, r, args)
	}
}

const webhookID = "the id of a subscription, as sluice webhooks list shows it"

func newWebhooksList(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show the subscription", Args: noArgs,
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, _ []string) error {
			list := []client.Webhook{}
			for w, err := range r.Webhooks(cmd.Context()) {
				if err != nil {
					return err
				}
				list = append(list, w)
			}
			if s.json {
				return s.writeJSON(list)
			}
			if len(list) == 0 {
				fmt.Fprintln(s.Err, "There is no subscription. Make one with: sluice webhooks create https://…")
				return nil
			}
			for i := range list {
				s.showWebhook(&list[i])
			}
			return nil
		}),
	}
}

func (s *shared) showWebhook(w *client.Webhook) {
	fmt.Fprintf(s.Out, "%s  %s  %s  %s\n", w.ID, w.Status, w.Version, cut(w.URL, 200))
	if w.StatusReason != "" {
		fmt.Fprintf(s.Out, "  %s\n", cut(w.StatusReason, 200))
	}
	order := ""
	if w.Ordered {
		order = " (in order)"
	}
	fmt.Fprintf(s.Out, "  events: %s%s\n", strings.Join(w.Events, ", "), order)
}

// webhookFlags adds the flags of create and update; the function gives what was
// asked for.
func webhookFlags(cmd *cobra.Command) func() client.WebhookChange {
	var events []string
	var version string
	var ordered bool
	cmd.Flags().StringSliceVar(&events, "events", nil, "types of events, separated by commas (default composio.trigger.message)")
	cmd.Flags().StringVar(&version, "version", "", "shape of what is posted: V1, V2 or V3 (default V3)")
	cmd.Flags().BoolVar(&ordered, "ordered", false, "deliver one event after the other; one that fails holds up those behind it")
	return func() client.WebhookChange {
		var c client.WebhookChange
		if cmd.Flags().Changed("events") {
			c.Events = &events
		}
		if cmd.Flags().Changed("version") {
			c.Version = &version
		}
		if cmd.Flags().Changed("ordered") {
			c.Ordered = &ordered
		}
		return c
	}
}

func newWebhooksCreate(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create URL", Short: "Subscribe an address to events",
		Long: "Subscribe an address to events. The secret that messages are signed with is shown\n" +
			"this once.",
		Args: oneArg("the address that events are posted to"),
	}
	asked := webhookFlags(cmd)
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		c := asked()
		c.URL = &args[0]
		if c.Events == nil {
			c.Events = &[]string{"composio.trigger.message"}
		}
		w, err := r.CreateWebhook(cmd.Context(), c)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(w)
		}
		s.showWebhook(w)
		fmt.Fprintf(s.Out, "  secret: %s\n", w.Secret)
		fmt.Fprintln(s.Err, "Keep the secret: it is not shown again.")
		return nil
	})
	return cmd
}

func newWebhooksUpdate(s *shared) *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change the subscription; what is not named stays",
		Long: "Change the subscription; what is not named stays. With --to, the same address too,\n" +
			"one that is paused or disabled is delivered to again.",
		Args: oneArg(webhookID),
	}
	asked := webhookFlags(cmd)
	cmd.Flags().StringVar(&url, "to", "", "the address that events are posted to")
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		c := asked()
		if cmd.Flags().Changed("to") {
			c.URL = &url
		}
		w, err := r.UpdateWebhook(cmd.Context(), args[0], c)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(w)
		}
		s.showWebhook(w)
		return nil
	})
	return cmd
}

func newWebhooksRotate(s *shared) *cobra.Command {
	overlap := 24 * time.Hour
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give the subscription a new secret",
		Long: "Give the subscription a new secret, shown this once. For a time messages are signed\n" +
			"with the old one as well.",
		Args: oneArg(webhookID),
	}
	cmd.Flags().DurationVar(&overlap, "overlap", overlap, "for how long the old secret stays good, at most 168h; 0 ends it at once")
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		secret, until, err := r.RotateWebhookSecret(cmd.Context(), args[0], overlap)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(map[string]any{"id": args[0], "secret": secret, "previous_secret_valid_until": until})
		}
		fmt.Fprintln(s.Out, secret)
		if until != "" {
			fmt.Fprintf(s.Err, "The old secret is good until %s.\n", until)
		}
		return nil
	})
	return cmd
}

func newWebhooksDelete(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "End the subscription; what was not delivered is dropped", Args: oneArg(webhookID),
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
			if err := r.DeleteWebhook(cmd.Context(), args[0]); err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(map[string]any{"id": args[0], "deleted": true})
			}
			fmt.Fprintf(s.Out, "Deleted %s.\n", args[0])
			return nil
		}),
	}
}

func newWebhooksDeliveries(s *shared) *cobra.Command {
	var states []string
	limit := 50
	cmd := &cobra.Command{
		Use: "deliveries [ID]", Short: "List deliveries, or show one with its attempts",
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringSliceVar(&states, "status", nil, "only waiting, parked, delivered or dead")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many to list at most")
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		if len(args) == 1 {
			d, err := r.Delivery(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showDelivery(d)
		}
		list := []client.Delivery{}
		for d, err := range r.Deliveries(cmd.Context(), client.DeliveryQuery{States: states}) {
			if err != nil {
				return err
			}
			if len(list) >= limit {
				fmt.Fprintf(s.Err, "There are more than %d; --limit shows more.\n", limit)
				break
			}
			list = append(list, d)
		}
		if s.json {
			return s.writeJSON(list)
		}
		w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tEVENT\tTYPE\tSTATUS\tATTEMPTS\tLAST")
		for i := range list {
			d := &list[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", d.ID, d.EventID, d.EventType, d.Status, d.Attempts, lastOf(d.LastStatus, d.LastError))
		}
		return w.Flush()
	})
	return cmd
}

// lastOf says how an attempt ended.
func lastOf(status int, problem string) string {
	if problem != "" {
		return cut(problem, 80)
	}
	if status != 0 {
		return strconv.Itoa(status)
	}
	return ""
}

func (s *shared) showDelivery(d *client.Delivery) error {
	if s.json {
		return s.writeJSON(d)
	}
	fmt.Fprintf(s.Out, "%s  %s  %s  %s\n", d.ID, d.Status, d.EventType, d.EventID)
	w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
	for _, a := range d.Log {
		fmt.Fprintf(w, "  %d\t%s\t%.0f ms\t%s\t%s\n", a.Number, a.At, a.DurationMS, lastOf(a.Status, a.Error), cut(a.Excerpt, 80))
	}
	return w.Flush()
}

// momentOf reads a time, or how long ago it was; none is the zero time.
func momentOf(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, &exitCoded{exitUsage, fmt.Errorf("%s: expected a time such as 2026-11-22T10:00:00Z, or how long ago, such as 6h", flag)}
	}
	return t, nil
}
