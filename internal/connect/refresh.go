package connect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-run/sluice/internal/authscheme"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// Renewing tokens, so that no grant is lost.
//
// One Service at a time renews an account's tokens: a lock in the process, a
// lease in the database. Who has to wait reads what the other got. Leases run
// out, so what was got is kept by compare-and-swap on the grant's generation, in
// one transaction with the sealed tokens. A provider that rotates has used the
// old refresh token up as soon as it has heard of it, whether or not its answer
// arrives: so a request is not cut when its caller leaves, a failure is tried
// again soon, and the refresh token before the present one is kept until the
// present one has worked.
//
// What a failure means is authscheme's to say. Only the provider's word that the
// grant is dead, after whatever could disprove it, ends a connection.

const (
	// defaultRefreshLease is longer than a provider's answer is waited for, and
	// much shorter than the time in which providers take a used token again.
	defaultRefreshLease = 45 * time.Second
	// leaseWait is how long a call waits for another's renewal.
	leaseWait = 40 * time.Second
	// renewTimeout bounds a renewal with all that is tried, once it has begun.
	renewTimeout = 2 * time.Minute
	// mostMargin is how long before its end a token counts as ended for a new
	// call: it should last for the call. Of a short life it is a tenth.
	mostMargin = time.Minute
	// renewedJustNow: a token so young is not made new because of a 401, which
	// then has another reason.
	renewedJustNow = time.Minute
	// previousWorks is how long the refresh token before the present one is worth
	// trying early; later a provider may take it for stolen.
	previousWorks = 10 * time.Minute
	firstPoll     = 20 * time.Millisecond
	lastPoll      = 500 * time.Millisecond
	sweepers      = 4
)

// cause says what asks for new tokens.
type cause int

const (
	causeDue     cause = iota // their time has come
	causeEnded                // a call, and the access token ends
	causeRefused              // a call, and the upstream answered 401
	causeAsked                // somebody wants new ones now
)

// Refresh gives an account new tokens now, whether or not it needs them. An
// EXPIRED one that the provider takes again is ACTIVE afterwards. It fails with
// CodeUnsupported for a connection that has nothing to renew, CodeConflict in a
// state that cannot be renewed, CodeUnavailable when the provider did not give
// tokens this time, and CodeNoConnection when its user must connect again.
func (s *Service) Refresh(ctx context.Context, projectID, accountID string) (*domain.ConnectedAccount, error) {
	a, err := s.Account(ctx, projectID, accountID)
	if err != nil {
		return nil, err
	}
	if a.Scheme != domain.SchemeOAuth2 && a.Scheme != domain.SchemeS2SOAuth2 {
		return nil, domain.Errorf(domain.CodeUnsupported, "account %s is connected with %s, which has no tokens to renew", a.ID, a.Scheme)
	}
	if a.Status != domain.AccountActive && (a.Status != domain.AccountExpired || a.Generation == 0) {
		return nil, domain.Errorf(domain.CodeConflict, "account %s is %s: there is nothing to renew", a.ID, a.Status).WithFix("Connect it again.")
	}
	return s.renewGrant(ctx, a, causeAsked)
}

// Sweep renews up to n accounts of all projects whose time has come, the most
// urgent first, and says how many have new tokens. It is run now and then by
// every process; one account is renewed by one of them. A provider that fails is
// no error here: the account knows when it is tried again.
func (s *Service) Sweep(ctx context.Context, n int) (int, error) {
	due, err := s.opts.Store.DueAccounts(ctx, s.now(), n)
	if err != nil {
		return 0, fmt.Errorf("finding accounts to renew: %w", err)
	}
	var renewed atomic.Int64
	var all sync.WaitGroup
	turns := make(chan struct{}, sweepers)
	for i := range due {
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			all.Wait()
			return int(renewed.Load()), ctx.Err()
		}
		all.Go(func() {
			defer func() { <-turns }()
			if a, err := s.renewGrant(ctx, &due[i], causeDue); err == nil && a.RefreshedAt.After(due[i].RefreshedAt) {
				renewed.Add(1)
			}
		})
	}
	all.Wait()
	return int(renewed.Load()), ctx.Err()
}

