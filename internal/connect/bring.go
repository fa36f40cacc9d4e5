package connect

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Bring keeps an account that its user connected on another server, without the
// credentials, which no server gives away: EXPIRED, until its user connects it
// again by a link of Reconnect. Its id, alias and pins stay the same then. Unlike a
// connection that was never finished it is kept until somebody deletes it.
func (s *Service) Bring(ctx context.Context, in Start) (*domain.ConnectedAccount, error) {
	tk, cfg, err := s.resolve(ctx, &in)
	if err != nil {
		return nil, err
	}
	if in.Fields, err = known(authOf(tk, cfg.Scheme), in.Fields); err != nil {
		return nil, err
	}
	a := s.newAccount(in, tk, cfg)
	a.Status, a.StatusReason = domain.AccountExpired, "it was connected on another server, and its credentials stayed there"
	a.Identity = toolkit.Identity{"connected": "elsewhere"} // nobody's yet; it tells it from one that was never connected
	if err := s.insert(ctx, &a, cfg, func(store.Tx) error { return nil }); err != nil {
		return nil, err
	}
	return &a, nil
}
