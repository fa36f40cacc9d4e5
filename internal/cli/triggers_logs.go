package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newTriggersLogs(s *shared) *cobra.Command {
	var q client.TriggerLogQuery
	limit := 50
	cmd := &cobra.Command{
		Use:   "logs [EVENT]",
		Short: "List the events of triggers with what became of them, or show one",
		Example: "  sluice triggers logs --trigger ti_…\n" +
			"  sluice triggers logs --status error --json\n" +
			"  sluice triggers logs evt_…",
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&q.Trigger, "trigger", "", "only of this trigger, by id or type")
	cmd.Flags().StringVar(&q.UserID, "user", "", "only of this user")
	cmd.Flags().StringVar(&q.Status, "status", "", "only success or error")
	cmd.Flags().BoolVar(&q.Payload, "payload", false, "with what the events hold (in JSON)")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many to list at most")
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		if len(args) == 1 {
			l, err := r.TriggerLog(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showTriggerLog(l)
		}
		list := []client.TriggerLog{}
		for l, err := range r.TriggerLogs(cmd.Context(), q) {
			if err != nil {
				return err
			}
			if len(list) >= limit {
				fmt.Fprintf(s.Err, "There are more than %d; --limit shows more.\n", limit)
				break
			}
			list = append(list, l)
		}
		if s.json {
			return s.writeJSON(list)
		}
		w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "EVENT\tWHEN\tTYPE\tTRIGGER\tUSER\tSTATUS\tLAST")
		for i := range list {
			l := &list[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.CreatedAt, l.Meta.Trigger, l.Meta.TriggerID, cut(l.UserID, 40), l.Status, cut(l.Meta.Problem, 80))
		}
		return w.Flush()
	})
	return cmd
}

func (s *shared) showTriggerLog(l *client.TriggerLog) error {
	if s.json {
		return s.writeJSON(l)
	}
	fmt.Fprintf(s.Out, "%s  %s  %s\n  %s of %s, for %s\n", l.ID, l.CreatedAt, l.Status, l.Meta.Trigger, l.Meta.TriggerID, cut(l.UserID, 100))
	for _, line := range []string{l.Meta.Problem, l.Meta.Answer, l.Meta.Payload} {
		if line != "" {
			fmt.Fprintf(s.Out, "  %s\n", printable(line))
		}
	}
	return nil
}
