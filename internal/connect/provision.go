package connect

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// maxNames bounds how often a word id is tried that somebody took meanwhile.
const maxNames = 12

// errTaken ends a transaction that finds the account already made.
var errTaken = errors.New("connect: the account is there already")

// provision makes the user's account of a toolkit that connects by itself. The
// caller holds the user's lock; another process is caught by the transaction
// and the unique word id.
func (s *Service) provision(ctx context.Context, p Provisioner, tk *toolkit.Toolkit, c Choice) (*Chosen, error) {
	g, err := p.Provision(ctx, c.ProjectID, c.UserID, nil)
	if err != nil {
		return nil, fmt.Errorf("provisioning %s: %w", tk.Slug, err)
	}
	if g == nil {
		return nil, NoConnection(tk.Slug)
	}
	a := domain.ConnectedAccount{
		ID: domain.NewID(domain.PrefixAccount), ProjectID: c.ProjectID, UserID: c.UserID,
		Toolkit: tk.Slug, Scheme: firstTyped(tk), Origin: domain.OriginSandbox,
		Status: domain.AccountActive, Fields: g.Fields, Identity: g.Identity,
		CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	sealed, err := s.seal(ctx, &a, g.Secrets)
	if err != nil {
		return nil, err
	}
	var cfg domain.AuthConfig
	for try := range maxNames {
		// The same name in every process: of two that provision at once, one is refused.
		a.WordID = wordIDFor(tk.Slug, fmt.Sprintf("%s\x00%s\x00%s\x00%d", c.ProjectID, c.UserID, domain.OriginSandbox, try))
		err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			var err error
			cfg, err = s.insertProvisioned(ctx, tx, &a, sealed, c)
			return err
		})
		switch {
		case err == nil:
			return &Chosen{ConnectedAccount: a, Config: cfg}, nil
		case !errors.Is(err, errTaken) && domain.CodeOf(err) != domain.CodeConflict:
			return nil, err
		}
		if there, err := s.pick(ctx, c); domain.CodeOf(err) != domain.CodeNoConnection {
			return there, err
		}
	}
	return nil, err
}

func (s *Service) insertProvisioned(ctx context.Context, tx store.Tx, a *domain.ConnectedAccount, sealed map[string][]byte, c Choice) (domain.AuthConfig, error) {
	var none domain.AuthConfig
	active, err := tx.ActiveAccounts(ctx, a.ProjectID, a.UserID, a.Toolkit)
	if err != nil {
		return none, err
	}
	there, err := s.candidates(ctx, tx, c, active, 1)
	if err != nil {
		return none, err
	}
	if len(there) > 0 {
		return none, errTaken
	}
	cfg, err := s.ensureAuthConfig(ctx, tx, a.ProjectID, a.Toolkit, a.Scheme, domain.OriginSandbox)
	if err != nil {
		return none, err
	}
	a.AuthConfigID = cfg.ID
	if err := tx.CreateAccount(ctx, *a); err != nil {
		return none, err
	}
	return cfg, putSecrets(ctx, tx, a, sealed)
}

// renew asks the provisioner whether its account is still good, and puts a new
// grant in its place if not. The caller holds the user's lock.
func (s *Service) renew(ctx context.Context, p Provisioner, tk *toolkit.Toolkit, a *Chosen) (*Chosen, error) {
	g, err := p.Provision(ctx, a.ProjectID, a.UserID, &a.ConnectedAccount)
	if err != nil {
		return nil, fmt.Errorf("provisioning %s again: %w", tk.Slug, err)
	}
	if g == nil {
		return a, nil
	}
	fresh := *a
	fresh.Fields, fresh.Identity, fresh.UpdatedAt = g.Fields, g.Identity, s.now()
	sealed, err := s.seal(ctx, &fresh.ConnectedAccount, g.Secrets)
	if err != nil {
		return nil, err
	}
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		if err := tx.UpdateAccount(ctx, fresh.ProjectID, fresh.ConnectedAccount); err != nil {
			return err
		}
		return putSecrets(ctx, tx, &fresh.ConnectedAccount, sealed)
	})
	if err != nil {
		return nil, err
	}
	return &fresh, nil
}

func putSecrets(ctx context.Context, tx store.Tx, a *domain.ConnectedAccount, sealed map[string][]byte) error {
	for field, b := range sealed {
		if err := tx.PutSecret(ctx, a.ProjectID, a.ID, field, b); err != nil {
			return err
		}
	}
	return nil
}
