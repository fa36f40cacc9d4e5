// Package connect knows how a user's account is connected to a toolkit: auth
// configs, connect links, accounts, and the credentials of one call.
package connect

import (
	"context"
	"net/http"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Store is what connect needs of the database.
type Store interface {
	store.AuthConfigs
	store.Accounts
	store.Secrets
	store.Links
	InTx(ctx context.Context, f func(tx store.Tx) error) error
}

// Vault seals and opens secrets; *vault.Vault is one.
type Vault interface {
	Seal(ctx context.Context, projectID, accountID, field string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, projectID, accountID, field string, sealed []byte) ([]byte, error)
}

// HTTP makes the guarded client of one call; an adapter over *httpx.Client is one.
type HTTP interface {
	// Client puts credentials on requests to baseURL's origin only, through
	// authorize, and counts upstream requests into calls when it is not nil.
	Client(baseURL string, authorize func(*http.Request), calls *int64) *http.Client
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
	LinkTTL      time.Duration    // 10 minutes when 0
	Now          func() time.Time // time.Now when nil
}

// Service connects accounts and hands out the means to use them.
type Service struct{ opts Options }

// New makes a Service.
func New(opts Options) *Service { return &Service{opts: opts} }

// Choice says which account a call wants.
type Choice struct {
	ProjectID string
	UserID    string
	Toolkit   string
	Account   string   // id, alias or word id; empty = choose
	Pinned    []string // the session's account ids for this toolkit; the choice is among them
	// Explicit refuses to choose among several; the error lists them.
	Explicit bool
}

// Choose gives the account a call runs on: the named one, else the newest
// pinned one, else the user's newest active one. It provisions when nothing is
// there and a provisioner serves the toolkit. No usable account is
// CodeNoConnection; a named account of another user, toolkit or project is
// CodeNotFound.
func (s *Service) Choose(ctx context.Context, c Choice) (*domain.ConnectedAccount, error) {
	panic("in work")
}

// Prepare gives the Call of one execution on the account: guarded client with
// credentials, base URL, public fields. The plaintext secrets live in the
// returned client only. A nil account is for toolkits without auth.
func (s *Service) Prepare(ctx context.Context, tk *toolkit.Toolkit, account *domain.ConnectedAccount, calls *int64) (*toolkit.Call, error) {
	panic("in work")
}

// Start asks for a new connection: Initiate's argument.
type Start struct {
	ProjectID    string
	UserID       string
	Toolkit      string // or AuthConfigID
	AuthConfigID string // empty: the project's, else one made automatically
	Alias        string
	CallbackURL  string
}

// Initiated is an account that waits for its user.
type Initiated struct {
	Account   domain.ConnectedAccount
	Token     string // lt_…: the link's secret; the page is PublicURL + "/link/" + Token
	ExpiresAt time.Time
}

// Initiate makes an INITIATED account and a single-use link for it.
func (s *Service) Initiate(ctx context.Context, in Start) (*Initiated, error) { panic("in work") }

// Form is what the connect page shows.
type Form struct {
	Link    domain.ConnectLink
	Account domain.ConnectedAccount
	Toolkit *toolkit.Toolkit
	Auth    toolkit.Auth
}

// Form gives the page of a link token. An unknown, used or expired token is
// CodeNotFound with a sentence for the person.
func (s *Service) Form(ctx context.Context, token string) (*Form, error) { panic("in work") }

// Complete takes what the person typed, checks it with the toolkit's own check
// call, seals the secrets, makes the account ACTIVE and uses the link up. Bad
// input or refused credentials leave the link usable; the error names the field.
func (s *Service) Complete(ctx context.Context, token string, values map[string]string) (*domain.ConnectedAccount, string, error) {
	panic("in work")
}

// Connect does Initiate and Complete in one step, for callers that have the
// values at hand (REST, the terminal).
func (s *Service) Connect(ctx context.Context, in Start, values map[string]string) (*domain.ConnectedAccount, error) {
	panic("in work")
}

// Account gives one account of the project. An unfinished connection past its
// time is shown EXPIRED.
func (s *Service) Account(ctx context.Context, projectID, id string) (*domain.ConnectedAccount, error) {
	panic("in work")
}

// Accounts lists accounts.
func (s *Service) Accounts(ctx context.Context, projectID string, f store.AccountFilter, page store.Page) ([]domain.ConnectedAccount, int, error) {
	panic("in work")
}

// Delete removes an account and its secrets.
func (s *Service) Delete(ctx context.Context, projectID, id string) error { panic("in work") }

// AuthConfig gives one auth config.
func (s *Service) AuthConfig(ctx context.Context, projectID, id string) (*domain.AuthConfig, error) {
	panic("in work")
}

// AuthConfigs lists auth configs; toolkit may be empty.
func (s *Service) AuthConfigs(ctx context.Context, projectID, toolkit string, page store.Page) ([]domain.AuthConfig, int, error) {
	panic("in work")
}

// CreateAuthConfig makes an auth config of origin project.
func (s *Service) CreateAuthConfig(ctx context.Context, projectID, toolkit, name string, scheme domain.AuthScheme) (*domain.AuthConfig, error) {
	panic("in work")
}
