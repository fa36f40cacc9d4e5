// Package cli is the command line: one file a command. Commands speak to a
// router through package client, a configured one or one started in this
// process; only serve, keys, projects, vault and doctor open the store, through package app.
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

// exitCoded carries an exit code other than 1 with an error.
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
	s := &shared{Streams: streams, getenv: os.Getenv, running: ctx}
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if s.running.Err() != nil && errors.Is(err, context.Canceled) {
		err = &exitCoded{exitInterrupted, errors.New("interrupted")}
	}
	if !errors.Is(err, errShown) {
		fmt.Fprintln(streams.Err, "sluice: "+printable(describe(err)))
	}
	var coded *exitCoded
	if errors.As(err, &coded) {
		return coded.code
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
	switch {
	case !errors.As(err, &ce) || ce.Message == "":
		return err.Error()
	case ce.Code == client.CodeNoConnection && !strings.Contains(ce.Fix, "/link/"):
		return ce.Message + "\n  Connect it first: sluice connect TOOLKIT"
	case ce.Fix != "":
		return ce.Message + "\n  " + ce.Fix
	}
	return ce.Message
}

// shared are the flags and streams that every command has.
type shared struct {
	Streams
	home, config string
	url, user    string
	project      string
	json         bool
	// getenv reads the environment; sluice chat adds the .env file below it.
	getenv func(string) string
	// urlFromFile is set when SLUICE_URL is that of a .env file.
	urlFromFile bool
	// running ends with the command: it was interrupted.
	running context.Context //nolint:containedctx // Main asks it how the command ended
}

func newRoot(s *shared) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "A self-hosted tool router for AI agents",
		Long: "Sluice gives an AI agent one secure MCP URL through which it finds, connects\n" +
			"and runs the tools of a user's applications. Everything stays on this machine.\n\n" +
			"Start with:  sluice chat",
		SilenceErrors:    true,
		SilenceUsage:     true,
		Version:          app.Version(),
		Args:             subcommands,
		RunE:             func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: s.handleInterrupt,
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	flags := root.PersistentFlags()
	flags.StringVar(&s.home, "home", "", "folder for everything Sluice keeps (env SLUICE_HOME)")
	flags.StringVar(&s.config, "config", "", "configuration file (default: sluice.yaml in the home)")
	root.AddCommand(
		newServe(s), newChat(s), newConnect(s), newAccounts(s), newAuthConfigs(s), newWebhooks(s), newTriggers(s), newLogs(s), newTools(s), newCall(s), newApprovals(s), newMCP(s),
		newKeys(s), newProjects(s), newImport(s), newVault(s), newDoctor(s), newSandbox(s), newVersion(s),
	)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = helpFor
	}
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		group(completion)
	}
	strict(root)
	return root
}

// usage makes err a wrong use of cmd.
func usage(cmd *cobra.Command, err error) error {
	return &exitCoded{exitUsage, fmt.Errorf("%w\n  See: %s --help", err, cmd.CommandPath())}
}

// strict makes wrong arguments of cmd and of the commands below it a wrong use.
func strict(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage(cmd, err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// subcommands refuses a word that is none of the command's own commands.
func subcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	near := cmd.SuggestionsFor(args[0])
	if len(near) > 0 {
		return fmt.Errorf("there is no command %q; did you mean: %s", args[0], strings.Join(near, ", "))
	}
	return fmt.Errorf("there is no command %q", args[0])
}

// helpFor refuses help for what is no command.
func helpFor(cmd *cobra.Command, args []string) error {
	of, rest, err := cmd.Root().Find(args)
	switch {
	case of == nil || len(rest) > 0 && err != nil:
		return subcommands(cmd.Root(), args)
	case len(rest) > 0:
		return subcommands(of, rest)
	}
	return nil
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneArg asks for one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument, got %d: %s", cmd.CommandPath(), len(args), what)
		}
		return nil
	}
}

// group is a command that only holds others.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = subcommands
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// writeJSON writes v for machines.
func (s *shared) writeJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (s *shared) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.json, "json", false, "write JSON")
}
