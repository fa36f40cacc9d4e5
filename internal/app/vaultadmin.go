package app

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/store/sqlstore"
	"github.com/sluice-run/sluice/internal/vault"
)

// KeptOld is how long an old key stays at least: longer than anything lives that
// was sealed with it and is not in the database, such as a file's address.
const KeptOld = 75 * time.Minute

// Vault is a home opened for its secrets alone, beside running routers or
// without one.
type Vault struct {
	cfg     Config
	db      *sqlstore.DB
	vault   *vault.Vault
	connect *connect.Service
	revoke  Revoker
	// upstream is nil until the vault is open.
	upstream *httpx.Factory
}

// Names of the vault's that the command line uses.
type (
	VaultKey      = vault.KeyState
	VaultProgress = vault.Progress
)

// OpenVault opens the home's vault. A home without secrets yet is not made.
func OpenVault(ctx context.Context, cfg Config) (*Vault, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(cfg.Home, databaseFile)); err != nil && cfg.Database == "" {
		return nil, domain.Errorf(domain.CodeNotFound, "there is no database in %s: %v", cfg.Home, pathReason(err)).
			WithFix("Name the home of the router: --home or SLUICE_HOME.")
	}
	db, err := sqlstore.Open(ctx, databaseOf(cfg))
	if err != nil {
		return nil, err
	}
	v := &Vault{cfg: cfg, db: db}
	opts, err := vaultOptions(cfg, db)
	if err == nil {
		v.vault, err = vault.Open(ctx, opts)
	}
	if err == nil {
		err = v.openConnect()
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// Close closes the home.
func (v *Vault) Close() {
	if v.upstream != nil {
		v.upstream.Close()
	}
	_ = v.db.Close()
}

// Keys lists the keys of the keyset, the primary first.
func (v *Vault) Keys() []VaultKey { return v.vault.Keys() }

// SealedBy names whose key-encryption key seals the keyset.
func (v *Vault) SealedBy() string { return v.vault.SealedBy() }

// Rotation says what a rotation did.
type Rotation struct {
	// Resumed says that an earlier rotation was finished and no new key made.
	Resumed bool `json:"resumed"`
	VaultProgress
	Keys []VaultKey `json:"keys"`
}

// Rotate makes a new key and seals every secret with it; old keys stay for at
// least keep. A rotation that was interrupted is finished instead, and with
// finish nothing else is done. total hears how many secrets are to be sealed,
// report how far it is.
func (v *Vault) Rotate(ctx context.Context, keep time.Duration, finish bool, total func(int), report func(VaultProgress)) (Rotation, error) {
	stale, err := v.stale(ctx)
	if err != nil {
		return Rotation{}, err
	}
	out := Rotation{Resumed: finish || (stale > 0 && len(v.vault.Keys()) > 1)}
	if !out.Resumed {
		if _, err := v.vault.Rotate(ctx, keep); err != nil {
			return out, err
		}
		if stale, err = v.stale(ctx); err != nil {
			return out, err
		}
	}
	total(stale)
	out.VaultProgress, err = v.vault.Reseal(ctx, shelf{v.db}, report)
	if err == nil {
		err = v.vault.Retire(ctx, shelf{v.db})
	}
	out.Keys = v.vault.Keys()
	return out, err
}

// stale counts the secrets that are not under the primary key and open with
// another one of the keyset.
func (v *Vault) stale(ctx context.Context) (n int, err error) {
	for _, k := range v.vault.Keys() {
		if k.ID == v.vault.Primary() {
			continue
		}
		one, err := v.db.CountSecrets(ctx, store.SecretFilter{Under: vault.Mark(k.ID)})
		if err != nil {
			return 0, err
		}
		n += one
	}
	return n, nil
}

// RotateKEK seals the keyset under a new key-encryption key: the provider's next
// one, or that of the provider that to names as key_provider does.
func (v *Vault) RotateKEK(ctx context.Context, to string) error {
	if to == "" {
		return v.vault.Rewrap(ctx, nil)
	}
	cfg := v.cfg
	cfg.KeyProvider = to
	if err := cfg.Validate(); err != nil {
		return err
	}
	keys, err := keyProvider(cfg, to, os.Getenv)
	if err != nil {
		return err
	}
	return v.vault.Rewrap(ctx, keys)
}

// VaultFilter narrows to a project (its id or name), toolkit, user; empty ones
// do not.
type VaultFilter struct{ Project, Toolkit, User string }

// StoredSecret is a line of the inventory. It says all but the secret.
type StoredSecret struct {
	ProjectID string `json:"project_id"`
	Project   string `json:"project"`
	UserID    string `json:"user_id"`
	Toolkit   string `json:"toolkit"`
	// AccountID is the id of an account, or of the auth config whose secret it is.
	AccountID string `json:"account_id"`
	Scheme    string `json:"auth_scheme"`
	Status    string `json:"status"`
	Field     string `json:"field"`
	// KeyID is the id of the key that sealed it, 0 for what the vault did not
	// seal; KeyState is that of Vault.Keys, or unknown.
	KeyID    uint32   `json:"key_id"`
	KeyState string   `json:"key_state"`
	Scopes   []string `json:"scopes"`

	CreatedAt  time.Time  `json:"created_at"`
	LastSealed time.Time  `json:"last_sealed_at"`
	LastUsed   *time.Time `json:"last_used_at"`
}

// inventoryPage is how many secrets one read gives.
const inventoryPage = 500

// Inventory calls each for every secret that the filter leaves.
func (v *Vault) Inventory(ctx context.Context, f VaultFilter, each func(StoredSecret) error) error {
	names, project, err := v.projects(ctx, f.Project)
	if err != nil {
		return err
	}
	states := map[uint32]string{}
	for _, k := range v.vault.Keys() {
		states[k.ID] = k.State
	}
	filter := store.SecretFilter{ProjectID: project, UserID: f.User, Toolkit: f.Toolkit}
	var after store.SecretKey
	for {
		page, err := v.db.SecretsAfter(ctx, filter, after, inventoryPage)
		if err != nil {
			return err
		}
		for i := range page {
			s := &page[i]
			line := StoredSecret{
				ProjectID: s.ProjectID, Project: names[s.ProjectID], UserID: s.UserID, Toolkit: s.Toolkit, AccountID: s.AccountID,
				Scheme: string(s.Scheme), Status: string(s.Status), Field: s.Field, KeyState: "unknown", Scopes: s.Scopes,
				CreatedAt: s.CreatedAt, LastSealed: s.SealedAt,
			}
			if id, ok := vault.KeyID(s.Sealed); ok && states[id] != "" {
				line.KeyID, line.KeyState = id, states[id]
			}
			if !s.UsedAt.IsZero() {
				line.LastUsed = &s.UsedAt
			}
			if err := each(line); err != nil {
				return err
			}
		}
		if len(page) < inventoryPage {
			return nil
		}
		after = page[len(page)-1].SecretKey
	}
}

// projects gives the projects' names by id, and the id of the one that is meant.
func (v *Vault) projects(ctx context.Context, meant string) (names map[string]string, id string, err error) {
	list, err := v.db.ListProjects(ctx)
	if err != nil {
		return nil, "", err
	}
	names = make(map[string]string, len(list))
	for _, p := range list {
		names[p.ID] = p.Name
		if meant != "" && (p.ID == meant || (p.Name == meant && id == "")) {
			id = p.ID
		}
	}
	if meant != "" && id == "" {
		return nil, "", domain.Errorf(domain.CodeNotFound, "there is no project %q", meant)
	}
	return names, id, nil
}

// Revoker has a provider take back an account's tokens.
type Revoker func(ctx context.Context, account *domain.ConnectedAccount) connect.Taken

// openConnect gives the vault what ends accounts, and reaches their providers
// through the guard.
func (v *Vault) openConnect() error {
	cat, err := catalog.New(builtinToolkits()...)
	if err != nil {
		return err
	}
	upstream, err := httpx.New(httpx.Options{Version: Version(), AllowPrefixes: v.cfg.UpstreamAllow, MaxTries: 1})
	if err != nil {
		return err
	}
	v.upstream = upstream
	v.connect = connect.New(connect.Options{Store: v.db, Vault: v.vault, Catalog: cat, HTTP: upstream})
	v.revoke = v.connect.RevokeUpstream
	return nil
}

// RevokedAccount is what became of one account.
type RevokedAccount struct {
	ProjectID string `json:"project_id"`
	AccountID string `json:"account_id"`
	UserID    string `json:"user_id"`
	Toolkit   string `json:"toolkit"`
	Destroyed int    `json:"secrets_destroyed"`
	// Upstream is revoked, unsupported or failed; empty when it was not asked.
	Upstream string `json:"upstream,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Error    string `json:"error,omitempty"`
}

const (
	upstreamTime   = 15 * time.Second
	upstreamAtOnce = 8
	revokedReason  = "revoked by the operator of this router"
)

// Accounts gives the accounts that a revocation would end: those that are not
// revoked, and those that still have secrets.
func (v *Vault) Accounts(ctx context.Context, f VaultFilter) ([]domain.ConnectedAccount, error) {
	names, project, err := v.projects(ctx, f.Project)
	if err != nil {
		return nil, err
	}
	if project != "" {
		names = map[string]string{project: ""}
	}
	af := store.AccountFilter{Ascending: true}
	if f.User != "" {
		af.UserIDs = []string{f.User}
	}
	if f.Toolkit != "" {
		af.Toolkits = []string{f.Toolkit}
	}
	var out []domain.ConnectedAccount
	for id := range names {
		for page := (store.Page{Limit: 1000}); ; page.Offset += 1000 {
			list, _, err := v.db.ListAccounts(ctx, id, af, page)
			if err != nil {
				return nil, err
			}
			for _, a := range list {
				if a.Status == domain.AccountRevoked {
					left, err := v.db.Secrets(ctx, id, a.ID)
					if err != nil {
						return nil, err
					}
					if len(left) == 0 {
						continue
					}
				}
				out = append(out, a)
			}
			if len(list) < 1000 {
				break
			}
		}
	}
	return out, nil
}

// Revoke ends accounts: no call runs on them any more, then, with upstream, their
// providers are told, and their secrets are destroyed in any case. It goes on
// over failures, which the result tells; killed, it can be run again.
func (v *Vault) Revoke(ctx context.Context, accounts []domain.ConnectedAccount, upstream bool) ([]RevokedAccount, error) {
	out := make([]RevokedAccount, len(accounts))
	for i := range accounts { // first, all of them: this stops the calls
		a := &accounts[i]
		out[i] = RevokedAccount{ProjectID: a.ProjectID, AccountID: a.ID, UserID: a.UserID, Toolkit: a.Toolkit}
		if err := v.mark(ctx, a, nil); err != nil {
			if ctx.Err() != nil {
				return out[:i], err
			}
			out[i].Error = err.Error()
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, upstreamAtOnce)
	for i := range accounts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if upstream {
				out[i].Upstream, out[i].Detail = v.tell(ctx, accounts[i])
			}
			if err := v.mark(ctx, &accounts[i], &out[i].Destroyed); err != nil {
				out[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return out, ctx.Err()
}

// mark makes the account REVOKED, and destroys its secrets when destroyed is
// given. A deleted account has none.
func (v *Vault) mark(ctx context.Context, a *domain.ConnectedAccount, destroyed *int) error {
	_, n, err := v.connect.End(ctx, a.ProjectID, a.ID, revokedReason, destroyed != nil)
	if destroyed != nil {
		*destroyed = n
	}
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	return err
}

// tell asks the provider to take back the account's tokens.
func (v *Vault) tell(ctx context.Context, a domain.ConnectedAccount) (state, detail string) {
	if left, err := v.db.Secrets(ctx, a.ProjectID, a.ID); err == nil && len(left) == 0 {
		return "", "it had no secret"
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTime)
	defer cancel()
	taken := v.revoke(ctx, &a)
	return taken.Outcome, taken.Note
}
