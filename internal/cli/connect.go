package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-run/sluice/client"
)

func newConnect(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connect TOOLKIT",
		Short: "Connect a real account, such as your Confluence site",
		Long: "Ask for what the toolkit needs to connect (for Confluence: site, e-mail and API\n" +
			"token), check it with a call, and keep it sealed in the vault. Secrets are never\n" +
			"taken from the command line, where other programs could read them: they are typed,\n" +
			"or read from standard input one a line in the order in which they are asked.",
		Example: "  sluice connect confluence",
		Args:    exactArgs(1, "the slug of a toolkit, such as confluence"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			r, err := s.router(ctx)
			if err != nil {
				return err
			}
			defer r.Close(ctx)
			const scheme = "API_KEY"
			fields, err := r.ConnectFields(ctx, args[0], scheme)
			if err != nil {
				return err
			}
			values, err := s.askFields(ctx, fields)
			if err != nil {
				return err
			}
			account, err := r.ConnectAccount(ctx, client.ConnectRequest{
				UserID: s.userID(), Toolkit: args[0], Scheme: scheme, Values: values,
			})
			if err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(account)
			}
			fmt.Fprintf(s.Out, "Connected %s for user %q as %s (%s).\n", args[0], account.UserID, account.WordID, account.ID)
			return nil
		},
	}
	s.routerFlags(cmd)
	return cmd
}

// askFields asks for each field in turn. Optional public fields are not asked
// for on a terminal: they have sensible defaults.
func (s *shared) askFields(ctx context.Context, fields []client.AuthField) (map[string]string, error) {
	p := newPrompter(s)
	values := map[string]string{}
	for _, f := range fields {
		if !f.Required && !f.Secret {
			continue
		}
		v, err := p.ask(ctx, f)
		if err != nil {
			return nil, err
		}
		if v == "" {
			v = f.Default
		}
		if v == "" && f.Required {
			return nil, fmt.Errorf("%s is needed: %s", f.DisplayName, f.Description)
		}
		if v != "" {
			values[f.Name] = v
		}
	}
	return values, nil
}

// prompter asks on a terminal, or reads lines from a pipe.
type prompter struct {
	s    *shared
	in   *bufio.Reader
	term int // file descriptor of the terminal, or -1
}

func newPrompter(s *shared) *prompter {
	p := &prompter{s: s, in: bufio.NewReaderSize(io.LimitReader(s.In, 1<<20), 4096), term: -1}
	if f, ok := s.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.term = int(f.Fd())
	}
	return p
}

func (p *prompter) ask(ctx context.Context, f client.AuthField) (string, error) {
	if p.term >= 0 {
		if f.Description != "" {
			fmt.Fprintf(p.s.Err, "%s\n", f.Description)
		}
		fmt.Fprintf(p.s.Err, "%s: ", f.DisplayName)
	}
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() { // reading a terminal cannot be cancelled; the process ends instead
		if p.term >= 0 && f.Secret {
			b, err := term.ReadPassword(p.term)
			fmt.Fprintln(p.s.Err)
			got <- line{string(b), err}
			return
		}
		text, err := p.in.ReadString('\n')
		got <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-got:
		if l.err != nil && (!errors.Is(l.err, io.EOF) || l.text == "") {
			return "", fmt.Errorf("no answer for %s: %w", f.DisplayName, l.err)
		}
		return strings.TrimSpace(l.text), nil
	}
}

func newAccounts(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accounts",
		Short: "List and remove connected accounts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			list := []client.Account{}
			for a, err := range r.Accounts(cmd.Context(), client.AccountQuery{}) {
				if err != nil {
					return err
				}
				list = append(list, a)
			}
			if s.json {
				return s.writeJSON(list)
			}
			w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tTOOLKIT\tUSER\tSTATUS")
			for _, a := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, a.WordID, a.Toolkit.Slug, a.UserID, a.Status)
			}
			return w.Flush()
		},
	}
	remove := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a connected account and its secrets",
		Args:  exactArgs(1, "the id of an account, as sluice accounts shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			if err := r.DeleteAccount(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "Removed %s.\n", args[0])
			return nil
		},
	}
	s.routerFlags(cmd)
	s.routerFlags(remove)
	cmd.AddCommand(remove)
	return cmd
}
