package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newAccounts(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accounts",
		Short: "List, show, change and remove connected accounts",
		Long: "List the connected accounts of every user, or of the one that --user names.\n" +
			"Secrets are not shown: nothing gives them out again.",
		Args: subcommands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.listAccounts(cmd.Context(), client.AccountQuery{})
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.Flags().StringVarP(&s.user, "user", "u", "", "only this user's")
	cmd.AddCommand(
		newAccountsList(s), newAccountsShow(s), newAccountsAlias(s), newAccountsRefresh(s),
		newAccountsEnable(s, true), newAccountsEnable(s, false), newAccountsRevoke(s), newAccountsRemove(s),
	)
	return cmd
}

func (s *shared) listAccounts(ctx context.Context, query client.AccountQuery) error {
	return s.withRouter(ctx, func(r *router) error {
		if s.user != "" {
			query.UserIDs = []string{s.user}
		}
		list := []client.Account{}
		for a, err := range r.Accounts(ctx, query) {
			if err != nil {
				return err
			}
			list = append(list, a)
		}
		if s.json {
			return s.writeJSON(list)
		}
		if len(list) == 0 {
			fmt.Fprintln(s.Err, "No account is connected. Connect one with: sluice connect confluence")
			return nil
		}
		w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tTOOLKIT\tUSER\tSTATUS")
		for _, a := range list {
			name := a.WordID
			if a.Alias != "" {
				name = a.Alias
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, cut(name, 40), a.Toolkit.Slug, cut(a.UserID, 40), accountState(&a))
		}
		return w.Flush()
	})
}

// accountState is an account's status as people read it.
func accountState(a *client.Account) string {
	switch {
	case a.Disabled:
		return "disabled"
	case a.AuthConfig.Disabled:
		return a.Status + ", its auth config is disabled"
	}
	return a.Status
}

func newAccountsList(s *shared) *cobra.Command {
	var query client.AccountQuery
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List accounts, newest first",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for i, st := range query.Statuses {
				query.Statuses[i] = strings.ToUpper(st)
			}
			return s.listAccounts(cmd.Context(), query)
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.Flags().StringVarP(&s.user, "user", "u", "", "only this user's")
	cmd.Flags().StringSliceVar(&query.Toolkits, "toolkit", nil, "only of this toolkit; may be given again")
	cmd.Flags().StringSliceVar(&query.Statuses, "status", nil, "only in this state, such as active or expired; may be given again")
	cmd.Flags().StringSliceVar(&query.AuthConfigIDs, "auth-config", nil, "only connected by this auth config; may be given again")
	return cmd
}

