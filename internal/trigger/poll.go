package trigger

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
	"github.com/sluice-run/sluice/toolkit"
)

// run is the job of one poll at one version.
func (s *Service) run(ctx context.Context, a pollArgs) error {
	p, err := s.opts.Store.Poll(ctx, a.ProjectID, a.ID)
	if domain.CodeOf(err) == domain.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if p.Version != a.Version || p.NextAt.IsZero() {
		return nil // the poll has another job, or needs none
	}
	if wait := p.NextAt.Sub(s.now()); wait > early {
		return jobs.Later(wait)
	}
	if !s.take(p.ProjectID) {
		return jobs.Later(500*time.Millisecond + rand.N(time.Second))
	}
	defer s.give(p.ProjectID)
	kind, err := s.opts.Catalog.Trigger(ctx, p.ProjectID, p.Trigger, "")
	if err != nil {
		return jobs.Later(time.Hour) // of a toolkit that this process does not have
	}
	p.ClaimedUntil = s.now().Add(s.opts.Lease)
	claimed, err := s.opts.Store.ClaimPoll(ctx, domain.PollKey{ProjectID: p.ProjectID, ID: p.ID, Version: p.Version}, p.ClaimedUntil)
	if err != nil || !claimed {
		return err
	}
	p.Version++
	r := &round{s: s, p: &p, t: kind.Trigger, due: p.NextAt}
	if r.bounds, err = s.bounds(ctx, s.opts.Store, p.ProjectID, kind.Trigger); err != nil {
		return err
	}
	for r.number = 1; ; r.number++ {
		r.began = s.now()
		out, err := r.ask(ctx)
		if ctx.Err() != nil {
			return r.release(ctx)
		}
		if err != nil {
			return r.failed(ctx, err)
		}
		more, err := r.commit(ctx, out)
		if err != nil || !more {
			return err
		}
	}
}

// take counts one poll of the project more; false: it has as many as it may.
func (s *Service) take(projectID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[projectID] >= s.opts.PerProject {
		return false
	}
	s.taken[projectID]++
	return true
}

func (s *Service) give(projectID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[projectID]--; s.taken[projectID] == 0 {
		delete(s.taken, projectID)
	}
}

// round is one look at the application and what comes of it.
type round struct {
	s      *Service
	p      *domain.TriggerPoll // at the version of the claim
	t      *toolkit.Trigger
	bounds bounds
	number int
	began  time.Time
	due    time.Time // of the first round
}

// ask looks at the application.
func (r *round) ask(ctx context.Context) (*toolkit.Polled, error) {
	s, p := r.s, r.p
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	_, call, err := s.callOf(ctx, p)
	if err != nil {
		return nil, err
	}
	out, err := guarded(func() (*toolkit.Polled, error) { return r.t.Poll(ctx, call, p.Config, p.Cursor) })
	if err == nil && len(out.Cursor) == 0 {
		err = errors.New("trigger: " + p.Trigger + " gave no cursor")
	}
	return out, err
}

func (r *round) observe(outcome string, events, missed int) {
	p := Polled{Trigger: r.p.Trigger, Outcome: outcome, Events: events, Missed: missed, Took: r.s.now().Sub(r.began)}
	if r.number == 1 {
		p.Late = max(r.began.Sub(r.due), 0)
	}
	r.s.opts.Observe(p)
}

// errStolen says that the claim ran out and another process has the poll.
var errStolen = errors.New("trigger: the poll was taken over")

// commit keeps what was found: events of many go first, in portions that are safe to
// repeat, the last ones with the cursor. more says that there is another round.
func (r *round) commit(ctx context.Context, out *toolkit.Polled) (more bool, err error) {
	s := r.s
	events := out.Events
	for {
		served, err := s.opts.Store.TriggersOfPoll(ctx, r.p.ProjectID, r.p.ID)
		if err != nil {
			return false, err
		}
		portion := max(1, publishBatch/max(1, len(served)))
		if len(events) <= portion {
			break
		}
		if err := r.publishPart(ctx, events[:portion]); err != nil {
			return false, r.stolen(err)
		}
		events = events[portion:]
	}
	more = out.More && r.number < maxRounds
	next := *r.p
	var told tally
	err = s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		next, told = *r.p, nil
		if len(events) > 0 { // nobody takes the poll over while this transaction writes them
			if next.Version, err = r.hold(ctx, tx, next.ClaimedUntil); err != nil {
				return err
			}
		}
		next.Cursor, next.Failures, next.LastError, next.PolledAt = out.Cursor, 0, "", r.began
		next.Interval = r.bounds.next(r.p.Interval, len(out.Events))
		wanted, err := s.publish(ctx, tx, r.p, events, 0, &told)
		if err != nil {
			return err
		}
		now := s.now()
		switch {
		case !wanted:
			more, next.NextAt, next.ClaimedUntil = false, time.Time{}, time.Time{}
		case more:
			next.NextAt, next.ClaimedUntil = now, now.Add(s.opts.Lease)
		case out.More:
			next.NextAt, next.ClaimedUntil = now, time.Time{}
		default:
			next.NextAt, next.ClaimedUntil = now.Add(max(r.bounds.shortest, jitter(next.Interval))), time.Time{}
		}
		swapped, err := s.swap(ctx, tx, &next)
		if err == nil && !swapped {
			err = errStolen
		}
		return err
	})
	if err != nil {
		return false, r.stolen(err)
	}
	*r.p = next
	told.tell(s, r.p.Trigger, SourcePoll)
	r.observe("done", len(out.Events), out.Missed)
	return more, nil
}

