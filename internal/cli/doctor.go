package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
)

// variables are those of ours that commands read and that are no settings.
var variables = []string{envURL, "SLUICE_USER_ID", "SLUICE_MODEL", envSecret}

func newDoctor(s *shared) *cobra.Command {
	var user, toolkit, account string
	var online bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong, and how to mend it",
		Long: "Look at everything that a router stands on: the configuration and the environment,\n" +
			"the home and its file modes, the database, the key-encryption key, the address,\n" +
			"the public URL with its certificate, redirect addresses, proxies, the model\n" +
			"provider, and each connected account: does the site answer, is the token good, are\n" +
			"its scopes enough for the tools, is the clock right. Each finding comes with its\n" +
			"mend. It works beside a running router on the same home, and without one.\n\n" +
			"It exits with 1 when something fails; warnings alone do not fail. No secret is\n" +
			"shown. Sites of connected accounts are called with their credentials; nothing else\n" +
			"is, but the public URL and a model server that the environment names.",
		Example: "  sluice doctor\n  sluice doctor --user ann --toolkit confluence\n  sluice doctor --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig(s.config, s.home)
			opts := app.DoctorOptions{
				Config: cfg, ConfigError: err, KnownVariables: variables,
				User: user, Toolkit: toolkit, Account: account, Online: online,
			}
			quiet := func() {}
			opts.Begin = func(what string) {
				quiet()
				quiet = s.busy("Checking " + what)
			}
			if !s.json {
				paint := painter(s)
				opts.Found = func(f app.Finding) {
					quiet()
					s.showFinding(f, paint)
				}
			}
			report := app.Doctor(cmd.Context(), opts)
			quiet()
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if s.json {
				if err := s.writeJSON(report); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(s.Out, "\n%s\n", sum(report))
			}
			if !report.OK {
				return errShown
			}
			return nil
		},
	}
	s.jsonFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&user, "user", "u", "", "only accounts of this user")
	f.StringVar(&toolkit, "toolkit", "", "only accounts of this toolkit")
	f.StringVar(&account, "account", "", "only the account with this id")
	f.BoolVar(&online, "online", false, "also ask OpenAI whether OPENAI_API_KEY is good")
	return cmd
}

// words say how a check ended, in one width.
var words = map[app.State]struct{ text, colour string }{
	app.StateOK:      {"ok  ", "32"},
	app.StateSkipped: {"skip", "2"},
	app.StateWarning: {"WARN", "33"},
	app.StateFailure: {"FAIL", "31;1"},
}

// painter colours text on a terminal that wants it.
func painter(s *shared) func(text, colour string) string {
	if !isTerminal(s.Out) || s.getenv("NO_COLOR") != "" || s.getenv("TERM") == "dumb" {
		return func(text, _ string) string { return text }
	}
	return func(text, colour string) string { return "\x1b[" + colour + "m" + text + "\x1b[0m" }
}

// mostTools bounds the tools that are named outside of JSON.
const mostTools = 8

func (s *shared) showFinding(f app.Finding, paint func(text, colour string) string) {
	w := words[f.State]
	fmt.Fprintf(s.Out, "%s  %-13s  %s\n", paint(w.text, w.colour), f.Check, printable(f.Found))
	const indent = "                     "
	if n := len(f.Tools); n > 0 {
		names := make([]string, 0, mostTools)
		for _, t := range f.Tools[:min(n, mostTools)] {
			names = append(names, t.Tool)
		}
		more := ""
		if n > mostTools {
			more = fmt.Sprintf(", and %d more: --json lists them", n-mostTools)
		}
		fmt.Fprintln(s.Out, indent+printable(strings.Join(names, ", ")+more))
	}
	if f.Mend != "" {
		fmt.Fprintln(s.Out, indent+printable(f.Mend))
	}
}

func sum(r app.Diagnosis) string {
	count := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	switch {
	case r.Failures > 0:
		return count(r.Failures, "failure") + ", " + count(r.Warnings, "warning") + "."
	case r.Warnings > 0:
		return "Nothing failed; " + count(r.Warnings, "warning") + "."
	}
	return "All is well."
}
