package trigger

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// slow are events of a database that takes its time for each, and meanwhile looks for
// polls whose process seems dead.
type slow struct {
	Events
	w     *world
	each  time.Duration
	rival *Service
	kept  int
}

func (s *slow) Publish(ctx context.Context, tx store.Tx, e domain.Event) (domain.Event, bool, error) {
	s.w.pass(s.each)
	if s.kept++; s.kept%40 == 0 {
		// It may have to wait for the transaction that this is a part of.
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_ = s.rival.RecoverLost(ctx)
	}
	return s.Events.Publish(ctx, tx, e)
}

// TestSlowKeepingIsNotTakenOver has a poll find so much that keeping it takes longer
// than its claim was to last: it is ended by the process that began it, once.
func TestSlowKeepingIsNotTakenOver(t *testing.T) {
	for name, each := range map[string]time.Duration{
		"portions that prolong the claim":     400 * time.Millisecond,
		"a portion that takes longer than it": time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				const pages = 320
				i, _, err := w.svc.Upsert(t.Context(), Asked{
					ProjectID: project, Trigger: "CONFLUENCE_NEW_CQL_CONTENT_MATCH_TRIGGER", UserID: "user_1", Config: json.RawMessage(`{"cql":"type = page"}`),
				})
				ok(t, err)
				for range pages {
					w.page("MKT")
				}
				w.pass(time.Hour)
				p := w.pollOf(i)
				o := w.opts
				o.Events = &slow{Events: w.opts.Events, w: w, each: each, rival: w.svc}
				s := New(o)
				s.Use(w)
				ok(t, s.run(t.Context(), pollArgs{ProjectID: p.ProjectID, ID: p.ID, Version: p.Version}))
				if p := w.pollOf(i); !p.ClaimedUntil.IsZero() || p.NextAt.IsZero() || p.Failures > 0 {
					t.Errorf("the poll is %+v", p)
				}
				_, total, err := w.db.ListEvents(t.Context(), project, store.EventFilter{Types: []domain.EventType{domain.EventTriggerMessage}, Source: i.ID}, store.Page{Limit: 1})
				ok(t, err)
				if total != pages {
					t.Errorf("%d events are kept, want %d", total, pages)
				}
				// A large search is read again, for what moved in it meanwhile.
				if diff := cmp.Diff([]string{"done", "done"}, w.outcomes()); diff != "" {
					t.Errorf("how rounds ended (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// outcomes are how polls ended so far.
func (w *world) outcomes() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.polled {
		all = append(all, p.Outcome)
	}
	return all
}