// live says whether a new call may begin with the account's access token.
func (s *Service) live(a *domain.ConnectedAccount) bool {
	return a.ExpiresAt.IsZero() || s.now().Before(a.ExpiresAt.Add(-margin(a)))
}

// ended says whether the access token has come to its end.
func (s *Service) ended(a *domain.ConnectedAccount) bool {
	return !a.ExpiresAt.IsZero() && !s.now().Before(a.ExpiresAt)
}

func margin(a *domain.ConnectedAccount) time.Duration { return min(mostMargin, lifeOf(a)/10) }

// lifeOf is how long the present access token was to live.
func lifeOf(a *domain.ConnectedAccount) time.Duration {
	from := a.RefreshedAt
	if from.IsZero() {
		from = a.CreatedAt
	}
	return max(0, a.ExpiresAt.Sub(from))
}

// waiting says whether the last renewal failed and the next is not due.
func (s *Service) waiting(a *domain.ConnectedAccount) bool {
	return a.Failures > 0 && s.now().Before(a.RefreshAt)
}

// renewGrant gives the account with new tokens, by this Service or another one.
// With causeDue and causeEnded it may be the account with its old tokens, while
// they live.
func (s *Service) renewGrant(ctx context.Context, seen *domain.ConnectedAccount, why cause) (*domain.ConnectedAccount, error) {
	unlock, err := s.renewals.lock(ctx, seen.ProjectID+"\x00"+seen.ID)
	if err != nil {
		return nil, canceled(err)
	}
	defer unlock()
	lease := leaseOf(seen)
	patience := time.NewTimer(leaseWait)
	defer patience.Stop()
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		a, err := s.opts.Store.Account(ctx, seen.ProjectID, seen.ID)
		if err != nil {
			return nil, notFound(err, seen.ID)
		}
		if settled, err := s.settled(&a, seen, why); settled {
			return &a, err
		}
		now := s.now()
		taken, err := s.opts.Store.TakeLease(ctx, lease, s.owner, now, now.Add(s.opts.RefreshLease))
		if err != nil {
			return nil, err
		}
		if taken {
			return s.renewLeased(ctx, lease, seen, why)
		}
		if why == causeDue || why == causeEnded && !s.ended(&a) {
			return &a, nil // another is at it, and the old token will do
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, canceled(ctx.Err())
		case <-patience.C:
			return nil, s.notRenewed(&a, "another process has been renewing it for "+leaseWait.String())
		}
	}
}

// leaseOf names the lease of renewing an account's tokens.
func leaseOf(a *domain.ConnectedAccount) string { return "refresh/" + a.ProjectID + "/" + a.ID }

// settled says whether there is nothing left to do on the account as it is now,
// and with which error.
func (s *Service) settled(a, seen *domain.ConnectedAccount, why cause) (bool, error) {
	switch {
	case a.Status == domain.AccountExpired && why != causeAsked:
		return true, unusableAccount(a.Toolkit, a)
	case a.Status != domain.AccountActive && a.Status != domain.AccountExpired:
		return true, unusableAccount(a.Toolkit, a)
	}
	newer := a.RefreshedAt.After(seen.RefreshedAt) || a.Generation != seen.Generation && a.Failures == 0
	switch why {
	case causeDue:
		return a.RefreshAt.IsZero() || s.now().Before(a.RefreshAt), nil
	case causeEnded:
		if s.live(a) {
			return true, nil
		}
		if !s.waiting(a) {
			return false, nil
		}
		if s.ended(a) {
			return true, s.notRenewed(a, a.StatusReason)
		}
		return true, nil
	case causeRefused:
		if newer {
			return true, nil
		}
		if s.waiting(a) || s.now().Sub(a.RefreshedAt) < renewedJustNow {
			return true, s.notRenewed(a, "it was tried a moment ago")
		}
		return false, nil
	}
	return newer, nil
}

