package connect

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Start asks for a new connection: Initiate's argument.
type Start struct {
	ProjectID    string
	UserID       string
	Toolkit      string // or AuthConfigID
	AuthConfigID string // empty: the project's, else one made automatically
	Alias        string
	CallbackURL  string
	// Fields are public values that are known already; the page shows them.
	Fields map[string]string
}

// Initiated is an account that waits for its user.
type Initiated struct {
	Account   domain.ConnectedAccount
	Token     string // lt_…: the link's secret; the page is PublicURL + "/link/" + Token
	ExpiresAt time.Time
}

// Initiate makes an INITIATED account and a single-use link for it.
func (s *Service) Initiate(ctx context.Context, in Start) (*Initiated, error) {
	tk, cfg, err := s.resolve(ctx, &in)
	if err != nil {
		return nil, err
	}
	if in.Fields, err = known(authOf(tk, cfg.Scheme), in.Fields); err != nil {
		return nil, err
	}
	if err := s.mayWait(ctx, in, tk); err != nil {
		return nil, err
	}
	a := s.newAccount(in, tk, cfg)
	token := domain.NewSecret(domain.PrefixLink)
	link := domain.ConnectLink{
		TokenHash: sha256.Sum256([]byte(token)), ProjectID: a.ProjectID, AccountID: a.ID,
		CallbackURL: in.CallbackURL, CreatedAt: a.CreatedAt, ExpiresAt: a.CreatedAt.Add(s.opts.LinkTTL),
	}
	err = s.insert(ctx, &a, cfg, func(tx store.Tx) error { return tx.CreateLink(ctx, link) })
	if err != nil {
		return nil, err
	}
	return &Initiated{Account: a, Token: token, ExpiresAt: link.ExpiresAt}, nil
}

// maxPending bounds a user's unfinished connections to one toolkit.
const maxPending = 100

// mayWait refuses one more unfinished connection where there are too many.
func (s *Service) mayWait(ctx context.Context, in Start, tk *toolkit.Toolkit) error {
	pending := store.AccountFilter{
		UserIDs: []string{in.UserID}, Toolkits: []string{tk.Slug}, Statuses: []domain.AccountStatus{domain.AccountInitiated},
	}
	_, n, err := s.Accounts(ctx, in.ProjectID, pending, store.Page{Limit: 1})
	if err != nil || n < maxPending {
		return err
	}
	e := domain.Errorf(domain.CodeRateLimited, "the user has %d unfinished connections to %s already", n, tk.Slug).
		WithFix("Use one of the links that were given, or wait until they expire.")
	e.RetryAfter = s.opts.LinkTTL
	return e
}

// resolve checks a Start and finds its toolkit and auth config. An auth config
// without an id is yet to be made.
func (s *Service) resolve(ctx context.Context, in *Start) (*toolkit.Toolkit, *domain.AuthConfig, error) {
	if err := checkStart(in); err != nil {
		return nil, nil, err
	}
	var cfg *domain.AuthConfig
	if in.AuthConfigID != "" {
		var err error
		if cfg, err = s.AuthConfig(ctx, in.ProjectID, in.AuthConfigID); err != nil {
			return nil, nil, err
		}
		if in.Toolkit != "" && !strings.EqualFold(in.Toolkit, cfg.Toolkit) {
			return nil, nil, domain.Invalid("auth_config_id", "auth config %s is for toolkit %s, not %s", cfg.ID, cfg.Toolkit, clip(in.Toolkit))
		}
		if cfg.Disabled {
			return nil, nil, domain.Invalid("auth_config_id", "auth config %s is disabled", cfg.ID)
		}
		in.Toolkit = cfg.Toolkit
	}
	tk, err := s.opts.Catalog.Toolkit(ctx, in.ProjectID, in.Toolkit)
	if err != nil {
		return nil, nil, err
	}
	if tk.NoAuth() {
		return nil, nil, domain.Invalid("toolkit", "toolkit %s needs no connection: its tools run without an account", tk.Slug)
	}
	if cfg == nil {
		if cfg, err = s.defaultAuthConfig(ctx, in.ProjectID, tk); err != nil {
			return nil, nil, err
		}
	}
	auth := authOf(tk, cfg.Scheme)
	if auth == nil || !connectable(auth) {
		return nil, nil, domain.Errorf(domain.CodeUnsupported, "connecting %s with %s is not offered here yet", tk.Slug, cfg.Scheme).
			WithFix("Use an auth config with one of: %s.", connectableList(tk))
	}
	if err := configured(auth, cfg); err != nil {
		return nil, nil, err
	}
	return tk, cfg, nil
}

