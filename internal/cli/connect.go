package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-run/sluice/client"
)

// typedScheme is the auth scheme whose values a person types.
const typedScheme = "API_KEY"

// connectFlags are the flags of sluice connect.
type connectFlags struct {
	*shared
	fields []string
	all    bool
}

func newConnect(s *shared) *cobra.Command {
	f := &connectFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "connect TOOLKIT",
		Short: "Connect a real account, such as your Confluence site",
		Long: "Ask for what the toolkit needs to connect (for Confluence: site, e-mail and API\n" +
			"token), check it with a call, and keep it sealed in the vault. Secrets are never\n" +
			"taken from the command line, where other programs could read them: they are typed\n" +
			"unseen, or read from standard input one a line in the order in which they are\n" +
			"asked.",
		Example: "  sluice connect confluence\n" +
			"  sluice connect confluence --field base_url=https://wiki.example.com --field subdomain=wiki",
		Args:              oneArg("the slug of a toolkit, such as confluence"),
		ValidArgsFunction: s.completeToolkit,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringArrayVar(&f.fields, "field", nil, "a public field as name=value, not asked for then; may be given again")
	cmd.Flags().BoolVar(&f.all, "all-fields", false, "also ask for optional fields, such as the address of a site elsewhere")
	s.routerFlag(cmd)
	s.userFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

func (f *connectFlags) run(ctx context.Context, toolkit string) error {
	r, err := f.router(ctx)
	if err != nil {
		return err
	}
	defer r.Close(ctx)
	fields, err := r.ConnectFields(ctx, toolkit, typedScheme)
	if err != nil {
		return err
	}
	values, err := publicFields(fields, f.fields)
	if err != nil {
		return err
	}
	if err := f.askFields(ctx, fields, values); err != nil {
		return err
	}
	stop := f.busy("Checking")
	defer stop()
	account, err := r.ConnectAccount(ctx, client.ConnectRequest{
		UserID: f.userID(), Toolkit: toolkit, Scheme: typedScheme, Values: values,
	})
	stop()
	if err != nil {
		return err
	}
	if f.json {
		return f.writeJSON(account)
	}
	fmt.Fprintf(f.Out, "Connected %s for user %q as %s (%s).\n", toolkit, account.UserID, account.WordID, account.ID)
	return nil
}

// publicFields reads --field name=value. Secrets are refused by name, and their
// value is not repeated.
func publicFields(fields []client.AuthField, pairs []string) (map[string]string, error) {
	values := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		i := slices.IndexFunc(fields, func(f client.AuthField) bool { return f.Name == name })
		switch {
		case !ok:
			return nil, &exitCoded{exitUsage, errors.New("--field: expected name=value")}
		case i < 0:
			var names []string
			for _, f := range fields {
				if !f.Secret {
					names = append(names, f.Name)
				}
			}
			return nil, &exitCoded{exitUsage, fmt.Errorf("--field %s: there is no such field; there are: %s", name, strings.Join(names, ", "))}
		case fields[i].Secret:
			return nil, &exitCoded{exitUsage, fmt.Errorf("--field %s: this is a secret, and other programs can read the command line\n"+
				"  Leave it out: it is asked for, or read from standard input. If it was real, make a new one", name)}
		}
		values[name] = value
	}
	return values, nil
}

// askFields asks for each field that values lacks. Optional public fields have
// sensible defaults and are asked for only with --all-fields.
func (f *connectFlags) askFields(ctx context.Context, fields []client.AuthField, values map[string]string) error {
	p := newPrompter(f.shared)
	for _, field := range fields {
		if _, given := values[field.Name]; given || (!field.Required && !field.Secret && !f.all) {
			continue
		}
		v, err := p.ask(ctx, field)
		if err != nil {
			return err
		}
		if v == "" {
			v = field.Default
		}
		if v == "" && field.Required {
			return fmt.Errorf("%s is needed: %s", field.DisplayName, field.Description)
		}
		if v != "" {
			values[field.Name] = v
		}
	}
	return nil
}

// prompter asks on a terminal, or reads lines from a pipe.
type prompter struct {
	s    *shared
	in   *bufio.Reader
	term int // file descriptor of the terminal, or -1
}

// maxAnswer bounds one answer.
const maxAnswer = 64 << 10

func newPrompter(s *shared) *prompter {
	p := &prompter{s: s, in: bufio.NewReaderSize(s.In, 4096), term: -1}
	if f, ok := s.In.(*os.File); ok && isTerminal(s.In) {
		p.term = int(f.Fd())
	}
	return p
}

func (p *prompter) ask(ctx context.Context, f client.AuthField) (string, error) {
	if p.term >= 0 {
		if f.Description != "" {
			fmt.Fprintln(p.s.Err, wrap(printable(f.Description), columns(p.s.Err, 80)))
		}
		note := ""
		switch {
		case f.Default != "":
			note = " [" + f.Default + "]"
		case !f.Required:
			note = " (optional)"
		case f.Secret:
			note = " (not shown)"
		}
		fmt.Fprintf(p.s.Err, "%s%s: ", printable(f.DisplayName), printable(note))
	}
	type line struct {
		text []byte
		err  error
	}
	// ReadPassword restores the terminal only when it returns, so it is done here
	// for the case that ctrl-c comes first.
	restore := func() {}
	if state, err := term.GetState(p.term); p.term >= 0 && err == nil {
		restore = func() { _ = term.Restore(p.term, state) }
	}
	got := make(chan line, 1)
	go func() { // reading cannot be cancelled; the process ends instead
		if p.term >= 0 && f.Secret {
			b, err := term.ReadPassword(p.term)
			fmt.Fprintln(p.s.Err)
			got <- line{b, err}
			return
		}
		text, err := readLine(p.in, maxAnswer)
		got <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		restore()
		if p.term >= 0 {
			fmt.Fprintln(p.s.Err)
		}
		return "", ctx.Err()
	case l := <-got:
		switch {
		case errors.Is(l.err, errLong):
			return "", fmt.Errorf("the answer for %s is too long", f.DisplayName)
		case errors.Is(l.err, io.EOF) && len(l.text) == 0:
			return "", fmt.Errorf("standard input ended before the answer for %s", f.DisplayName)
		case l.err != nil && !errors.Is(l.err, io.EOF):
			return "", fmt.Errorf("no answer for %s: %w", f.DisplayName, l.err)
		}
		return strings.TrimSpace(string(l.text)), nil
	}
}
