package cli

import (
	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newMCP(s *shared) *cobra.Command {
	var toolkits []string
	var session string
	var direct bool
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Speak MCP on standard input and output",
		Long: "Speak MCP on standard input and output, for agents that start their servers as\n" +
			"programs. It opens a session at the router and passes messages on; both protocol\n" +
			"eras work. Logs go to standard error.",
		Example: "  sluice mcp --user me --toolkits confluence",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			r, err := s.router(ctx)
			if err != nil {
				return err
			}
			defer r.Close(ctx)
			var open *client.Session
			if session != "" {
				open, err = r.Use(ctx, session)
			} else {
				open, err = r.Create(ctx, s.userID(), client.SessionOptions{Toolkits: toolkits, PreloadAll: direct})
			}
			if err != nil {
				return err
			}
			return newBridge(open, s.Streams).run(ctx)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&toolkits, "toolkits", nil, "only these toolkits")
	f.BoolVar(&direct, "direct", false, "list every tool directly; needs --toolkits")
	f.StringVar(&session, "session", "", "an existing session to use")
	f.StringVar(&s.url, "url", "", "address of a running router (env SLUICE_URL); without one, a router is started in this process")
	f.StringVarP(&s.user, "user", "u", "", "the user to act for (env SLUICE_USER_ID or USER_ID; default \"default\")")
	return cmd
}