func checkStart(in *Start) error {
	if err := CheckUserID(in.UserID); err != nil {
		return err
	}
	if in.Toolkit == "" && in.AuthConfigID == "" {
		return domain.Invalid("toolkit", "a toolkit or an auth_config_id is required: it says what to connect")
	}
	var err error
	if in.Alias, err = cleanAlias(in.Alias); err != nil {
		return err
	}
	return CheckCallbackURL("callback_url", in.CallbackURL)
}

// CheckUserID says whether id can be a user's: 1–256 bytes of plain text.
func CheckUserID(id string) error {
	switch {
	case strings.TrimSpace(id) == "":
		return domain.Invalid("user_id", "user_id is required: your application's own id of its user")
	case len(id) > 256:
		return domain.Invalid("user_id", "user_id has %d bytes; at most 256 are allowed", len(id))
	case strings.IndexFunc(id, unicode.IsControl) >= 0:
		return domain.Invalid("user_id", "user_id must not hold control characters")
	}
	return nil
}

// CheckCallbackURL says whether a browser may be sent to the address: empty, or
// an absolute http or https URL of at most 2048 bytes.
func CheckCallbackURL(field, raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2048 || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return domain.Invalid(field, "%s: expected an absolute http or https address of at most 2048 bytes, such as https://app.example.com/connected", field)
	}
	return nil
}

// typed says whether a connection of this auth is made by typing values, which
// is what the connect page can do.
func typed(auth *toolkit.Auth) bool {
	return auth.Authorize != nil && auth.BaseURL != nil && auth.OAuth == nil
}

func (s *Service) newAccount(in Start, tk *toolkit.Toolkit, cfg *domain.AuthConfig) domain.ConnectedAccount {
	now := s.now()
	return domain.ConnectedAccount{
		ID: domain.NewID(domain.PrefixAccount), ProjectID: in.ProjectID, UserID: in.UserID,
		Toolkit: tk.Slug, AuthConfigID: cfg.ID, Scheme: cfg.Scheme, Origin: cfg.Origin,
		Alias: in.Alias, Status: domain.AccountInitiated, Fields: in.Fields, CreatedAt: now, UpdatedAt: now,
	}
}

// insert stores a new account under a free word id, with what else belongs to it.
func (s *Service) insert(ctx context.Context, a *domain.ConnectedAccount, cfg *domain.AuthConfig, also func(tx store.Tx) error) error {
	var err error
	for range maxNames {
		a.WordID = newWordID(a.Toolkit)
		err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			if cfg.ID == "" {
				made, err := s.ensureAuthConfig(ctx, tx, a.ProjectID, a.Toolkit, cfg.Scheme, cfg.Origin)
				if err != nil {
					return err
				}
				a.AuthConfigID = made.ID
			}
			if err := tx.CreateAccount(ctx, *a); err != nil {
				return err
			}
			return also(tx)
		})
		if domain.CodeOf(err) != domain.CodeConflict {
			return err
		}
		if a.Alias == "" {
			continue
		}
		holder, listErr := s.aliasHolder(ctx, a)
		if listErr != nil {
			return listErr
		}
		if holder != nil && s.lapsed(holder) {
			if err := s.freeAlias(ctx, holder); err != nil {
				return err
			}
			continue
		}
		if holder != nil {
			return aliasTaken(a.Alias)
		}
	}
	return err
}

// aliasHolder gives the user's account, of any toolkit, that has a's alias, or nil.
func (s *Service) aliasHolder(ctx context.Context, a *domain.ConnectedAccount) (*domain.ConnectedAccount, error) {
	all, _, err := s.opts.Store.ListAccounts(ctx, a.ProjectID, store.AccountFilter{UserIDs: []string{a.UserID}}, store.Page{Limit: 1000})
	if i := slices.IndexFunc(all, func(o domain.ConnectedAccount) bool { return o.Alias == a.Alias }); i >= 0 {
		return &all[i], err
	}
	return nil, err
}

// lapsed says whether a is a connection that ran out before anybody made it.
func (s *Service) lapsed(a *domain.ConnectedAccount) bool {
	return s.shown(a).Status == domain.AccountExpired && fresh(a)
}

// freeAlias takes the alias from a connection that nobody will finish any more:
// the user may want it for the next attempt.
func (s *Service) freeAlias(ctx context.Context, holder *domain.ConnectedAccount) error {
	return s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		a, err := tx.Account(ctx, holder.ProjectID, holder.ID)
		if domain.CodeOf(err) == domain.CodeNotFound {
			return nil
		}
		if err != nil || !s.lapsed(&a) {
			return err
		}
		a = *s.shown(&a)
		a.Alias = ""
		return tx.UpdateAccount(ctx, a.ProjectID, a)
	})
}

