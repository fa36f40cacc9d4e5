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
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-run/sluice/client"
)

// The auth schemes that a person can choose, by the words for them.
const (
	typedScheme   = "API_KEY"
	consentScheme = "OAUTH2"
	serviceScheme = "S2S_OAUTH2"
)

var schemeWords = map[string]string{
	"token": typedScheme, "api-key": typedScheme, "api_key": typedScheme,
	"oauth": consentScheme, "oauth2": consentScheme,
	"service": serviceScheme, "service-account": serviceScheme, "s2s": serviceScheme, "s2s_oauth2": serviceScheme,
}

// schemeOf gives the wire's word for a scheme.
func schemeOf(word string) string {
	if known, ok := schemeWords[strings.ToLower(word)]; ok {
		return known
	}
	return word
}

// connectFlags are the flags of sluice connect.
type connectFlags struct {
	*shared
	fields    []string
	all       bool
	scheme    string
	config    string
	alias     string
	link      bool
	noBrowser bool
	byHand    bool
	code      bool
	wait      time.Duration
}

func newConnect(s *shared) *cobra.Command {
	f := &connectFlags{shared: s}
	cmd := &cobra.Command{
		Use:   "connect TOOLKIT",
		Short: "Connect a real account, such as your Confluence site",
		Long: "Connect an account: by the provider's consent page (oauth), as a service account\n" +
			"(service), or with a key or token (token). Without --scheme it is the project's\n" +
			"newest OAuth application, where it has one, else a token.\n\n" +
			"For consent the browser is opened, and the command waits until it is done; with\n" +
			"--no-browser the address is only shown. Where the browser is on another machine, which\n" +
			"cannot reach the router, --paste has you copy the address on which it ends back here;\n" +
			"where it can, --code gives a short code to type on the router's page. For a token what is needed is asked for\n" +
			"(for Confluence: site, e-mail and API token), checked with a call, and kept sealed\n" +
			"in the vault. Secrets are never taken from the command line, where other programs\n" +
			"could read them: they are typed unseen, or read from standard input one a line in\n" +
			"the order in which they are asked.",
		Example: "  sluice connect confluence\n" +
			"  sluice connect confluence --scheme oauth --no-browser\n" +
			"  sluice connect confluence --scheme oauth --paste\n" +
			"  sluice connect confluence --code\n" +
			"  sluice connect confluence --field base_url=https://wiki.example.com --field subdomain=wiki",
		Args:              oneArg("the slug of a toolkit, such as confluence"),
		ValidArgsFunction: s.completeToolkit,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringArrayVar(&f.fields, "field", nil, "a public field as name=value, not asked for then; may be given again")
	cmd.Flags().BoolVar(&f.all, "all-fields", false, "also ask for optional fields, such as the address of a site elsewhere")
	cmd.Flags().StringVar(&f.scheme, "scheme", "", "oauth, service or token")
	cmd.Flags().StringVar(&f.config, "auth-config", "", "id of the auth config to connect by")
	cmd.Flags().StringVar(&f.alias, "alias", "", "your own name for the account")
	cmd.Flags().BoolVar(&f.link, "link", false, "type a token on the connect page, not here")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "show the address and open nothing")
	cmd.Flags().BoolVar(&f.byHand, "paste", false, "consent in a browser elsewhere, and paste the address on which it ends")
	cmd.Flags().BoolVar(&f.code, "code", false, "show a short code to type on the router's page, on any device")
	cmd.Flags().DurationVar(&f.wait, "wait", 10*time.Minute, "how long to wait for the browser")
	cmd.MarkFlagsMutuallyExclusive("paste", "code")
	cmd.MarkFlagsMutuallyExclusive("paste", "link")
	s.routerFlag(cmd)
	s.userFlag(cmd)
	s.jsonFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("scheme", cobra.FixedCompletions([]string{"oauth", "service", "token"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("auth-config", func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return s.completeConfig(cmd, nil, begun)
	})
	return cmd
}

func (f *connectFlags) run(ctx context.Context, toolkit string) error {
	f.link = f.link || f.code // to the page, for every scheme
	if f.byHand && f.scheme == "" && f.config == "" {
		f.scheme = consentScheme
	}
	return f.withRouter(ctx, func(r *router) error {
		scheme, config, err := f.choose(ctx, r, toolkit)
		if err != nil {
			return err
		}
		if f.byHand && scheme != consentScheme {
			return &exitCoded{exitUsage, fmt.Errorf("--paste is for consent on a provider's page, but %s is connected with %s here", toolkit, scheme)}
		}
		fields, err := r.ConnectFields(ctx, toolkit, scheme)
		if err != nil {
			return err
		}
		values, err := publicFields(fields, f.fields)
		if err != nil {
			return err
		}
		var account *client.Account
		if scheme == consentScheme || f.link {
			account, err = f.connectInBrowser(ctx, r, toolkit, scheme, config, fields, values)
		} else {
			account, err = f.connectHere(ctx, r, toolkit, scheme, config, fields, values)
		}
		if err != nil {
			return err
		}
		return f.done(account, "Connected %s for user %q as %s (%s).", toolkit, account.UserID, account.WordID, account.ID)
	})
}

// choose gives the scheme, and the auth config where one is named or is needed.
func (f *connectFlags) choose(ctx context.Context, r *router, toolkit string) (scheme, config string, err error) {
	if f.config != "" {
		a, err := r.AuthConfig(ctx, f.config)
		if err != nil {
			return "", "", err
		}
		if a.Toolkit.Slug != strings.ToLower(toolkit) || f.scheme != "" && schemeOf(f.scheme) != a.Scheme {
			return "", "", &exitCoded{exitUsage, fmt.Errorf("--auth-config %s: it connects %s with %s", a.ID, a.Toolkit.Slug, a.Scheme)}
		}
		return a.Scheme, a.ID, nil
	}
	if scheme = schemeOf(f.scheme); scheme == typedScheme && !f.link {
		return scheme, "", nil
	}
	for a, err := range r.AuthConfigs(ctx, toolkit) {
		if err != nil {
			return "", "", err
		}
		if a.Status == "ENABLED" && a.ForSessions && (a.Scheme == scheme || scheme == "" && a.Scheme != typedScheme) {
			return a.Scheme, a.ID, nil
		}
	}
	switch {
	case scheme == "":
		scheme = typedScheme
		if !f.link {
			return scheme, "", nil
		}
	case scheme != typedScheme:
		return "", "", &client.Error{
			Message: "the project has no auth config by which " + toolkit + " is connected with " + scheme + ".",
			Fix:     "Make one: sluice auth-configs create " + toolkit + " --scheme " + scheme,
		}
	}
	made, err := r.CreateAuthConfig(ctx, client.NewAuthConfig{Toolkit: toolkit, Scheme: scheme})
	if err != nil {
		return "", "", err
	}
	return scheme, made.ID, nil
}

// connectHere asks for what the scheme needs and connects at once.
func (f *connectFlags) connectHere(ctx context.Context, r *router, toolkit, scheme, config string, fields []client.AuthField, values map[string]string) (*client.Account, error) {
	if err := f.askFields(ctx, newPrompter(f.shared), fields, values); err != nil {
		return nil, err
	}
	stop := f.busy("Checking")
	defer stop()
	return r.ConnectAccount(ctx, client.ConnectRequest{
		UserID: f.userID(), Toolkit: toolkit, Scheme: scheme, AuthConfigID: config, Alias: f.alias, Values: values,
	})
}

// connectInBrowser sends the person to the connect page and waits until the
// account is connected.
func (f *connectFlags) connectInBrowser(ctx context.Context, r *router, toolkit, scheme, config string, fields []client.AuthField, values map[string]string) (*client.Account, error) {
	link, err := r.LinkAccount(ctx, client.LinkRequest{UserID: f.userID(), AuthConfigID: config, Alias: f.alias, Values: values})
	if err != nil {
		return nil, err
	}
	switch {
	case f.byHand:
		return f.connectByHand(ctx, r, toolkit, fields, values, link)
	case f.code:
		err = f.showCode(ctx, r, toolkit, link)
	case !f.noBrowser && f.openBrowser(ctx, link.URL):
		fmt.Fprintf(f.Err, "Connect %s in the browser that was opened, or at:\n%s\n", toolkit, link.URL)
	default:
		fmt.Fprintf(f.Err, "Open this address in a browser to connect %s:\n%s\n", toolkit, link.URL)
		if scheme != consentScheme {
			break
		}
		away, err := f.elsewhere(ctx, link.URL)
		if err != nil {
			return nil, err
		}
		if away {
			return f.connectByHand(ctx, r, toolkit, fields, values, link)
		}
	}
	if err != nil {
		return nil, err
	}
	if scheme == consentScheme {
		f.noteLocal(r)
	}
	return f.waitFor(ctx, r, link)
}

// waitFor waits until the account of a link is connected.
func (f *connectFlags) waitFor(ctx context.Context, r *router, link *client.Link) (*client.Account, error) {
	stop := f.busy("Waiting for the browser")
	defer stop()
	waiting, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	a, err := r.WaitForAccount(waiting, link.AccountID)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, &client.Error{
			Message: fmt.Sprintf("account %s was not connected within %s.", link.AccountID, f.wait),
			Fix:     "Finish in the browser and look with sluice accounts show " + link.AccountID + ", or run this again.",
		}
	}
	return a, err
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
func (f *connectFlags) askFields(ctx context.Context, p *prompter, fields []client.AuthField, values map[string]string) error {
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