// accountCommand is a command on one account.
func (s *shared) accountCommand(use, short string, run func(ctx context.Context, r *router, id string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use + " ID",
		Short: short,
		Args:  oneArg("the id of an account, as sluice accounts shows it"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return s.completeAccount(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withRouter(cmd.Context(), func(r *router) error { return run(cmd.Context(), r, args[0]) })
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}

// withRouter runs f on a router, which ends with it when it was started here.
func (s *shared) withRouter(ctx context.Context, f func(*router) error) error {
	r, err := s.router(ctx)
	if err != nil {
		return err
	}
	defer r.Close(ctx)
	return f(r)
}

// done tells what was done: as JSON, else as a sentence.
func (s *shared) done(v any, format string, args ...any) error {
	if s.json {
		return s.writeJSON(v)
	}
	fmt.Fprintf(s.Out, format+"\n", args...)
	return nil
}

func newAccountsShow(s *shared) *cobra.Command {
	return s.accountCommand("show", "Show one account: whose it is, what it may do, why it is not good", func(ctx context.Context, r *router, id string) error {
		a, err := r.Account(ctx, id)
		if err != nil {
			return err
		}
		if s.json {
			return s.writeJSON(a)
		}
		w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
		state := accountState(a)
		if a.Reason != "" {
			state += ": " + a.Reason
		}
		scopes, _ := a.State.Val["scope"].(string)
		site, _ := a.State.Val["base_url"].(string)
		for _, l := range [][2]string{
			{"Account", a.ID},
			{"Name", a.WordID},
			{"Alias", a.Alias},
			{"User", a.UserID},
			{"Toolkit", a.Toolkit.Slug},
			{"Status", state},
			{"Connected by", a.AuthConfig.Scheme + ", auth config " + a.AuthConfig.ID},
			{"Address", site},
			{"Scopes", scopes},
			{"Not granted", strings.Join(notGranted(a.Requested, scopes), " ")},
			{"Created", a.CreatedAt},
			{"Changed", a.UpdatedAt},
		} {
			if l[1] != "" {
				fmt.Fprintf(w, "%s\t%s\n", l[0], printable(l[1]))
			}
		}
		return w.Flush()
	})
}

// notGranted gives the scopes that connecting would ask for and that the account
// does not have, where it is known what it has.
func notGranted(requested []string, granted string) []string {
	if granted == "" {
		return nil
	}
	has := map[string]bool{}
	for _, scope := range strings.Fields(granted) {
		has[scope] = true
	}
	var missing []string
	for _, scope := range requested {
		if !has[scope] {
			missing = append(missing, scope)
		}
	}
	return missing
}

func newAccountsAlias(s *shared) *cobra.Command {
	cmd := s.accountCommand("alias", "", nil)
	cmd.Use, cmd.Short = "alias ID NAME", "Give an account a name of your own; an empty one takes it away"
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return fmt.Errorf("sluice accounts alias takes two arguments, got %d: the id of an account and its new name", len(args))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.withRouter(cmd.Context(), func(r *router) error {
			if err := r.SetAlias(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			if args[1] == "" {
				return s.done(map[string]any{"id": args[0], "alias": nil}, "%s has no alias any more.", args[0])
			}
			return s.done(map[string]any{"id": args[0], "alias": args[1]}, "%s is called %q.", args[0], args[1])
		})
	}
	return cmd
}

func newAccountsRefresh(s *shared) *cobra.Command {
	cmd := s.accountCommand("refresh", "Renew an account's tokens, and ask the application whether they are good", func(ctx context.Context, r *router, id string) error {
		stop := s.busy("Refreshing")
		defer stop()
		done, err := r.RefreshAccount(ctx, id, true)
		stop()
		if err != nil {
			return err
		}
		if done.URL == "" || s.json {
			return s.done(done, "%s is %s.", done.ID, done.Status)
		}
		fmt.Fprintf(s.Out, "%s is %s. Connect it again at:\n%s\n", done.ID, done.Status, done.URL)
		return nil
	})
	cmd.Long = "Renew an account's tokens now, and ask the application whether its credentials are\n" +
		"good. Where only its user can mend it, the address is given at which the same\n" +
		"account is connected again."
	return cmd
}

func newAccountsEnable(s *shared, enable bool) *cobra.Command {
	use, short, did := "enable", "Let tools run on an account again", "Enabled"
	if !enable {
		use, short, did = "disable", "Let nothing run on an account; its credentials stay", "Disabled"
	}
	return s.accountCommand(use, short, func(ctx context.Context, r *router, id string) error {
		if err := r.EnableAccount(ctx, id, enable); err != nil {
			return err
		}
		return s.done(map[string]any{"id": id, "enabled": enable}, "%s %s.", did, id)
	})
}

func newAccountsRevoke(s *shared) *cobra.Command {
	return s.accountCommand("revoke", "End an account's grant at the provider and destroy its tokens here", func(ctx context.Context, r *router, id string) error {
		done, err := r.RevokeAccount(ctx, id)
		if err != nil {
			return err
		}
		if err := s.done(done, "Revoked %s.", id); err != nil || s.json {
			return err
		}
		if done.Note != "" {
			fmt.Fprintln(s.Err, wrap(printable(done.Note), columns(s.Err, 80)))
		}
		return nil
	})
}

func newAccountsRemove(s *shared) *cobra.Command {
	var revoke bool
	cmd := s.accountCommand("remove", "Remove a connected account and its secrets", func(ctx context.Context, r *router, id string) error {
		note, err := r.DeleteAccount(ctx, id, revoke)
		if err != nil {
			return err
		}
		if note != "" {
			fmt.Fprintln(s.Err, wrap(printable(note), columns(s.Err, 80)))
		}
		return s.done(map[string]any{"id": id, "removed": true}, "Removed %s.", id)
	})
	cmd.Flags().BoolVar(&revoke, "revoke", false, "end its grant at the provider before, where it can be")
	return cmd
}
