package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
)

// keyProvider gives what a key_provider setting names. An empty one is the
// configured key, else the key file of the home.
func keyProvider(cfg Config, spec string, getenv func(string) string) (vault.KeyProvider, error) {
	kind, rest, _ := strings.Cut(spec, ":")
	switch {
	case kind == "" && cfg.KeyEncryptionKey != "", kind == "env" && rest == "":
		return vault.EnvKey(cfg.KeyEncryptionKey.Reveal()), nil
	case kind == "", kind == "file" && rest == "":
		return vault.FileKey(filepath.Join(cfg.Home, keyFile)), nil
	case kind == "file":
		if !filepath.IsAbs(rest) {
			return nil, domain.Invalid("key_provider", "file needs an absolute path, such as file:/etc/sluice/key")
		}
		return vault.FileKey(rest), nil
	case kind == "env":
		return vault.NamedEnvKey(rest, getenv(rest)), nil
	case kind == "vault-transit":
		return vault.TransitKey(vault.TransitOptions{
			URL: rest, Token: vaultToken(cfg), Namespace: cfg.VaultNamespace, CAFile: cfg.VaultCAFile,
		})
	case kind == "exec":
		return vault.ExecKey(strings.Fields(rest))
	}
	return nil, domain.Invalid("key_provider", "there is no such key provider").
		WithFix("Use file, file:/PATH, env, env:NAME, vault-transit:https://HOST/MOUNT/KEY or exec:/PROGRAM ARGUMENT….")
}

// vaultToken gives the token of the moment: Vault's agent writes its file anew.
func vaultToken(cfg Config) func() (string, error) {
	return func() (string, error) {
		if cfg.VaultTokenFile == "" {
			return cfg.VaultToken.Reveal(), nil
		}
		f, err := os.Open(cfg.VaultTokenFile)
		if err != nil {
			return "", domain.Invalid("vault_token_file", "vault_token_file %s cannot be read: %v", cfg.VaultTokenFile, pathReason(err))
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, 64<<10))
		if err != nil {
			return "", fmt.Errorf("reading vault_token_file: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
}

// vaultStore is what the vault needs of a database.
type vaultStore interface {
	store.Keyset
	store.SecretWalk
	store.Uses
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

func vaultOptions(cfg Config, db vaultStore) (vault.Options, error) {
	keys, err := keyProvider(cfg, cfg.KeyProvider, os.Getenv)
	return vault.Options{Keys: keys, Load: db.LoadKeyset, Save: db.SaveKeyset, Swap: db.SwapKeyset}, err
}

func (a *App) openVault(ctx context.Context) error {
	opts, err := vaultOptions(a.opts.Config, a.db)
	if err != nil {
		return err
	}
	uses := vault.NewUses(vault.UsesOptions{Save: saveUses(a.db), Warn: a.warn})
	opts.Used = func(ref vault.Ref) {
		if domain.HasPrefix(ref.AccountID, domain.PrefixAccount) {
			uses.Note(ref)
		}
	}
	opts.Warn = a.warn
	if a.vault, err = vault.Open(ctx, opts); err != nil {
		return err
	}
	uses.Start(ctx)
	a.onStop("uses of accounts", func(context.Context) error { uses.Stop(); return nil })
	k := &keeper{vault: a.vault, shelf: shelf{a.db}, log: a.log}
	k.start(ctx)
	a.onStop("vault", func(context.Context) error { k.stop(); return nil })
	return nil
}

func (a *App) warn(ctx context.Context, what string, err error) {
	a.log.WarnContext(ctx, "the vault: something went wrong behind the calls", "what", what, "error", err, "cause", errors.Unwrap(err))
}

// usesBatch is how many accounts one transaction notes the use of.
const usesBatch = 200

func saveUses(db vaultStore) func(context.Context, map[vault.Ref]time.Time) error {
	return func(ctx context.Context, uses map[vault.Ref]time.Time) error {
		refs := make([]vault.Ref, 0, len(uses))
		for ref := range uses {
			refs = append(refs, ref)
		}
		for len(refs) > 0 {
			n := min(usesBatch, len(refs))
			err := db.InTx(ctx, func(tx store.Tx) error {
				for _, ref := range refs[:n] {
					if err := tx.TouchAccount(ctx, ref.ProjectID, ref.AccountID, uses[ref]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			refs = refs[n:]
		}
		return nil
	}
}

// shelf is the database's secrets as the vault sees them.
type shelf struct{ db vaultStore }

var _ vault.Shelf = shelf{}

func keyOf(r vault.Ref) store.SecretKey {
	return store.SecretKey{ProjectID: r.ProjectID, AccountID: r.AccountID, Field: r.Field}
}

func refOf(k store.SecretKey) vault.Ref {
	return vault.Ref{ProjectID: k.ProjectID, AccountID: k.AccountID, Field: k.Field}
}

func (s shelf) Stale(ctx context.Context, mark []byte, after vault.Ref, limit int) ([]vault.Item, error) {
	rows, err := s.db.SecretsAfter(ctx, store.SecretFilter{NotUnder: mark}, keyOf(after), limit)
	items := make([]vault.Item, 0, len(rows))
	for _, r := range rows {
		items = append(items, vault.Item{Ref: refOf(r.SecretKey), Sealed: r.Sealed})
	}
	return items, err
}

func (s shelf) Count(ctx context.Context, mark []byte) (int, error) {
	return s.db.CountSecrets(ctx, store.SecretFilter{Under: mark})
}

func (s shelf) Swap(ctx context.Context, changes []vault.Change) (swapped int, err error) {
	err = s.db.InTx(ctx, func(tx store.Tx) error {
		swapped = 0 // it may run again
		for _, c := range changes {
			ok, err := tx.SwapSecret(ctx, keyOf(c.Ref), c.Sealed, c.New)
			if err != nil {
				return err
			}
			if ok {
				swapped++
			}
		}
		return nil
	})
	return swapped, err
}

func (s shelf) SwapKeysetIfUnused(ctx context.Context, mark, was, sealed []byte) (swapped bool, err error) {
	err = s.db.InTx(ctx, func(tx store.Tx) error {
		n, err := tx.CountSecrets(ctx, store.SecretFilter{Under: mark})
		if err != nil {
			return err
		}
		if n > 0 {
			return vault.ErrUsed
		}
		swapped, err = tx.SwapKeyset(ctx, was, sealed)
		return err
	})
	return swapped, err
}

// keeper finishes rotations: it seals anew what is under old keys and retires
// them when their time is over. Several routers may do so at once.
type keeper struct {
	vault  *vault.Vault
	shelf  vault.Shelf
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

// keeperEvery is how often, give or take a quarter.
const keeperEvery = time.Minute

func (k *keeper) start(ctx context.Context) {
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.done = make(chan struct{})
	go func() {
		defer close(k.done)
		for {
			wait := time.NewTimer(keeperEvery*3/4 + rand.N(keeperEvery/2))
			select {
			case <-ctx.Done():
				wait.Stop()
				return
			case <-wait.C:
			}
			if err := k.vault.Tidy(ctx, k.shelf); err != nil && ctx.Err() == nil {
				k.log.WarnContext(ctx, "the vault's keys could not be looked after", "error", err, "fix", domain.AsError(err).Fix)
			}
		}
	}()
}

func (k *keeper) stop() {
	k.cancel()
	<-k.done
}
