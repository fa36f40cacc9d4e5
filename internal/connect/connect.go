// Package connect knows how a user's account is connected to a toolkit: auth
// configs, connect links, accounts, and the credentials of one call.
//
// An account begins INITIATED with a single-use link. The link's page takes the
// user's credentials, the toolkit's check call proves them, and the account
// becomes ACTIVE. One that is not finished within the link's time is EXPIRED.
// A provisioner may make accounts by itself.
package connect

import (
	"context"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/internal/vault"
	"github.com/sluice-run/sluice/toolkit"
)

// Store is what connect needs of the database.
type Store interface {
	store.AuthConfigs
	store.Accounts
	store.Secrets
	store.Links
	store.Flows
	renewStore
	store.Brandings
	Project(ctx context.Context, id string) (domain.Project, error)
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

// Vault seals and opens secrets; *vault.Vault is one.
type Vault interface {
	Seal(ctx context.Context, ref vault.Ref, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, ref vault.Ref, sealed []byte) ([]byte, error)
}

// HTTP makes the guarded client of one call; *httpx.Factory is one.
type HTTP interface {
	For(o httpx.CallOptions) *http.Client
}

// Grant is what a provisioner gives: the connection's fields, public and secret,
// as a person would have typed them.
type Grant struct {
	Fields   map[string]string // public
	Secrets  toolkit.Secrets
	Identity toolkit.Identity
}

// Provisioner connects users by itself: the embedded sandbox does, at a user's
// first use of its toolkit.
type Provisioner interface {
	// Toolkit is the slug it serves.
	Toolkit() string
	// Provision gives a new grant for the user, or nil when the account that the
	// provisioner made earlier (nil: none) is still good.
	Provision(ctx context.Context, projectID, userID string, earlier *domain.ConnectedAccount) (*Grant, error)
}

// Options configures a Service. Store, Vault, Catalog and HTTP are required.
type Options struct {
	Store        Store
	Vault        Vault
	Catalog      *catalog.Catalog
	HTTP         HTTP
	Provisioners []Provisioner
	LinkTTL      time.Duration // 10 minutes when 0
	// RefreshLease is how long a process has for renewing an account's tokens before
	// another may; 45 seconds when 0.
	RefreshLease time.Duration
	// OnEvent hears of what becomes of accounts, in the transaction that keeps it: it
	// must use only tx, and may be called again when that is repeated. Optional.
	OnEvent func(ctx context.Context, tx store.Tx, e domain.AccountEvent) error
	// Observe hears of each try to renew tokens. It must be quick. Optional.
	Observe func(ctx context.Context, r Renewal)
	Now     func() time.Time // time.Now when nil
}

const (
	defaultLinkTTL = 10 * time.Minute
	// checkTimeout bounds the call that proves credentials good.
	checkTimeout = 30 * time.Second
)

// Service connects accounts and hands out the means to use them. It is safe for
// concurrent use.
type Service struct {
	opts         Options
	provisioners map[string]Provisioner // by toolkit
	locks        keyLocks               // of provisioning, by project, user and toolkit
	renewals     keyLocks               // of tokens, by project and account
	owner        string                 // of leases
	guesses      guesses                // at codes
}

// New makes a Service.
func New(opts Options) *Service {
	if opts.LinkTTL <= 0 {
		opts.LinkTTL = defaultLinkTTL
	}
	if opts.RefreshLease <= 0 {
		opts.RefreshLease = defaultRefreshLease
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Service{opts: opts, owner: domain.NewID("own_"), provisioners: make(map[string]Provisioner, len(opts.Provisioners))}
	for _, p := range opts.Provisioners {
		s.provisioners[p.Toolkit()] = p
	}
	return s
}

// now is the time as the store keeps it.
func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }
