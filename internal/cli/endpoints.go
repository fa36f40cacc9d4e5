package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newEndpoints(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "endpoints",
		Short: "Have applications tell triggers of changes, by webhooks of theirs",
		Long: "Have applications tell triggers of changes, by webhooks of theirs. What they tell is\n" +
			"an event at once; polls go on, and tell what no webhook told.",
		Example: "  sluice webhooks endpoints create confluence\n  sluice webhooks endpoints rotate we_…",
	})
	for _, c := range []*cobra.Command{
		newEndpointsCreate(s), newEndpointsList(s), newEndpointsShow(s), newEndpointsRotate(s), newEndpointsDelete(s),
	} {
		s.routerFlag(c)
		s.jsonFlag(c)
		cmd.AddCommand(c)
	}
	return cmd
}

const endpointID = "the id of an endpoint, as sluice webhooks endpoints list shows it"

// showEndpoint shows an endpoint, and of Confluence's what to enter there.
func (s *shared) showEndpoint(e *client.Endpoint) {
	of := ""
	if e.ClientID != "" {
		of = "  of " + cut(e.ClientID, 100)
	}
	fmt.Fprintf(s.Out, "%s  %s%s\n", e.ID, e.Toolkit, of)
	fmt.Fprintf(s.Out, "  last received: %s\n", lastReceived(e))
	if e.LastError != "" {
		fmt.Fprintf(s.Out, "  problem: %s\n", cut(e.LastError, 200))
	}
	if e.PreviousUntil != "" {
		fmt.Fprintf(s.Out, "  the secret of before is taken until %s\n", e.PreviousUntil)
	}
	secret := e.Data.Secret
	if strings.Trim(secret, "*") == "" {
		secret = "(the secret that was shown when it was made; sluice webhooks endpoints rotate " + e.ID + " gives a new one)"
	}
	fmt.Fprintf(s.Out, "\nWhat the application sends:\n\n")
	if e.Toolkit == "confluence" {
		fmt.Fprint(s.Out, "  (in Confluence: Settings, Automation, a rule with the action \"Send web request\")\n\n")
	}
	fmt.Fprintf(s.Out, "  Web request URL  %s\n  HTTP method      POST\n  Header           %s\n  Its value        %s\n", e.URL, e.Header, secret)
	if e.Toolkit == "confluence" {
		fmt.Fprint(s.Out, confluenceBodies)
	}
}

// confluenceBodies are the bodies of rules, by what starts them.
const confluenceBodies = `  Header           Content-Type
  Its value        application/json
  Web request body Custom data, by what starts the rule:

    Page published        {"event":"created","type":"page","id":"{{page.id}}"}
    Page edited           {"event":"updated","type":"page","id":"{{page.id}}"}
    Blog post published   {"event":"created","type":"blogpost","id":"{{blog.id}}"}
    Blog post edited      {"event":"updated","type":"blogpost","id":"{{blog.id}}"}
    Attachment added      {"event":"created","type":"attachment","id":"{{attachment.id}}"}
    Comment added         {"event":"created","type":"footer-comment","id":"{{comment.id}}"}
`

func lastReceived(e *client.Endpoint) string {
	if e.ReceivedAt == "" {
		return "nothing yet"
	}
	return e.ReceivedAt
}

func newEndpointsCreate(s *shared) *cobra.Command {
	var of string
	cmd := &cobra.Command{
		Use: "create TOOLKIT", Short: "Make the address at which an application tells of changes",
		Long: "Make the address at which an application tells of changes, or show the one that is\n" +
			"there, with what to enter in the application. The secret is shown this once.",
		Args: oneArg("a toolkit, such as confluence"),
	}
	cmd.Flags().StringVar(&of, "client-id", "", "tell only accounts of this OAuth client or auth config")
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		e, err := r.CreateEndpoint(cmd.Context(), args[0], of)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(e)
		}
		s.showEndpoint(e)
		if strings.Trim(e.Data.Secret, "*") != "" {
			fmt.Fprintln(s.Err, "Keep the secret: it is not shown again.")
		}
		return nil
	})
	return cmd
}

func newEndpointsList(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the addresses at which applications tell of changes", Args: noArgs,
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, _ []string) error {
			list, err := r.Endpoints(cmd.Context(), "")
			if err != nil {
				return err
			}
			if s.json {
				type item struct {
					ID       string `json:"id"`
					Toolkit  string `json:"toolkit_slug"`
					ClientID string `json:"client_id"`
				}
				out := make([]item, 0, len(list))
				for i := range list {
					out = append(out, item{ID: list[i].ID, Toolkit: list[i].Toolkit, ClientID: list[i].ClientID})
				}
				return s.writeJSON(out)
			}
			if len(list) == 0 {
				fmt.Fprintln(s.Err, "There is none. Make one with: sluice webhooks endpoints create confluence")
				return nil
			}
			w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
			for i := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\n", list[i].ID, list[i].Toolkit, cut(list[i].ClientID, 100))
			}
			return w.Flush()
		}),
	}
}

func newEndpointsShow(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an endpoint, and what to enter in the application", Args: oneArg(endpointID),
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
			e, err := r.Endpoint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(e)
			}
			s.showEndpoint(e)
			return nil
		}),
	}
}

func newEndpointsRotate(s *shared) *cobra.Command {
	overlap := 24 * time.Hour
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give an endpoint a new secret",
		Long: "Give an endpoint a new secret, shown this once. For a time the old one is taken as\n" +
			"well, until it is exchanged in the application.",
		Args: oneArg(endpointID),
	}
	cmd.Flags().DurationVar(&overlap, "overlap", overlap, "for how long the old secret stays good, at most 168h; 0 ends it at once")
	cmd.RunE = s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
		secret, until, err := r.RotateEndpointSecret(cmd.Context(), args[0], overlap)
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

func newEndpointsDelete(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "End an endpoint; what was not looked into yet is dropped", Args: oneArg(endpointID),
		RunE: s.onRouter(func(cmd *cobra.Command, r *router, args []string) error {
			if err := r.DeleteEndpoint(cmd.Context(), args[0]); err != nil {
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