// Form is what the connect page shows.
type Form struct {
	Link    domain.ConnectLink
	Account domain.ConnectedAccount
	Toolkit *toolkit.Toolkit
	Auth    toolkit.Auth
	Config  domain.AuthConfig
	Brand   Branding
	Asked   []string // scopes that the provider will be asked for
}

// Form gives the page of a link token. An unknown, used or expired token is
// CodeNotFound with a sentence for the person; ErrSpent is the cause where it was
// good once.
func (s *Service) Form(ctx context.Context, token string) (*Form, error) {
	if !domain.HasPrefix(token, domain.PrefixLink) || len(token) > 128 {
		return nil, badLink("This link is not valid.")
	}
	link, err := s.opts.Store.LinkByHash(ctx, sha256.Sum256([]byte(token)))
	switch {
	case domain.CodeOf(err) == domain.CodeNotFound:
		return nil, badLink("This link is not valid.")
	case err != nil:
		return nil, err
	case !s.now().Before(link.ExpiresAt):
		if link.UsedAt.IsZero() {
			return nil, badLink(fmt.Sprintf("This link has expired: it was good for %s.", inWords(link.ExpiresAt.Sub(link.CreatedAt)))).WithCause(ErrSpent)
		}
	}
	return s.formOf(ctx, &link)
}

// formOfFlow gives the page of the link that a walk began on, which may have
// expired since.
func (s *Service) formOfFlow(ctx context.Context, flow *domain.OAuthFlow) (*Form, error) {
	link, err := s.opts.Store.LinkByHash(ctx, flow.LinkHash)
	if err != nil {
		return nil, err
	}
	return s.formOf(ctx, &link)
}

func (s *Service) formOf(ctx context.Context, link *domain.ConnectLink) (*Form, error) {
	a, err := s.opts.Store.Account(ctx, link.ProjectID, link.AccountID)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeNotFound {
			return nil, badLink("This link is not valid any more: its account was removed.").WithCause(ErrSpent)
		}
		return nil, err
	}
	switch { // who connects or ends an account makes all its links void
	case !link.UsedAt.IsZero() && a.Status == domain.AccountRevoked:
		return nil, badLink("This link is not valid any more: the connection was ended.").WithCause(ErrSpent)
	case !link.UsedAt.IsZero():
		return nil, badLink("This link was already used, or another one was: the account is connected.").WithCause(ErrSpent)
	}
	tk, err := s.opts.Catalog.Toolkit(ctx, a.ProjectID, a.Toolkit)
	if err != nil {
		return nil, err
	}
	auth := authOf(tk, a.Scheme)
	if auth == nil {
		return nil, domain.Errorf(domain.CodeUnsupported, "connecting %s with %s is not offered any more", tk.Name, a.Scheme)
	}
	form := &Form{Link: *link, Account: a, Toolkit: tk, Auth: *auth}
	if form.Config, err = s.opts.Store.AuthConfig(ctx, a.ProjectID, a.AuthConfigID); err != nil {
		return nil, err
	}
	if form.Config.Disabled {
		return nil, linkOff()
	}
	form.Asked = s.asked(tk, auth, &form.Config)
	form.Brand, err = s.Branding(ctx, a.ProjectID)
	return form, err
}

// Claim ties a link to the browser that began with it: another one is refused
// from then on. browser is a secret of that browser.
func (s *Service) Claim(ctx context.Context, form *Form, browser string) error {
	mine, err := s.opts.Store.BindLink(ctx, form.Link.ProjectID, form.Link.TokenHash, sha256.Sum256([]byte(browser)))
	if err == nil && !mine {
		return badLink("This link was opened in another browser.").WithCause(ErrSpent)
	}
	return err
}

// ClaimedBy says whether the link is free or belongs to the browser.
func (f *Form) ClaimedBy(browser string) bool {
	return f.Link.BrowserHash == [32]byte{} || f.Link.BrowserHash == sha256.Sum256([]byte(browser))
}

func badLink(sentence string) *domain.Error {
	return domain.Errorf(domain.CodeNotFound, "%s", sentence).
		WithFix("Ask the application or agent that sent you here for a new link.")
}

func linkOff() error {
	return badLink("This link is not valid any more: the application has switched this way to connect off.").WithCause(ErrSpent)
}

// inWords writes a link's time for a person.
func inWords(d time.Duration) string {
	if d == time.Minute {
		return "1 minute"
	}
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return d.String()
}