// renewLeased renews while the lease is held. From here on a caller who leaves
// changes nothing.
func (s *Service) renewLeased(ctx context.Context, lease string, seen *domain.ConnectedAccount, why cause) (*domain.ConnectedAccount, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	defer func() { _ = s.opts.Store.DropLease(ctx, lease, s.owner) }() // it runs out by itself
	// Who had the lease before may have renewed since the account was read.
	a, err := s.opts.Store.Account(ctx, seen.ProjectID, seen.ID)
	if err != nil {
		return nil, notFound(err, seen.ID)
	}
	if settled, err := s.settled(&a, seen, why); settled {
		return &a, err
	}
	began := time.Now()
	got, err := s.ask(ctx, &a, why)
	outcome := "renewed"
	var out *domain.ConnectedAccount
	switch {
	case err == nil && got.token == nil && got.account != nil:
		out, outcome = got.account, "settled" // by another, or without asking
	case err == nil:
		out, err = s.keep(ctx, &a, got)
	case authscheme.KindOf(err) == authscheme.KindGrant:
		outcome = "expired"
		out, err = s.endGrant(ctx, &a, reasonOf(err, &a))
	default:
		outcome = "failed"
		out, err = s.fail(ctx, &a, err, why)
	}
	if s.opts.Observe != nil {
		s.opts.Observe(ctx, Renewal{Toolkit: a.Toolkit, Outcome: outcome, Duration: time.Since(began)})
	}
	return out, err
}

// grant is what is known of fresh tokens; was is what was known before.
func (s *Service) grant(t *authscheme.Token, was domain.Grant) domain.Grant {
	now := s.now()
	g := domain.Grant{Scopes: t.Scopes, RefreshedAt: now, Generation: was.Generation}
	if g.Scopes == nil {
		g.Scopes = was.Scopes
	}
	if !t.ExpiresAt.IsZero() {
		g.ExpiresAt = t.ExpiresAt.UTC().Truncate(time.Microsecond)
		g.RefreshAt = refreshAt(now, g.ExpiresAt)
	}
	return g
}

// refreshAt is 80 % on the way to the end, with a jitter of 5 % each way so that
// what was connected together is not renewed together.
func refreshAt(now, end time.Time) time.Time {
	life := end.Sub(now)
	if life <= 0 {
		return now
	}
	part := 0.75 + 0.1*rand.Float64()
	return now.Add(time.Duration(float64(life) * part)).Truncate(time.Microsecond)
}

// tokenSecrets gives what an account keeps of fresh tokens. used is the refresh
// token that they were got for, if any.
func tokenSecrets(t *authscheme.Token, used string) toolkit.Secrets {
	secrets := toolkit.Secrets{secretAccess: t.AccessToken}
	if t.RefreshToken != "" {
		secrets[secretRefresh] = t.RefreshToken
	}
	if used != "" && used != t.RefreshToken {
		secrets[secretPrevious] = used
	}
	return secrets
}

// backoff is how long to wait after the given number of failures in a row: at
// first short enough for several tries while a used token still works.
func backoff(a *domain.ConnectedAccount, failures int, lasting bool) time.Duration {
	first, most := 10*time.Second, 5*time.Minute
	if life := lifeOf(a); life > 0 {
		first = min(first, max(life/60, 20*time.Millisecond))
	}
	if lasting { // somebody must change something
		first, most = 6*first, time.Hour
	}
	d := min(most, first<<min(failures-1, 16))
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// notRenewed is the error of an account that stays connected but has no access
// token to work with at this moment.
func (s *Service) notRenewed(a *domain.ConnectedAccount, reason string) *domain.Error {
	e := domain.Errorf(domain.CodeUnavailable, "the access of account %s to %s could not be renewed: %s", a.ID, a.Toolkit, reason).
		WithFix("The account stays connected, and is tried again by itself; repeat the call later.")
	if wait := a.RefreshAt.Sub(s.now()); a.Failures > 0 && wait > 0 {
		e.RetryAfter = wait
	}
	return e
}

func canceled(err error) error {
	return domain.Errorf(domain.CodeCanceled, "the call ended while its account's access was renewed").WithCause(err)
}

// Renewal is one try to renew an account's tokens, for Options.Observe.
type Renewal struct {
	Toolkit  string
	Outcome  string // renewed, settled, failed or expired
	Duration time.Duration
}

// renewStore is what renewing needs of the database.
type renewStore interface {
	store.AccountEvents
	store.Leases
}
