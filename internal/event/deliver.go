package event

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
)

// claim is an attempt that is to be made.
type claim struct {
	delivery domain.Delivery
	webhook  domain.Webhook
	event    domain.Event
	sealed   map[string][]byte
}

// deliver is the job of a delivery: one attempt, if it is time for one.
func (s *Service) deliver(ctx context.Context, a deliverArgs) error {
	if !s.slots.take(a.WebhookID) {
		return jobs.Later(crowded())
	}
	defer s.slots.give(a.WebhookID)
	c, later, err := s.claim(ctx, a)
	switch {
	case err != nil:
		return err
	case c == nil && later > 0:
		return jobs.Later(later)
	case c == nil:
		return nil
	}
	at := s.now()
	began := time.Now()
	r := s.post(ctx, c, at)
	if ctx.Err() != nil && r.status == 0 {
		return ctx.Err() // the process stops: the endpoint is not to blame
	}
	attempt := domain.Attempt{
		ProjectID: c.delivery.ProjectID, DeliveryID: c.delivery.ID, Number: c.delivery.Attempts, At: at,
		Duration: time.Since(began), Status: r.status, Error: r.failure, Excerpt: r.excerpt,
	}
	// What was answered is noted even when the process is told to stop meanwhile.
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if later, err = s.note(noting, c, attempt, r); err != nil {
		return err
	}
	if later > 0 {
		return jobs.Later(later)
	}
	return nil
}

// claim takes a delivery for an attempt. Without one it says when to come back; 0
// means that the job has nothing more to do.
func (s *Service) claim(ctx context.Context, a deliverArgs) (c *claim, later time.Duration, err error) {
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) (err error) {
		c, later, err = s.claimIn(ctx, tx, a)
		return err
	})
	if domain.CodeOf(err) == domain.CodeNotFound { // deleted, or grown old
		return nil, 0, nil
	}
	return c, later, err
}

func (s *Service) claimIn(ctx context.Context, tx store.Tx, a deliverArgs) (*claim, time.Duration, error) {
	now := s.now()
	d, err := tx.Delivery(ctx, a.ProjectID, a.DeliveryID)
	if err != nil {
		return nil, 0, err
	}
	w, err := tx.Webhook(ctx, a.ProjectID, d.WebhookID)
	if err != nil {
		return nil, 0, err
	}
	over := !now.Before(d.BeganAt.Add(s.opts.Window))
	switch {
	case d.State == domain.DeliveryDelivered || d.State == domain.DeliveryDead, d.ClaimedUntil.After(now):
		return nil, 0, nil
	case w.State == domain.WebhookDisabled:
		return nil, 0, s.end(ctx, tx, &w, &d, now, w.Reason)
	case over:
		return nil, 0, s.end(ctx, tx, &w, &d, now, s.tooLate(&d))
	case w.State == domain.WebhookPaused && !a.Probe:
		return nil, 0, s.park(ctx, tx, &d)
	case d.NextAt.After(now) && !a.Probe:
		return nil, d.NextAt.Sub(now), nil
	}
	if w.Ordered {
		turn, err := s.turn(ctx, tx, &w, &d, now)
		if err != nil || !turn {
			return nil, 0, err
		}
	}
	d.State, d.ClaimedUntil = domain.DeliveryWaiting, now.Add(s.opts.Claim)
	d.Attempts++
	if err := tx.UpdateDelivery(ctx, a.ProjectID, d); err != nil {
		return nil, 0, err
	}
	c := &claim{delivery: d, webhook: w}
	if c.event, err = tx.Event(ctx, a.ProjectID, d.EventID); err != nil {
		return nil, 0, err
	}
	c.sealed, err = tx.WebhookSecrets(ctx, a.ProjectID, w.ID)
	return c, 0, err
}

