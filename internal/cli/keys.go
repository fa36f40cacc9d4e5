package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
	"github.com/sluice-run/sluice/internal/domain"
)

func newKeys(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys",
		Long: "Make, list and revoke the API keys of a home. It works beside a running router\n" +
			"on the same home, and without one. A key is of one project: the home's first one,\n" +
			"or that of --project. A key made with --operator is of none: it makes, lists and\n" +
			"deletes projects and makes their keys over REST (as x-org-api-key), and may do\n" +
			"nothing within one.",
		Example: "  sluice keys create --name ci\n  sluice keys list\n  sluice keys revoke key_…\n  sluice keys create --project acme\n  sluice keys create --operator --name provisioning",
	})
	cmd.PersistentFlags().StringVar(&s.project, "project", "", "the project whose keys are meant, by id or name (default: the home's first)")
	cmd.PersistentFlags().BoolVar(&s.json, "json", false, "write JSON")
	cmd.AddCommand(newKeysCreate(s), newKeysList(s), newKeysRevoke(s))
	return cmd
}

// withKeys opens the home's keys for f.
func (s *shared) withKeys(ctx context.Context, f func(*app.Keys) error) error {
	cfg, err := app.LoadConfig(s.config, s.home)
	if err != nil {
		return err
	}
	keys, err := app.OpenKeys(ctx, cfg)
	if err != nil {
		return err
	}
	defer keys.Close()
	if s.project != "" {
		if err := keys.Of(ctx, s.project); err != nil {
			return err
		}
	}
	return f(keys)
}

// keyView is a key as it is listed; never the key itself.
type keyView struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Hint      string     `json:"hint"`
	CreatedAt time.Time  `json:"created_at"`
	RevokedAt *time.Time `json:"revoked_at"`
	Key       string     `json:"key,omitempty"` // at creation only
}

func viewKey(k domain.APIKey) keyView {
	v := keyView{ID: k.ID, Name: k.Name, Hint: "…" + k.Hint, CreatedAt: k.CreatedAt}
	if !k.RevokedAt.IsZero() {
		v.RevokedAt = &k.RevokedAt
	}
	return v
}

func newKeysCreate(s *shared) *cobra.Command {
	var name string
	var operator bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key; it is shown once",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				create, header := keys.Create, "x-api-key"
				if operator {
					create, header = keys.CreateOperator, "x-org-api-key"
				}
				key, k, err := create(cmd.Context(), name)
				if err != nil {
					return err
				}
				if s.json {
					v := viewKey(k)
					v.Key = key
					return s.writeJSON(v)
				}
				fmt.Fprintln(s.Out, key)
				fmt.Fprintf(s.Err, "Key %s %q. It is shown only now; send it as %s.\n", k.ID, k.Name, header)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "key", "what the key is for")
	cmd.Flags().BoolVar(&operator, "operator", false, "a key of whoever operates the server, of no project")
	return cmd
}

func newKeysList(s *shared) *cobra.Command {
	var operator bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List keys, newest first",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				get, flag := keys.List, ""
				if operator {
					get, flag = keys.ListOperator, " --operator"
				}
				list, err := get(cmd.Context())
				if err != nil {
					return err
				}
				views := make([]keyView, 0, len(list))
				for _, k := range list {
					views = append(views, viewKey(k))
				}
				if s.json {
					return s.writeJSON(views)
				}
				if len(views) == 0 {
					fmt.Fprintf(s.Err, "There is no key yet. Make one with: sluice keys create%s\n", flag)
					return nil
				}
				w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tKEY\tCREATED\tSTATE")
				for _, v := range views {
					state := "active"
					if v.RevokedAt != nil {
						state = "revoked " + v.RevokedAt.Format(time.DateOnly)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.ID, v.Name, v.Hint, v.CreatedAt.Format(time.DateOnly), state)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&operator, "operator", false, "the keys of whoever operates the server")
	return cmd
}

func newKeysRevoke(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke a key; it fails within a second, on open connections too",
		Args:  oneArg("the id of a key, as sluice keys list shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				if err := keys.Revoke(cmd.Context(), args[0]); err != nil {
					return err
				}
				if s.json {
					return s.writeJSON(map[string]any{"id": args[0], "revoked": true})
				}
				fmt.Fprintf(s.Out, "Revoked %s.\n", args[0])
				return nil
			})
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			if len(args) > 0 || !s.homeExists() {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			_ = s.withKeys(cmd.Context(), func(keys *app.Keys) error {
				list, err := keys.List(cmd.Context())
				more, _ := keys.ListOperator(cmd.Context())
				for _, k := range append(list, more...) {
					if k.RevokedAt.IsZero() {
						ids = append(ids, k.ID+"\t"+k.Name)
					}
				}
				return err
			})
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