// stolen makes a claim that was lost the end of the job, without a failure.
func (r *round) stolen(err error) error {
	if !errors.Is(err, errStolen) {
		return err
	}
	r.observe("stolen", 0, 0)
	return nil
}

// publishPart keeps some of the events and prolongs the claim.
func (r *round) publishPart(ctx context.Context, events []toolkit.RawEvent) error {
	until := r.s.now().Add(r.s.opts.Lease)
	var told tally
	var version int64
	err := r.s.opts.Store.InTx(ctx, func(tx store.Tx) (err error) {
		if version, err = r.hold(ctx, tx, until); err != nil {
			return err
		}
		told = nil
		_, err = r.s.publish(ctx, tx, r.p, events, 0, &told)
		return err
	})
	if err == nil {
		told.tell(r.s, r.p.Trigger, SourcePoll)
		r.p.Version, r.p.ClaimedUntil = version, until
	}
	return err
}

// hold claims the poll until then, which it must still have, and gives its version.
// Until tx ends others who want the poll wait, even if the claim runs out meanwhile.
func (r *round) hold(ctx context.Context, tx store.Tx, until time.Time) (int64, error) {
	held, err := tx.ClaimPoll(ctx, domain.PollKey{ProjectID: r.p.ProjectID, ID: r.p.ID, Version: r.p.Version}, until)
	if err == nil && !held {
		err = errStolen
	}
	return r.p.Version + 1, err
}

// tally is what a transaction told, for the metrics: it counts once that commits.
type tally []time.Duration

func (t tally) tell(s *Service, trigger, source string) {
	for _, lag := range t {
		s.opts.Told(Told{Trigger: trigger, Source: source, Lag: lag})
	}
}

// publish tells every enabled instance of the events; wanted says whether there is
// one. With grace it leaves out what happened longer than that before the instance
// was made or enabled.
func (s *Service) publish(ctx context.Context, tx store.Tx, p *domain.TriggerPoll, events []toolkit.RawEvent, grace time.Duration, told *tally) (wanted bool, err error) {
	served, err := tx.TriggersOfPoll(ctx, p.ProjectID, p.ID)
	if err != nil {
		return false, err
	}
	for i := range served {
		t := &served[i]
		if !t.Enabled() {
			continue
		}
		wanted = true
		for _, e := range events {
			if grace > 0 && e.OccurredAt.Before(t.UpdatedAt.Add(-grace)) {
				continue
			}
			kept, isNew, err := s.opts.Events.Publish(ctx, tx, domain.Event{
				ProjectID: t.ProjectID, Type: domain.EventTriggerMessage, Source: t.ID, Key: e.Key, UserID: t.UserID,
				Trigger: t.Trigger, AccountID: t.AccountID, AuthConfigID: t.AuthConfigID,
				Payload: fit(e.Payload), OccurredAt: e.OccurredAt,
			})
			if err != nil {
				return false, err
			}
			if isNew {
				*told = append(*told, kept.CreatedAt.Sub(kept.OccurredAt))
			}
		}
	}
	return wanted, nil
}

// release gives the claim back when the process stops.
func (r *round) release(ctx context.Context) error {
	cause := ctx.Err()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := r.s.opts.Store.InTx(ctx, func(tx store.Tx) error {
		p := *r.p
		p.NextAt, p.ClaimedUntil = r.s.now(), time.Time{}
		_, err := r.s.swap(ctx, tx, &p)
		return err
	})
	if err != nil {
		return errors.Join(cause, err)
	}
	return nil
}
