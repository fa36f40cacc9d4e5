package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
)

func newSandbox(s *shared) *cobra.Command {
	o := app.SiteOptions{}
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a Confluence in memory, for trying and for tests",
		Long: "Run a Confluence Cloud in memory: REST v1 and v2 with API tokens on the site, and\n" +
			"OAuth with its gateway under /ex/confluence/{cloud id}. Any Confluence client can be\n" +
			"pointed at it. It starts with a small made-up company and is gone when it stops,\n" +
			"unless --file keeps it.",
		Example: "  sluice sandbox\n" +
			"  sluice sandbox --empty --pages 10000\n" +
			"  sluice sandbox --file site.json --json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.sandbox(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8788", "address to listen on; port 0 picks a free one")
	f.BoolVar(&o.AllowInsecureListen, "allow-insecure-listen", false, "listen beyond loopback, without TLS")
	f.BoolVar(&o.Empty, "empty", false, "start without the made-up company")
	f.IntVar(&o.Pages, "pages", 0, "add this many made-up pages")
	f.StringVar(&o.From, "from", "", "start with a dump: a JSON file that --file wrote")
	f.StringVar(&o.File, "file", "", "keep the site in this file between runs; a change is in it after about a second")
	f.BoolVar(&o.V1Removed, "v1-removed", false, "answer 410 to the v1 calls that were taken out of the API")
	f.BoolVar(&o.Anonymous, "anonymous", false, "let anybody read")
	f.DurationVar(&o.IndexLag, "index-lag", 0, "how long a change stays invisible to search")
	f.DurationVar(&o.AccessLife, "access-life", 0, "how long OAuth access tokens live (default an hour)")
	f.DurationVar(&o.RefreshGrace, "refresh-grace", 0, "how long an exchanged refresh token works again; negative: not at all (default 10m)")
	f.IntVar(&o.Quota, "quota", 0, "points that an OAuth app may spend in an hour (default 65,000)")
	f.IntVar(&o.Burst, "burst", 0, "calls that an OAuth app or a token may make in a second (default any)")
	f.StringVar(&o.RedirectURI, "oauth-redirect", "", "register an OAuth app that may return to this address")
	f.BoolVar(&s.json, "json", false, "write the address and the credentials as JSON")
	return cmd
}

func (s *shared) sandbox(ctx context.Context, o app.SiteOptions) error {
	o.Log = slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	began := time.Now()
	site, err := app.StartSite(ctx, o)
	if err != nil {
		return err
	}
	if s.json {
		err = s.writeJSON(site)
	} else {
		s.describeSite(site, time.Since(began))
	}
	if err != nil {
		_ = site.Stop()
		return err
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-site.Failed():
	}
	if err := site.Stop(); err != nil && failed == nil {
		return err
	}
	return failed
}

func (s *shared) describeSite(site *app.Site, took time.Duration) {
	fmt.Fprintf(s.Out, "Sandbox Confluence on %s (ready in %s; not a real site)\n", site.URL, took.Round(time.Millisecond))
	fmt.Fprintf(s.Out, "  sign in as %s with the API token %s\n", site.Email, site.Token)
	fmt.Fprintf(s.Out, "  OAuth: %s/authorize, %s/oauth/token, gateway %s/ex/confluence/%s\n", site.URL, site.URL, site.URL, site.CloudID)
	if site.ClientID != "" {
		fmt.Fprintf(s.Out, "  OAuth app: client id %s, client secret %s\n", site.ClientID, site.ClientSecret)
	}
	fmt.Fprintf(s.Out, "\nTry:\n  curl -u %s:%s %s/wiki/api/v2/spaces\n", site.Email, site.Token, site.URL)
}
