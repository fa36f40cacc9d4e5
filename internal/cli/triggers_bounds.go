package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newTriggersBounds(s *shared) *cobra.Command {
	var least, most time.Duration
	cmd := &cobra.Command{
		Use:   "bounds",
		Short: "Show or change how often the project's triggers may ask applications",
		Long: "Show or change how often the project's triggers may ask applications. A change holds\n" +
			"from the next poll of each trigger on; 0 is the router's own. A type that must not\n" +
			"be asked as often holds besides.",
		Example: "  sluice triggers bounds\n  sluice triggers bounds --min 2m --max 30m\n  sluice triggers bounds --min 0",
		Args:    noArgs,
	}
	cmd.Flags().DurationVar(&least, "min", 0, "the shortest time between two polls, such as 2m")
	cmd.Flags().DurationVar(&most, "max", 0, "the longest time between two polls, such as 30m")
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, _ []string) error {
		given := func(name string, d *time.Duration) *time.Duration {
			if !cmd.Flags().Changed(name) {
				return nil
			}
			return d
		}
		var b *client.TriggerBounds
		var err error
		if low, high := given("min", &least), given("max", &most); low != nil || high != nil {
			b, err = r.SetTriggerBounds(cmd.Context(), low, high)
		} else {
			b, err = r.TriggerBounds(cmd.Context())
		}
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(map[string]float64{
				"min_interval_seconds": b.Min.Seconds(), "max_interval_seconds": b.Max.Seconds(),
				"least_seconds": b.Least.Seconds(), "most_seconds": b.Most.Seconds(),
			})
		}
		fmt.Fprintf(s.Out, "Polls come after %v at the soonest and %v at the latest.\n", b.Least, b.Most)
		return nil
	})
	return cmd
}
