package session

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/execute"
)

// offers puts a connect link into the error of a call that found no usable
// account. The links are made after the call's record: a record must not hold
// one. Of one request's calls, those that miss the same get the same link.
type offers struct {
	s    *Service
	h    *Handle
	mu   sync.Mutex
	made map[connect.Missing]string
}

// offer gives err with what to do about it. A session without connection
// management, or whose users' address is not known, has no link to give.
func (o *offers) offer(ctx context.Context, err error) error {
	var missing *connect.Missing
	if o.h.Config.ManageConnections.Off || o.s.opts.LinkURL == nil || ctx.Err() != nil || !errors.As(err, &missing) {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	fix, there := o.made[*missing]
	if !there {
		fix = o.s.invitation(ctx, o.h, *missing)
		if o.made == nil {
			o.made = map[connect.Missing]string{}
		}
		o.made[*missing] = fix
	}
	if fix == "" {
		return err
	}
	e := *domain.AsError(err)
	e.Fix = fix
	return execute.Reword(err, &e)
}

// invitation is a sentence with a link on which the user connects what is
// missing, or "" when none can be made.
func (s *Service) invitation(ctx context.Context, h *Handle, missing connect.Missing) string {
	in, address, err := s.mend(ctx, h, missing, true)
	if err != nil || address == "" {
		return ""
	}
	again := ""
	if missing.AccountID != "" {
		again = " again"
	}
	return fmt.Sprintf("Ask the user to connect it%s at %s (works once, until %s), then repeat the call.", again, address, stamp(in.ExpiresAt))
}

// mend gives a link for what is missing: to the account that is to be connected
// again, else to a new one; with reuse to one that waits for the user already.
func (s *Service) mend(ctx context.Context, h *Handle, missing connect.Missing, reuse bool) (*connect.Initiated, string, error) {
	callback := h.Config.ManageConnections.CallbackURL
	var in *connect.Initiated
	var err error
	switch {
	case missing.AccountID != "":
		in, err = s.opts.Connect.Reconnect(ctx, h.ProjectID, missing.AccountID, callback)
	case reuse:
		in, err = s.opts.Connect.InitiateAgain(ctx, connect.Start{
			ProjectID: h.ProjectID, UserID: h.UserID, Toolkit: missing.Toolkit,
			AuthConfigID: h.Config.AuthConfigs[missing.Toolkit], CallbackURL: callback,
		})
	default:
		return s.Link(ctx, h, missing.Toolkit, "", "")
	}
	if err != nil || s.opts.LinkURL == nil {
		return in, "", err
	}
	return in, s.opts.LinkURL(h.linkBase(), in.Token), nil
}
