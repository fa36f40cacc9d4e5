package connect

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Reconnect makes a link on which the user gives an account that is there
// already new credentials: one that has expired, was refused, or waits for its
// user. Until then it stays as it is; its id, names and pins stay in any case.
func (s *Service) Reconnect(ctx context.Context, projectID, id, callbackURL string) (*Initiated, error) {
	if err := CheckCallbackURL("redirect_url", callbackURL); err != nil {
		return nil, err
	}
	a, err := s.Account(ctx, projectID, id)
	if err != nil {
		return nil, err
	}
	if s.orphan(a) || a.Origin == domain.OriginSandbox {
		return nil, domain.Errorf(domain.CodeUnsupported, "account %s is of the sandbox, which connects by itself", a.ID).
			WithFix("Connect an account of your own: make a connect link for toolkit %s.", a.Toolkit)
	}
	start := Start{ProjectID: projectID, UserID: a.UserID, AuthConfigID: a.AuthConfigID}
	if _, _, err := s.resolve(ctx, &start); err != nil {
		return nil, err
	}
	now := s.now()
	token := domain.NewSecret(domain.PrefixLink)
	link := domain.ConnectLink{
		TokenHash: sha256.Sum256([]byte(token)), ProjectID: projectID, AccountID: a.ID,
		CallbackURL: callbackURL, CreatedAt: now, ExpiresAt: now.Add(s.opts.LinkTTL),
	}
	if a.Status == domain.AccountInitiated { // it waits no longer than it was to
		link.ExpiresAt = a.CreatedAt.Add(s.opts.LinkTTL)
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		now, err := tx.Account(ctx, projectID, id)
		if err != nil {
			return notFound(err, id)
		}
		if s.overdue(&now) { // its time is over, this link's is not
			if err := tx.UpdateAccount(ctx, projectID, *s.shown(&now)); err != nil {
				return err
			}
		}
		return tx.CreateLink(ctx, link)
	})
	if err != nil {
		return nil, err
	}
	return &Initiated{Account: *a, Token: token, ExpiresAt: link.ExpiresAt}, nil
}

// InitiateAgain is Initiate for a caller that may ask again and again: while the
// user's connection to the toolkit by the same auth config waits, it gives a new
// link for that one.
func (s *Service) InitiateAgain(ctx context.Context, in Start) (*Initiated, error) {
	tk, cfg, err := s.resolve(ctx, &in)
	if err != nil {
		return nil, err
	}
	waiting, _, err := s.opts.Store.ListAccounts(ctx, in.ProjectID, store.AccountFilter{
		UserIDs: []string{in.UserID}, Toolkits: []string{tk.Slug}, Statuses: []domain.AccountStatus{domain.AccountInitiated},
	}, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	for i := range waiting {
		a := &waiting[i]
		if a.AuthConfigID == cfg.ID && s.now().Add(enoughTime).Before(a.CreatedAt.Add(s.opts.LinkTTL)) {
			return s.Reconnect(ctx, a.ProjectID, a.ID, in.CallbackURL)
		}
	}
	return s.Initiate(ctx, in)
}

// enoughTime is what a person needs at least who is sent to a link.
const enoughTime = 3 * time.Minute

// known judges public values that are given before a user has seen the page.
func known(auth *toolkit.Auth, values map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := strings.TrimSpace(values[name])
		i := slices.IndexFunc(auth.Fields, func(f toolkit.Field) bool { return f.Name == name })
		at := "connection_data." + clip(name)
		switch {
		case value == "":
			continue
		case i < 0:
			return nil, domain.Invalid(at, "%s is not asked for; expected: %s", at, fieldNames(auth))
		case auth.Fields[i].Secret:
			return nil, domain.Invalid(at, "%s is a secret: it cannot be filled in for a user beforehand", at).
				WithFix("Leave it to the page, or connect at once with POST /connected_accounts.")
		case len(value) > maxValue || strings.IndexFunc(value, unicode.IsControl) >= 0:
			return nil, domain.Invalid(at, "%s: expected one line of at most %d bytes", at, maxValue)
		}
		out[name] = value
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}