// turn says whether a delivery may be tried that goes after others. If not it is
// parked, and the one whose turn it is has a job.
func (s *Service) turn(ctx context.Context, tx store.Tx, w *domain.Webhook, d *domain.Delivery, now time.Time) (bool, error) {
	busy, err := tx.ClaimedDelivery(ctx, w.ProjectID, w.ID, now)
	if err != nil {
		return false, err
	}
	first, err := tx.OpenDeliveries(ctx, w.ProjectID, w.ID, 1)
	if err != nil {
		return false, err
	}
	if !busy && (len(first) == 0 || first[0].ID == d.ID) {
		return true, nil
	}
	if err := s.park(ctx, tx, d); err != nil || busy {
		return false, err // the one that is under way wakes the next
	}
	return false, s.wakeFirst(ctx, tx, w)
}

func (s *Service) park(ctx context.Context, tx store.Tx, d *domain.Delivery) error {
	if d.State == domain.DeliveryParked {
		return nil
	}
	d.State = domain.DeliveryParked
	return tx.UpdateDelivery(ctx, d.ProjectID, *d)
}

// end gives a delivery up.
func (s *Service) end(ctx context.Context, tx store.Tx, w *domain.Webhook, d *domain.Delivery, now time.Time, why string) error {
	d.State, d.EndedAt, d.ClaimedUntil, d.LastError = domain.DeliveryDead, now, time.Time{}, why
	if err := tx.UpdateDelivery(ctx, d.ProjectID, *d); err != nil {
		return err
	}
	return s.next(ctx, tx, w)
}

// next wakes what waited for its turn.
func (s *Service) next(ctx context.Context, tx store.Tx, w *domain.Webhook) error {
	if !w.Ordered || w.State != domain.WebhookActive {
		return nil
	}
	return s.wakeFirst(ctx, tx, w)
}

func (s *Service) tooLate(d *domain.Delivery) string {
	why := fmt.Sprintf("given up: not taken within %v", s.opts.Window)
	if d.LastError != "" {
		why += "; the last attempt: " + d.LastError
	}
	return why
}

// note keeps what came of an attempt, and says when to make the next.
func (s *Service) note(ctx context.Context, c *claim, a domain.Attempt, r result) (later time.Duration, err error) {
	var tell func(ctx context.Context)
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) (err error) {
		later, tell, err = s.noteIn(ctx, tx, c, a, r)
		return err
	})
	if domain.CodeOf(err) == domain.CodeNotFound {
		return 0, nil
	}
	if err == nil && tell != nil {
		tell(ctx)
	}
	return later, err
}

func (s *Service) noteIn(ctx context.Context, tx store.Tx, c *claim, a domain.Attempt, r result) (time.Duration, func(ctx context.Context), error) {
	now := s.now()
	d, err := tx.Delivery(ctx, a.ProjectID, a.DeliveryID)
	if err != nil {
		return 0, nil, err
	}
	w, err := tx.Webhook(ctx, a.ProjectID, d.WebhookID)
	if err != nil {
		return 0, nil, err
	}
	if err := tx.AddAttempt(ctx, a); err != nil {
		return 0, nil, err
	}
	if d.ClaimedUntil.Equal(c.delivery.ClaimedUntil) {
		d.ClaimedUntil = time.Time{}
	}
	// Another attempt may have ended it meanwhile; what was given up and arrived all
	// the same has arrived.
	if d.State == domain.DeliveryDelivered || d.State == domain.DeliveryDead && !r.taken {
		return 0, nil, tx.UpdateDelivery(ctx, a.ProjectID, d)
	}
	d.LastStatus, d.LastError = a.Status, a.Error
	switch {
	case r.taken:
		return s.noteTaken(ctx, tx, &w, &d, now)
	case r.gone:
		return s.noteGone(ctx, tx, &w, &d, now)
	}
	return s.noteFailed(ctx, tx, &w, &d, now, r)
}

