package trigger

import (
	"context"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Logs gives the events of the project's triggers with what became of them, newest
// first.
func (s *Service) Logs(ctx context.Context, projectID string, f store.TriggerLogFilter, limit int) ([]store.TriggerLog, error) {
	return s.opts.Store.ListTriggerLogs(ctx, projectID, f, limit)
}

// Log gives one event of a trigger with what became of it.
func (s *Service) Log(ctx context.Context, projectID, id string) (store.TriggerLog, error) {
	found, err := s.opts.Store.ListTriggerLogs(ctx, projectID, store.TriggerLogFilter{
		Match: []store.LogMatch{{Field: store.LogID, Value: id}},
	}, 1)
	if err != nil {
		return store.TriggerLog{}, err
	}
	if len(found) == 0 {
		return store.TriggerLog{}, domain.Errorf(domain.CodeNotFound, "there is no event %q of a trigger", id)
	}
	return found[0], nil
}
