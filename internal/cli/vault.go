package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-run/sluice/internal/app"
)

func newVault(s *shared) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "vault",
		Short: "Look after the secrets of connected accounts",
		Long: "Rotate the keys that seal the secrets of connected accounts, list these secrets,\n" +
			"and end connections after a breach. It works beside running routers on the same\n" +
			"home, which need no restart, and without one. No secret is ever shown.",
		Example: "  sluice vault rotate\n  sluice vault inventory\n  sluice vault revoke --user ann --upstream",
	})
	cmd.PersistentFlags().BoolVar(&s.json, "json", false, "write JSON")
	cmd.AddCommand(newVaultRotate(s), newVaultInventory(s), newVaultRevoke(s))
	return cmd
}

// withVault opens the home's vault for f.
func (s *shared) withVault(ctx context.Context, f func(*app.Vault) error) error {
	cfg, err := app.LoadConfig(s.config, s.home)
	if err != nil {
		return err
	}
	v, err := app.OpenVault(ctx, cfg)
	if err != nil {
		return err
	}
	defer v.Close()
	return f(v)
}

func newVaultRotate(s *shared) *cobra.Command {
	var kek, finish bool
	var to string
	keep := app.KeptOld
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key and seal every secret with it, online",
		Long: "Make a new key and seal every secret with it. Running routers find the new key by\n" +
			"themselves. A rotation that was interrupted is finished instead. The old key stays\n" +
			"for a while (--keep-old), for what was sealed with it and lives outside the\n" +
			"database, such as addresses of files; then running routers remove it, or\n" +
			"sluice vault rotate --finish does.\n\n" +
			"With --key-encryption-key it is the key that seals these keys that changes; with\n" +
			"--to it moves to another provider (file, file:/PATH, env:NAME, vault-transit:URL,\n" +
			"exec:/PROGRAM), and key_provider is to be set to that before the next start.",
		Example: "  sluice vault rotate\n  sluice vault rotate --key-encryption-key\n" +
			"  sluice vault rotate --to vault-transit:https://vault.example:8200/transit/sluice",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep < 0 {
				return usage(cmd, errors.New("--keep-old cannot be negative"))
			}
			if (kek || to != "") && (finish || cmd.Flags().Changed("keep-old")) {
				return usage(cmd, errors.New("--finish and --keep-old are for the keys of secrets, not with --key-encryption-key or --to"))
			}
			return s.withVault(cmd.Context(), func(v *app.Vault) error {
				if kek || to != "" {
					return s.rotateKEK(cmd.Context(), v, to)
				}
				return s.rotate(cmd.Context(), v, keep, finish)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&kek, "key-encryption-key", false, "change the key that seals the keys")
	f.StringVar(&to, "to", "", "move the key-encryption key to this provider")
	f.BoolVar(&finish, "finish", false, "only finish what earlier rotations left")
	f.DurationVar(&keep, "keep-old", keep, "how long the old key stays at least")
	return cmd
}

func (s *shared) rotate(ctx context.Context, v *app.Vault, keep time.Duration, finish bool) error {
	all := 0
	tty := isTerminal(s.Err) && !s.json
	report := func(p app.VaultProgress) {
		if tty {
			fmt.Fprintf(s.Err, "\rSealing anew: %d of %d", p.Done+p.Newer+p.Bad, all)
		}
	}
	r, err := v.Rotate(ctx, keep, finish, func(n int) { all = n }, report)
	if tty && all > 0 {
		fmt.Fprintln(s.Err)
	}
	if err != nil {
		return fmt.Errorf("%w\n  It can be run again, and goes on where it stopped", err)
	}
	if s.json {
		return s.writeJSON(r)
	}
	switch {
	case r.Resumed:
		fmt.Fprintf(s.Out, "Finished what earlier rotations left: %d secrets sealed anew.\n", r.Done)
	default:
		fmt.Fprintf(s.Out, "Key %d seals from now on; %d secrets were sealed anew.\n", r.Keys[0].ID, r.Done)
	}
	if r.Newer > 0 {
		fmt.Fprintf(s.Out, "%d changed meanwhile and stayed as they became.\n", r.Newer)
	}
	for _, k := range r.Keys[1:] {
		when := "when nothing came up that it sealed"
		if now := time.Now(); k.State == "old" && k.Until.After(now) {
			when = "after " + k.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(s.Out, "Key %d is %s; a running router removes it %s, or: sluice vault rotate --finish\n", k.ID, k.State, when)
	}
	if r.Bad > 0 {
		for _, ref := range r.BadRefs {
			fmt.Fprintf(s.Err, "Does not open with any key: %s of account %s in project %s\n", ref.Field, ref.AccountID, ref.ProjectID)
		}
		return fmt.Errorf("%d secrets do not open with any key and were left\n  Have their users connect again", r.Bad)
	}
	return nil
}

func (s *shared) rotateKEK(ctx context.Context, v *app.Vault, to string) error {
	before := v.SealedBy()
	if err := v.RotateKEK(ctx, to); err != nil {
		return err
	}
	now := v.SealedBy()
	if s.json {
		return s.writeJSON(map[string]any{"before": before, "sealed_by": now, "moved": now != before})
	}
	fmt.Fprintf(s.Out, "The keys are sealed by %s now, under a new key.\n", now)
	if now != before {
		fmt.Fprintf(s.Out, "Before the next start set key_provider (SLUICE_KEY_PROVIDER) to %s\n", strings.SplitN(to, " ", 2)[0])
		fmt.Fprintln(s.Out, "Running routers go on with what they have open; restart them soon, before the next rotation.")
	}
	fmt.Fprintln(s.Out, "Back the new key up. Backups of the database from before need the old one.")
	return nil
}

// vaultFilter adds the flags that narrow to some secrets.
func vaultFilter(cmd *cobra.Command, f *app.VaultFilter) {
	cmd.Flags().StringVar(&f.Project, "project", "", "only this project's, by id or name")
	cmd.Flags().StringVar(&f.Toolkit, "toolkit", "", "only this toolkit's")
	cmd.Flags().StringVarP(&f.User, "user", "u", "", "only this user's")
}

func newVaultInventory(s *shared) *cobra.Command {
	var f app.VaultFilter
	cmd := &cobra.Command{
		Use:     "inventory",
		Aliases: []string{"ls"},
		Short:   "List every secret: whose, sealed with which key, when used",
		Long: "List every secret that the home keeps, never the secret itself: project, user,\n" +
			"toolkit, account, field, the key that sealed it, when it came, was last sealed and\n" +
			"last used (to the minute), and the account's scopes.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withVault(cmd.Context(), func(v *app.Vault) error {
				list := []app.StoredSecret{}
				err := v.Inventory(cmd.Context(), f, func(i app.StoredSecret) error {
					list = append(list, i)
					return nil
				})
				if err != nil {
					return err
				}
				if s.json {
					return s.writeJSON(map[string]any{"sealed_by": v.SealedBy(), "keys": v.Keys(), "secrets": list})
				}
				return s.showInventory(v, list)
			})
		},
	}
	vaultFilter(cmd, &f)
	return cmd
}

