package event

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// PlaceEvery is how often Place is to be done for all projects: a stream that
// opens finds few events without a place.
const PlaceEvery = time.Minute

const (
	placeBatch    = 500
	placeProjects = 1000
)

// Place gives events of the named projects, or of all, their places in streams.
// Processes may do so at once.
func (s *Service) Place(ctx context.Context, projectIDs ...string) error {
	unplaced, err := s.opts.Store.UnplacedEvents(ctx, placeProjects)
	if err != nil {
		return err
	}
	for _, id := range unplaced {
		if len(projectIDs) > 0 && !slices.Contains(projectIDs, id) {
			continue
		}
		if err := s.place(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) place(ctx context.Context, projectID string) error {
	for {
		n := 0
		err := s.opts.Store.InTx(ctx, func(tx store.Tx) (err error) {
			n, err = tx.PlaceEvents(ctx, projectID, placeBatch)
			return err
		})
		if err != nil || n < placeBatch {
			return err
		}
	}
}

// Heads gives the last place of each project; one without events has none.
func (s *Service) Heads(ctx context.Context, projectIDs []string) (map[string]int64, error) {
	return s.opts.Store.EventHeads(ctx, projectIDs)
}

// After gives events of the project whose place is behind after and not behind
// upto, in their order.
func (s *Service) After(ctx context.Context, projectID string, f store.FeedFilter, after, upto int64, limit int) ([]domain.Event, error) {
	return s.opts.Store.EventsAfter(ctx, projectID, f, after, upto, limit)
}

// Stream is a request for a project's events while they happen.
type Stream struct {
	Principal domain.Principal
	Filter    store.FeedFilter
	// After is where to begin: the place of the event that was read last, "0" for
	// the oldest that is kept, empty for what happens from now on.
	After string
	// Once ends the stream when everything that is there now was told.
	Once bool
	// Write gives what is told of an event, as one line.
	Write func(e *domain.Event) ([]byte, error)
}