func (s *Service) noteTaken(ctx context.Context, tx store.Tx, w *domain.Webhook, d *domain.Delivery, now time.Time) (time.Duration, func(ctx context.Context), error) {
	d.State, d.EndedAt = domain.DeliveryDelivered, now
	if err := tx.UpdateDelivery(ctx, d.ProjectID, *d); err != nil {
		return 0, nil, err
	}
	if w.State == domain.WebhookPaused {
		tell := func(ctx context.Context) {
			s.log.InfoContext(ctx, "a webhook subscription takes events again", "webhook", w.ID, "project", w.ProjectID)
		}
		return 0, tell, s.resume(ctx, tx, w)
	}
	if w.Failures > 0 && w.State == domain.WebhookActive {
		w.Failures, w.FailingSince = 0, time.Time{}
		if err := tx.UpdateWebhook(ctx, w.ProjectID, *w); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, s.next(ctx, tx, w)
}

// noteGone unsubscribes: the endpoint said that it is there no more.
func (s *Service) noteGone(ctx context.Context, tx store.Tx, w *domain.Webhook, d *domain.Delivery, now time.Time) (time.Duration, func(ctx context.Context), error) {
	if err := tx.UpdateDelivery(ctx, d.ProjectID, *d); err != nil {
		return 0, nil, err
	}
	const why = "the endpoint answered 410 Gone"
	w.State, w.Reason, w.ProbeAt = domain.WebhookDisabled, why+"; set webhook_url to subscribe again", time.Time{}
	if err := tx.UpdateWebhook(ctx, w.ProjectID, *w); err != nil {
		return 0, nil, err
	}
	if err := tx.EndDeliveries(ctx, w.ProjectID, w.ID, why, now); err != nil {
		return 0, nil, err
	}
	tell := func(ctx context.Context) {
		s.log.WarnContext(ctx, "a webhook subscription was disabled: "+why, "webhook", w.ID, "project", w.ProjectID)
	}
	return 0, tell, s.tellOf(ctx, tx, w, domain.EventWebhookDisabled, now)
}

// maxRetryAfter bounds what an endpoint can ask for: a day's tries are not to be
// spent on one mistake.
const maxRetryAfter = 4 * time.Hour

func (s *Service) noteFailed(ctx context.Context, tx store.Tx, w *domain.Webhook, d *domain.Delivery, now time.Time, r result) (time.Duration, func(ctx context.Context), error) {
	tell, paused, err := s.noteFailure(ctx, tx, w, now)
	if err != nil {
		return 0, nil, err
	}
	wait := max(pause(d.Attempts), min(r.retryAfter, maxRetryAfter))
	d.NextAt = now.Add(wait)
	end := d.BeganAt.Add(s.opts.Window)
	switch {
	case !d.NextAt.Before(end):
		return 0, tell, s.end(ctx, tx, w, d, now, s.tooLate(d))
	case paused:
		d.State = domain.DeliveryParked
		return 0, tell, tx.UpdateDelivery(ctx, d.ProjectID, *d)
	}
	return wait, tell, tx.UpdateDelivery(ctx, d.ProjectID, *d)
}

// noteFailure counts a failure of the endpoint, and pauses it when that goes on for
// long.
func (s *Service) noteFailure(ctx context.Context, tx store.Tx, w *domain.Webhook, now time.Time) (tell func(ctx context.Context), paused bool, err error) {
	w.Failures++
	if w.FailingSince.IsZero() {
		w.FailingSince = now
	}
	long := now.Sub(w.FailingSince) >= s.opts.PauseAfter && w.Failures >= pauseFailures
	if w.State == domain.WebhookActive && long {
		w.State = domain.WebhookPaused
		w.Reason = "it has taken nothing since " + wireTime(w.FailingSince) + "; it is tried now and then"
		w.ProbeAt = now.Add(s.opts.ProbeEvery)
		tell = func(ctx context.Context) {
			s.log.WarnContext(ctx, "a webhook subscription was paused: it has failed for long",
				"webhook", w.ID, "project", w.ProjectID, "since", w.FailingSince, "failures", w.Failures)
		}
		if err := s.tellOf(ctx, tx, w, domain.EventWebhookPaused, now); err != nil {
			return nil, false, err
		}
	}
	return tell, w.State == domain.WebhookPaused, tx.UpdateWebhook(ctx, w.ProjectID, *w)
}
