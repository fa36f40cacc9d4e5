package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/client"
)

func newAccounts(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accounts",
		Short: "List and remove connected accounts",
		Long: "List the connected accounts of every user, or of the one that --user names.\n" +
			"Secrets are not shown: nothing gives them out again.",
		Args: subcommands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			var query client.AccountQuery
			if s.user != "" {
				query.UserIDs = []string{s.user}
			}
			list := []client.Account{}
			for a, err := range r.Accounts(cmd.Context(), query) {
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
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, a.WordID, a.Toolkit.Slug, cut(a.UserID, 40), a.Status)
			}
			return w.Flush()
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	cmd.Flags().StringVarP(&s.user, "user", "u", "", "only this user's")
	cmd.AddCommand(newAccountsRemove(s))
	return cmd
}

func newAccountsRemove(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a connected account and its secrets",
		Args:  oneArg("the id of an account, as sluice accounts shows it"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return s.completeAccount(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.router(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close(cmd.Context())
			if err := r.DeleteAccount(cmd.Context(), args[0]); err != nil {
				return err
			}
			if s.json {
				return s.writeJSON(map[string]any{"id": args[0], "removed": true})
			}
			fmt.Fprintf(s.Out, "Removed %s.\n", args[0])
			return nil
		},
	}
	s.routerFlag(cmd)
	s.jsonFlag(cmd)
	return cmd
}
