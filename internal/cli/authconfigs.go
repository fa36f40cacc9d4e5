package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newAuthConfigs(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "auth-configs",
		Short: "Manage how the project connects to toolkits",
		Long: "An auth config says how a project connects to a toolkit: with an application of its\n" +
			"own at the provider (OAUTH2), a service account (S2S_OAUTH2) or keys that users\n" +
			"bring (API_KEY), with which scopes, and which tools may run on its accounts.",
		Example: "  sluice auth-configs create confluence --scheme OAUTH2 --field client_id=…\n" +
			"  sluice auth-configs update ac_… --secret client_secret < new-secret.txt\n" +
			"  sluice auth-configs list",
	})
	cmd.AddCommand(
		newAuthConfigsList(s), newAuthConfigsCreate(s), newAuthConfigsShow(s), newAuthConfigsUpdate(s),
		newAuthConfigsEnable(s, true), newAuthConfigsEnable(s, false), newAuthConfigsDelete(s),
	)
	return cmd
}

func newAuthConfigsList(s *shared) *cobra.Command {
	var toolkit string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List auth configs, newest first",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error {
				list := []client.AuthConfig{}
				for a, err := range r.AuthConfigs(cmd.Context(), toolkit) {
					if err != nil {
						return err
					}
					list = append(list, a)
				}
				if s.json {
					return s.writeJSON(list)
				}
				if len(list) == 0 {
					fmt.Fprintln(s.Err, "There is no auth config. Make one with: sluice auth-configs create TOOLKIT --scheme SCHEME")
					return nil
				}
				w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tTOOLKIT\tSCHEME\tACCOUNTS\tSTATUS")
				for _, a := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", a.ID, cut(a.Name, 40), a.Toolkit.Slug, a.Scheme, a.Connections, configState(&a))
				}
				return w.Flush()
			})
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.Flags().StringVar(&toolkit, "toolkit", "", "only of this toolkit")
	return cmd
}

// configState is an auth config's status as people read it.
func configState(a *client.AuthConfig) string {
	state := strings.ToLower(a.Status)
	if !a.ForSessions {
		state += ", not for sessions"
	}
	return state
}

// configFlags are what can be said of an auth config.
type configFlags struct {
	name         string
	fields       []string
	scopes       []string
	tools        []string
	sessions     bool
	secret, file string
}

func (f *configFlags) on(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "", "name of the auth config")
	cmd.Flags().StringArrayVar(&f.fields, "field", nil, "a public value as name=value, such as client_id=…; may be given again")
	cmd.Flags().StringSliceVar(&f.scopes, "scope", nil, "scopes to ask for, instead of the toolkit's own choice; may be given again")
	cmd.Flags().StringSliceVar(&f.tools, "tool", nil, "the only tools that may run on its accounts; may be given again")
	cmd.Flags().BoolVar(&f.sessions, "sessions", true, "whether sessions choose it by themselves")
	cmd.Flags().StringVar(&f.file, "secret-file", "", "file that holds the secret, such as the client secret")
}

// public reads --field name=value; see publicFields.
func (f *configFlags) public(fields []client.AuthField) (map[string]string, error) {
	return publicFields(fields, f.fields)
}

// secretFrom reads the secret of a file, or asks for it.
func (f *configFlags) secretFrom(ctx context.Context, p *prompter, field client.AuthField) (string, error) {
	if f.file == "" {
		return p.ask(ctx, field)
	}
	b, err := os.ReadFile(f.file)
	if err != nil {
		return "", fmt.Errorf("--secret-file: %w", err)
	}
	if len(b) > maxAnswer {
		return "", fmt.Errorf("--secret-file: %s is too long for a secret", f.file)
	}
	return strings.TrimSpace(string(b)), nil
}

