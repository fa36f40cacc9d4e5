package event

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/jobs"
	"github.com/sluice-run/sluice/internal/store"
)

// JobQueue is the queue that deliveries wait in, apart from everything else.
const JobQueue = "deliveries"

type deliverArgs struct {
	ProjectID  string `json:"project"`
	WebhookID  string `json:"webhook"`
	DeliveryID string `json:"delivery"`
	Probe      bool   `json:"probe,omitempty"` // also of a subscription that is paused
}

type wakeArgs struct {
	ProjectID string `json:"project"`
	WebhookID string `json:"webhook"`
}

// The kinds of jobs. Their tries are of what fails here, such as the database: an
// attempt that fails puts its job off.
var (
	deliverKind = jobs.Kind[deliverArgs]{Name: "deliver_event", Queue: JobQueue, Timeout: time.Minute, Tries: 25}
	wakeKind    = jobs.Kind[wakeArgs]{Name: "wake_deliveries", Timeout: 5 * time.Minute, Tries: 25}
	replayKind  = jobs.Kind[replayArgs]{Name: "replay_events", Timeout: 5 * time.Minute, Tries: 25}
)

// Works is what the service has jobs do.
func (s *Service) Works() []jobs.Work {
	return []jobs.Work{deliverKind.Work(s.deliver), wakeKind.Work(s.wake), replayKind.Work(s.replay)}
}

func (s *Service) enqueue(ctx context.Context, tx store.Tx, j jobs.Job) error {
	if s.queue == nil {
		return domain.Internal("enqueuing a delivery", errors.New("event: the service has no queue"))
	}
	return s.queue.Enqueue(ctx, tx, j)
}

// deliverJob gives the job of a delivery. Woken twice it has two: the second finds
// nothing to do.
func deliverJob(d *domain.Delivery, probe bool) jobs.Job {
	return deliverKind.Job(deliverArgs{ProjectID: d.ProjectID, WebhookID: d.WebhookID, DeliveryID: d.ID, Probe: probe})
}

// send has the event delivered to the subscription: for the first time, or again
// from now on. Asked again for the same time it does nothing.
func (s *Service) send(ctx context.Context, tx store.Tx, w *domain.Webhook, e *domain.Event, at time.Time) error {
	d := domain.Delivery{
		ID: domain.NewID(domain.PrefixDelivery), ProjectID: e.ProjectID, EventID: e.ID, EventType: e.Type, WebhookID: w.ID,
		State: domain.DeliveryWaiting, NextAt: at, EventAt: e.CreatedAt, BeganAt: at,
	}
	if w.State != domain.WebhookActive {
		d.State = domain.DeliveryParked
	}
	added, err := tx.AddDelivery(ctx, d)
	if err != nil {
		return err
	}
	if !added {
		there, _, err := tx.ListDeliveries(ctx, e.ProjectID, store.DeliveryFilter{WebhookID: w.ID, EventID: e.ID}, store.Page{Limit: 1})
		if err != nil || len(there) == 0 || !there[0].BeganAt.Before(at) {
			return err
		}
		again := there[0]
		again.State, again.NextAt, again.BeganAt, again.EndedAt = d.State, at, at, time.Time{}
		again.Replays++
		if err := tx.UpdateDelivery(ctx, e.ProjectID, again); err != nil {
			return err
		}
		d = again
	}
	if d.State != domain.DeliveryWaiting {
		return nil
	}
	return s.enqueue(ctx, tx, deliverJob(&d, false))
}

// resume has a subscription delivered to again, and wakes what was parked.
func (s *Service) resume(ctx context.Context, tx store.Tx, w *domain.Webhook) error {
	w.State, w.Reason = domain.WebhookActive, ""
	w.Failures, w.FailingSince, w.ProbeAt = 0, time.Time{}, time.Time{}
	if err := tx.UpdateWebhook(ctx, w.ProjectID, *w); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, wakeKind.Job(wakeArgs{ProjectID: w.ProjectID, WebhookID: w.ID}))
}

// wakeBatch bounds the rows of one transaction, so that others can write in between.
const wakeBatch = 200

// wake is the job that gives parked deliveries their jobs back: all of them, or the
// first where they go one after the other.
func (s *Service) wake(ctx context.Context, a wakeArgs) error {
	for {
		n := 0
		err := s.opts.Store.InTx(ctx, func(tx store.Tx) error {
			n = 0
			w, err := tx.Webhook(ctx, a.ProjectID, a.WebhookID)
			if domain.CodeOf(err) == domain.CodeNotFound {
				return nil
			}
			if err != nil || w.State != domain.WebhookActive {
				return err
			}
			if w.Ordered {
				return s.wakeFirst(ctx, tx, &w)
			}
			parked, err := tx.ParkedDeliveries(ctx, a.ProjectID, a.WebhookID, wakeBatch)
			if err != nil {
				return err
			}
			n = len(parked)
			for i := range parked {
				if err := s.wakeOne(ctx, tx, &parked[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < wakeBatch {
			return err
		}
	}
}

// wakeFirst gives the oldest open delivery a job if it has none.
func (s *Service) wakeFirst(ctx context.Context, tx store.Tx, w *domain.Webhook) error {
	open, err := tx.OpenDeliveries(ctx, w.ProjectID, w.ID, 1)
	if err != nil || len(open) == 0 || open[0].State != domain.DeliveryParked {
		return err
	}
	return s.wakeOne(ctx, tx, &open[0])
}

func (s *Service) wakeOne(ctx context.Context, tx store.Tx, d *domain.Delivery) error {
	d.State, d.NextAt = domain.DeliveryWaiting, s.now()
	if err := tx.UpdateDelivery(ctx, d.ProjectID, *d); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, deliverJob(d, false))
}

// pause gives the time from a failed attempt to the next: 5 s, 10 s, 20 s … up to
// 2 h, give or take a fifth, so that those who failed together do not return
// together.
func pause(attempt int) time.Duration {
	p := min(5*time.Second<<min(max(attempt-1, 0), 16), 2*time.Hour)
	return p - p/5 + rand.N(2*p/5)
}

// slots bounds what goes on at a time for each name.
type slots struct {
	most  int
	mu    sync.Mutex
	taken map[string]int
}

func (l *slots) take(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[name] >= l.most {
		return false
	}
	l.taken[name]++
	return true
}

func (l *slots) give(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[name]--; l.taken[name] <= 0 {
		delete(l.taken, name)
	}
}

// crowded is how long a job is put off that finds no slot.
func crowded() time.Duration { return 500*time.Millisecond + rand.N(time.Second) }
