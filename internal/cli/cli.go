// Package cli is the command line: one file a command. Commands speak to a
// router through package client, a configured one or one started in this
// process; only serve and keys open the store, through package app.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exit codes. They are part of the interface for scripts.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitLimit       = 4
	exitInterrupted = 130
)

// exitError carries an exit code other than 1 with an error.
type exitCoded struct {
	code int
	err  error
}

func (e *exitCoded) Error() string { return e.err.Error() }
func (e *exitCoded) Unwrap() error { return e.err }

// errShown ends a command whose error the user has seen already.
var errShown = errors.New("shown")

// Main runs the command line and gives the exit code: 0 done, 1 failed, 2 used
// wrongly, 4 a limit was reached, 130 interrupted.
func Main(ctx context.Context, args []string, streams Streams) int {
	root := newRoot(streams)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errShown) {
		fmt.Fprintln(streams.Err, "sluice: "+describe(err))
	}
	var coded *exitCoded
	switch {
	case errors.As(err, &coded):
		return coded.code
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitError
}

// describe gives an error's message with its remedy on a line of its own.
func describe(err error) string {
	var de *domain.Error
	if errors.As(err, &de) {
		if de.Fix != "" {
			return err.Error() + "\n  " + de.Fix
		}
		return err.Error()
	}
	var ce *client.Error
	if errors.As(err, &ce) && ce.Fix != "" {
		return ce.Message + "\n  " + ce.Fix
	}
	return err.Error()
}

// shared are the flags and streams that every command has.
type shared struct {
	Streams
	home, config string
	url, user    string
	json         bool
}

func newRoot(streams Streams) *cobra.Command {
	s := &shared{Streams: streams}
	root := &cobra.Command{
		Use:   "sluice",
		Short: "A self-hosted tool router for AI agents",
		Long: "Sluice gives an AI agent one secure MCP URL through which it finds, connects\n" +
			"and runs the tools of a user's applications. Everything stays on this machine.\n\n" +
			"Start with:  sluice chat",
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: handleInterrupt,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exitCoded{exitUsage, fmt.Errorf("%w\n  See: %s --help", err, cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&s.home, "home", "", "folder for everything Sluice keeps (env SLUICE_HOME)")
	flags.StringVar(&s.config, "config", "", "configuration file (default: sluice.yaml in the home)")
	root.AddCommand(
		newServe(s), newChat(s), newConnect(s), newAccounts(s), newTools(s), newCall(s), newMCP(s), newKeys(s), newVersion(s),
	)
	return root
}

// routerFlags adds the flags of commands that speak to a router.
func (s *shared) routerFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.url, "url", "", "address of a running router (env SLUICE_URL); without one, a router is started in this process")
	cmd.Flags().StringVarP(&s.user, "user", "u", "", "the user to act for (env SLUICE_USER_ID or USER_ID; default \"default\")")
	cmd.Flags().BoolVar(&s.json, "json", false, "write JSON")
}

// userID gives the user to act for.
func (s *shared) userID() string {
	for _, u := range []string{s.user, os.Getenv("SLUICE_USER_ID"), os.Getenv("USER_ID")} {
		if u != "" {
			return u
		}
	}
	return "default"
}

// router is a router that a command speaks to.
type router struct {
	*client.Client
	// app is set when the router runs in this process.
	app *app.App
}

// Close stops a router that was started in this process.
func (r *router) Close(ctx context.Context) {
	if r.app != nil {
		_ = r.app.Stop(context.WithoutCancel(ctx))
	}
}

// router reaches the configured router, else starts one in this process, with
// the sandbox, on a free port.
func (s *shared) router(ctx context.Context) (*router, error) {
	url := s.url
	if url == "" {
		url = os.Getenv("SLUICE_URL")
	}
	cfg, err := app.LoadConfig(s.config, s.home)
	if err != nil {
		return nil, err
	}
	if url != "" {
		if cfg.APIKey == "" {
			return nil, domain.Errorf(domain.CodeUnauthenticated, "no API key for the router at %s", url).
				WithFix("Set SLUICE_API_KEY or SLUICE_API_KEY_FILE.")
		}
		c, err := client.New(client.Options{BaseURL: url, APIKey: cfg.APIKey.Reveal(), UserAgent: "sluice/" + app.Version()})
		return &router{Client: c}, err
	}
	cfg.Addr, cfg.Sandbox, cfg.APIKey, cfg.PublicURL = "127.0.0.1:0", true, "", ""
	cfg.TLSCert, cfg.TLSKey = "", ""
	a, err := app.New(ctx, app.Options{Config: cfg, Quiet: true})
	if err != nil {
		return nil, err
	}
	if err := a.Start(ctx); err != nil {
		_ = a.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	c, err := client.New(client.Options{BaseURL: a.URL(), APIKey: a.EphemeralKey("in process"), UserAgent: "sluice/" + app.Version()})
	if err != nil {
		_ = a.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return &router{Client: c, app: a}, nil
}

// writeJSON writes v for machines.
func (s *shared) writeJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// firstLine cuts a text to its first sentence or line.
func firstLine(text string, limit int) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if i := strings.Index(text, ". "); i > 0 {
		text = text[:i+1]
	}
	if r := []rune(text); len(r) > limit {
		return strings.TrimSpace(string(r[:limit-1])) + "…"
	}
	return text
}