func newAuthConfigsCreate(s *shared) *cobra.Command {
	f := &configFlags{}
	var scheme string
	cmd := &cobra.Command{
		Use:   "create TOOLKIT",
		Short: "Make an auth config, such as one with an OAuth application of your own",
		Long: "Make an auth config. What the scheme needs and no --field gives is asked for; the\n" +
			"secret is typed unseen, or read from standard input or --secret-file, and never\n" +
			"taken from the command line, where other programs could read it.",
		Example: "  sluice auth-configs create confluence --scheme OAUTH2 --field client_id=abc\n" +
			"  sluice auth-configs create confluence --scheme S2S_OAUTH2 --field client_id=abc --secret-file secret.txt",
		Args:              oneArg("the slug of a toolkit, such as confluence"),
		ValidArgsFunction: s.completeToolkit,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error { return s.createConfig(cmd.Context(), r, f, args[0], schemeOf(scheme)) })
		},
	}
	f.on(cmd)
	cmd.Flags().StringVar(&scheme, "scheme", "OAUTH2", "OAUTH2, S2S_OAUTH2 (service account) or API_KEY")
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

func (s *shared) createConfig(ctx context.Context, r *router, f *configFlags, toolkit, scheme string) error {
	fields, err := r.AuthConfigFields(ctx, toolkit, scheme)
	if err != nil {
		return err
	}
	values, err := f.public(fields)
	if err != nil {
		return err
	}
	p := newPrompter(s)
	for _, field := range fields {
		if _, given := values[field.Name]; given || !field.Required {
			continue
		}
		var v string
		var err error
		if field.Secret {
			v, err = f.secretFrom(ctx, p, field)
		} else {
			v, err = p.ask(ctx, field)
		}
		if err != nil {
			return err
		}
		if v == "" {
			return fmt.Errorf("%s is needed: %s", field.DisplayName, field.Description)
		}
		values[field.Name] = v
	}
	made, err := r.CreateAuthConfig(ctx, client.NewAuthConfig{
		Toolkit: toolkit, Scheme: scheme, Name: f.name, Credentials: values, Scopes: f.scopes, Tools: f.tools, NotForSessions: !f.sessions,
	})
	if err != nil {
		return err
	}
	return s.done(made, "Made auth config %s (%s) for %s with %s.\nConnect with it: sluice connect %s --auth-config %s", made.ID, printable(made.Name), toolkit, made.Scheme, toolkit, made.ID)
}