func (s *shared) showInventory(v *app.Vault, list []app.StoredSecret) error {
	fmt.Fprintf(s.Err, "The keys are sealed by %s.\n", v.SealedBy())
	if len(list) == 0 {
		fmt.Fprintln(s.Err, "There is no secret.")
		return nil
	}
	w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PROJECT\tUSER\tTOOLKIT\tACCOUNT\tSTATUS\tFIELD\tKEY\tSINCE\tSEALED\tUSED\tSCOPES")
	for _, i := range list {
		used := "never"
		if i.LastUsed != nil {
			used = i.LastUsed.Format("2006-01-02 15:04")
		}
		scopes := "-"
		if i.Scopes != nil {
			scopes = fmt.Sprint(len(i.Scopes))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d %s\t%s\t%s\t%s\t%s\n", i.Project, cut(i.UserID, 30), i.Toolkit, i.AccountID, i.Status,
			i.Field, i.KeyID, i.KeyState, i.CreatedAt.Format(time.DateOnly), i.LastSealed.Format(time.DateOnly), used, scopes)
	}
	return w.Flush()
}

func newVaultRevoke(s *shared) *cobra.Command {
	var f app.VaultFilter
	var all, upstream, yes bool
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "End connections and destroy their secrets, after a breach",
		Long: "End the connections of all users, or of a project, a toolkit, a user: no call runs on\n" +
			"them any more, their secrets are destroyed, and the users connect again. With\n" +
			"--upstream the provider is told to refuse the tokens first, where it can be; where\n" +
			"it cannot, the result says so, and the tokens are to be ended in its own settings.",
		Example: "  sluice vault revoke --user ann\n  sluice vault revoke --all --upstream --yes",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			narrowed := f != (app.VaultFilter{})
			if all == narrowed {
				return usage(cmd, errors.New("say which: --all alone, or some of --project, --toolkit, --user"))
			}
			return s.withVault(cmd.Context(), func(v *app.Vault) error {
				accounts, err := v.Accounts(cmd.Context(), f)
				if err != nil {
					return err
				}
				if len(accounts) > 0 && !yes {
					if err := s.confirmRevoke(cmd, len(accounts)); err != nil {
						return err
					}
				}
				list, err := v.Revoke(cmd.Context(), accounts, upstream)
				if err != nil {
					return fmt.Errorf("%w\n  Not all is done: run it again", err)
				}
				return s.showRevoked(list)
			})
		},
	}
	vaultFilter(cmd, &f)
	cmd.Flags().BoolVar(&all, "all", false, "every connection of the home")
	cmd.Flags().BoolVar(&upstream, "upstream", false, "also have the provider refuse the tokens")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (s *shared) confirmRevoke(cmd *cobra.Command, n int) error {
	if !isTerminal(s.In) {
		return usage(cmd, fmt.Errorf("%d connections would end for good; repeat with --yes", n))
	}
	fmt.Fprintf(s.Err, "%d connections end for good, and their users must connect again. Go on? [y/N] ", n)
	line, _ := bufio.NewReader(s.In).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

func (s *shared) showRevoked(list []app.RevokedAccount) error {
	failed := 0
	for _, r := range list {
		if r.Error != "" || r.Upstream == "failed" {
			failed++
		}
	}
	switch {
	case s.json:
		if list == nil {
			list = []app.RevokedAccount{}
		}
		if err := s.writeJSON(list); err != nil {
			return err
		}
	case len(list) == 0:
		fmt.Fprintln(s.Err, "There is no such connection.")
	default:
		w := tabwriter.NewWriter(s.Out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ACCOUNT\tUSER\tTOOLKIT\tDESTROYED\tUPSTREAM")
		for _, r := range list {
			upstream := r.Upstream
			for _, more := range []string{r.Detail, r.Error} {
				if more != "" {
					upstream = strings.TrimPrefix(upstream+": "+more, ": ")
				}
			}
			if upstream == "" {
				upstream = "not asked"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d secrets\t%s\n", r.AccountID, cut(r.UserID, 30), r.Toolkit, r.Destroyed, upstream)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d connections could not be ended in full\n  End their tokens in the provider's own settings", failed)
	}
	return nil
}
