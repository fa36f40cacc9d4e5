package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

// mcpFlags are the flags of sluice mcp.
type mcpFlags struct {
	*shared
	toolkits []string
	session  string
	direct   bool

	permissions func() (*client.Permissions, error)
}

func newMCP(s *shared) *cobra.Command {
	f := &mcpFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Speak MCP on standard input and output",
		Long: "Speak MCP on standard input and output, for agents that start their servers as\n" +
			"programs. It opens a session at the router and passes messages on; both protocol\n" +
			"eras work. When standard input ends, requests that\n" +
			"still run have 10 seconds, and the session is deleted unless --session named it.",
		Example: "  sluice mcp --user me --toolkits confluence",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.session != "" && (f.direct || len(f.toolkits) > 0 || cmd.Flags().Changed("permission")):
				return usage(cmd, errors.New("--session has its own toolkits and permissions: leave out --toolkits, --direct and --permission"))
			case f.direct && len(f.toolkits) == 0:
				return usage(cmd, errors.New("--direct needs --toolkits: name those whose tools are listed"))
			}
			return f.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.toolkits, "toolkits", nil, "only these toolkits")
	fl.BoolVar(&f.direct, "direct", false, "list every tool directly; needs --toolkits")
	fl.StringVar(&f.session, "session", "", "an existing session to use")
	f.permissions = permissionFlag(cmd)
	s.routerFlag(cmd)
	s.userFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("toolkits", s.completeToolkit) // fails only for a flag that is not there
	return cmd
}

func (f *mcpFlags) run(ctx context.Context) error {
	permissions, err := f.permissions()
	if err != nil {
		return err
	}
	r, err := f.router(ctx)
	if err != nil {
		return err
	}
	defer r.Close(ctx)
	if f.session != "" {
		open, err := r.Use(ctx, f.session)
		if err != nil {
			return err
		}
		return newBridge(open, f.Streams).run(ctx)
	}
	open, err := r.Create(ctx, f.userID(), client.SessionOptions{Toolkits: f.toolkits, PreloadAll: f.direct, Permissions: permissions})
	if err != nil {
		return err
	}
	defer open.Delete(context.WithoutCancel(ctx)) //nolint:errcheck // a left-over session is harmless
	return newBridge(open, f.Streams).run(ctx)
}
