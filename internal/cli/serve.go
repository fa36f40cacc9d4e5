package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
)

func newServe(s *shared) *cobra.Command {
	var addr, publicURL, cert, key, logLevel, logFormat string
	var sandbox, insecure bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the router",
		Long: "Run the router: REST on /api/v3.1, MCP on /tool_router/{session}/mcp.\n\n" +
			"It listens on loopback unless told otherwise. The first start makes a project,\n" +
			"an API key (printed once) and the key-encryption key of the vault.\n" +
			"Each flag has an environment variable (SLUICE_ADDR, …) and a line in sluice.yaml;\n" +
			"a flag wins over the environment, which wins over the file.",
		Example: "  sluice serve --sandbox\n" +
			"  sluice serve --addr 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem \\\n" +
			"    --public-url https://sluice.example.com",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig(s.config, s.home)
			if err != nil {
				return err
			}
			set := func(name string, target *string, value string) {
				if cmd.Flags().Changed(name) {
					*target = value
				}
			}
			set("addr", &cfg.Addr, addr)
			set("public-url", &cfg.PublicURL, publicURL)
			set("tls-cert", &cfg.TLSCert, cert)
			set("tls-key", &cfg.TLSKey, key)
			set("log-level", &cfg.LogLevel, logLevel)
			set("log-format", &cfg.LogFormat, logFormat)
			if cmd.Flags().Changed("sandbox") {
				cfg.Sandbox = sandbox
			}
			if cmd.Flags().Changed("allow-insecure-listen") {
				cfg.AllowInsecureListen = insecure
			}
			return s.serve(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&addr, "addr", "", "address to listen on (env SLUICE_ADDR; default 127.0.0.1:8787)")
	f.BoolVar(&sandbox, "sandbox", false, "also serve the embedded Confluence; users are connected to it at first use (env SLUICE_SANDBOX)")
	f.StringVar(&publicURL, "public-url", "", "origin by which clients reach the router (env SLUICE_PUBLIC_URL)")
	f.StringVar(&cert, "tls-cert", "", "certificate file; reloaded when it changes (env SLUICE_TLS_CERT)")
	f.StringVar(&key, "tls-key", "", "key file of the certificate (env SLUICE_TLS_KEY)")
	f.BoolVar(&insecure, "allow-insecure-listen", false, "listen beyond loopback without TLS, behind a proxy that adds it (env SLUICE_ALLOW_INSECURE_LISTEN)")
	f.StringVar(&logLevel, "log-level", "", "debug, info, warn or error (env SLUICE_LOG_LEVEL)")
	f.StringVar(&logFormat, "log-format", "", "text or json (env SLUICE_LOG_FORMAT)")
	return cmd
}

func (s *shared) serve(ctx context.Context, cfg app.Config) error {
	app.TuneRuntime(os.Getenv)
	a, err := app.New(ctx, app.Options{Config: cfg, LogOutput: s.Err})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		_ = a.Stop(context.WithoutCancel(ctx))
		return err
	}
	s.greet(a)
	app.Settle()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-a.Failed():
	}
	if err := a.Stop(context.WithoutCancel(ctx)); err != nil && failed == nil {
		return err
	}
	return failed
}

// greet says once how to reach the router.
func (s *shared) greet(a *app.App) {
	fmt.Fprintf(s.Out, "Sluice %s listens on %s\n", app.Version(), a.ListenURL())
	if a.URL() != a.ListenURL() {
		fmt.Fprintf(s.Out, "Clients reach it as %s\n", a.URL())
	}
	if key := a.FirstKey(); key != "" {
		fmt.Fprintf(s.Out, "\nAPI key (shown only now; make others with: sluice keys create):\n  %s\n", key)
	}
	if u := a.SandboxURL(); u != "" {
		email, token := a.SandboxVisitor()
		fmt.Fprintf(s.Out, "\nSandbox Confluence on %s (in memory; not a real site)\n", u)
		fmt.Fprintf(s.Out, "  sign in as %s with the API token %s\n", email, token)
	}
	fmt.Fprintf(s.Out, "\nPoint any Composio SDK here:\n  export COMPOSIO_BASE_URL=%s\n", a.URL())
}