// configCommand is a command on one auth config.
func (s *shared) configCommand(use, short string, run func(ctx context.Context, r *router, id string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               use + " ID",
		Short:             short,
		Args:              oneArg("the id of an auth config, as sluice auth-configs list shows it"),
		ValidArgsFunction: s.completeConfig,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error { return run(cmd.Context(), r, args[0]) })
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

// completeConfig completes the ids of auth configs.
func (s *shared) completeConfig(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(cmd, func(ctx context.Context, r *router) ([]string, error) {
		var ids []string
		for a, err := range r.AuthConfigs(ctx, "") {
			if err != nil {
				return nil, err
			}
			ids = append(ids, option(a.ID, a.Toolkit.Slug+" "+a.Scheme+" "+a.Name))
		}
		return ids, nil
	})
}

func newAuthConfigsShow(s *shared) *cobra.Command {
	return s.configCommand("show", "Show one auth config; never its secrets", func(ctx context.Context, r *router, id string) error {
		a, err := r.AuthConfig(ctx, id)
		if err != nil {
			return err
		}
		return s.showConfig(a)
	})
}

func (s *shared) showConfig(a *client.AuthConfig) error {
	if s.json {
		return s.writeJSON(a)
	}
	w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
	lines := [][2]string{
		{"Auth config", a.ID},
		{"Name", a.Name},
		{"Toolkit", a.Toolkit.Slug},
		{"Scheme", a.Scheme},
		{"Status", configState(a)},
		{"Accounts", fmt.Sprint(a.Connections)},
		{"Tools", strings.Join(a.Tools, " ")},
	}
	for _, name := range slices.Sorted(maps.Keys(a.Credentials)) {
		value := fmt.Sprint(a.Credentials[name])
		if list, ok := a.Credentials[name].([]any); ok {
			value = strings.Trim(fmt.Sprint(list), "[]")
		}
		lines = append(lines, [2]string{name, value})
	}
	for _, l := range append(lines, [2]string{"Created", a.CreatedAt}, [2]string{"Changed", a.UpdatedAt}) {
		if l[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", printable(l[0]), printable(l[1]))
		}
	}
	return w.Flush()
}

func newAuthConfigsUpdate(s *shared) *cobra.Command {
	f := &configFlags{}
	var cmd *cobra.Command
	cmd = s.configCommand("update", "Change an auth config; what is not named stays", func(ctx context.Context, r *router, id string) error {
		return s.updateConfig(ctx, r, f, id, cmd.Flags().Changed)
	})
	cmd.Long = "Change an auth config. --secret NAME rotates a secret: it is typed unseen, or read\n" +
		"from standard input or --secret-file. An empty --scope or --tool goes back to the\n" +
		"toolkit's own choice, and to every tool."
	f.on(cmd)
	cmd.Flags().StringVar(&f.secret, "secret", "", "name of a secret to replace, such as client_secret; its value is asked for")
	return cmd
}

func (s *shared) updateConfig(ctx context.Context, r *router, f *configFlags, id string, changed func(string) bool) error {
	before, err := r.AuthConfig(ctx, id)
	if err != nil {
		return err
	}
	fields, err := r.AuthConfigFields(ctx, before.Toolkit.Slug, before.Scheme)
	if err != nil {
		return err
	}
	var change client.AuthConfigChange
	if change.Credentials, err = f.public(fields); err != nil {
		return err
	}
	if f.file != "" && f.secret == "" {
		f.secret = "client_secret"
	}
	if f.secret != "" {
		i := slices.IndexFunc(fields, func(field client.AuthField) bool { return field.Name == f.secret && field.Secret })
		if i < 0 {
			return &exitCoded{exitUsage, fmt.Errorf("--secret %s: %s has no such secret", f.secret, before.Scheme)}
		}
		v, err := f.secretFrom(ctx, newPrompter(s), fields[i])
		if err != nil {
			return err
		}
		if v == "" {
			return fmt.Errorf("%s is needed", fields[i].DisplayName)
		}
		change.Credentials[f.secret] = v
	}
	if changed("name") {
		change.Name = &f.name
	}
	if changed("scope") {
		change.Scopes = &f.scopes
	}
	if changed("tool") {
		change.Tools = &f.tools
	}
	if changed("sessions") {
		change.ForSessions = &f.sessions
	}
	after, err := r.UpdateAuthConfig(ctx, id, change)
	if err != nil {
		return err
	}
	return s.showConfig(after)
}

func newAuthConfigsEnable(s *shared, enable bool) *cobra.Command {
	use, short, did := "enable", "Let its accounts be used again", "Enabled"
	if !enable {
		use, short, did = "disable", "Let nothing run on its accounts, and connect no more", "Disabled"
	}
	return s.configCommand(use, short, func(ctx context.Context, r *router, id string) error {
		if err := r.EnableAuthConfig(ctx, id, enable); err != nil {
			return err
		}
		return s.done(map[string]any{"id": id, "enabled": enable}, "%s %s.", did, id)
	})
}

func newAuthConfigsDelete(s *shared) *cobra.Command {
	var revoke bool
	cmd := s.configCommand("delete", "Delete an auth config with all its accounts", func(ctx context.Context, r *router, id string) error {
		if err := r.DeleteAuthConfig(ctx, id, revoke); err != nil {
			return err
		}
		return s.done(map[string]any{"id": id, "deleted": true}, "Deleted %s and its accounts.", id)
	})
	cmd.Flags().BoolVar(&revoke, "revoke", false, "end the accounts' grants at the provider before")
	return cmd
}
