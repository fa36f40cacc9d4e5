package execute

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Arguments gives what was kept of the call's arguments, a JSON object; nil when
// nothing was, or when what was kept cannot be opened any more, which unreadable
// says: it was sealed with a key that has been retired since.
func (s *Service) Arguments(ctx context.Context, e *domain.Execution) (args json.RawMessage, unreadable bool) {
	if e.SealedArgs == "" {
		return nil, false
	}
	if s.opts.Sealer == nil {
		return nil, true
	}
	plain, err := s.opts.Sealer.OpenState(ctx, argsAAD(e), e.SealedArgs)
	if err != nil || !json.Valid(plain) {
		s.opts.Logger.WarnContext(ctx, "the arguments of a call cannot be read", "log_id", e.ID, "error", err)
		return nil, true
	}
	return plain, false
}

// Log gives the record of one call.
func (s *Service) Log(ctx context.Context, projectID, id string) (domain.Execution, error) {
	return s.opts.Store.Execution(ctx, projectID, id)
}

// Logs gives up to limit records that fit q, in its order.
func (s *Service) Logs(ctx context.Context, projectID string, q store.ExecutionQuery, limit int) ([]domain.Execution, error) {
	return s.opts.Store.SearchExecutions(ctx, projectID, q, limit)
}

// ran are the outcomes of calls that got to their tool.
var ran = []domain.Outcome{domain.OutcomeOK, domain.OutcomeFailed, domain.OutcomeCanceled, domain.OutcomeAsked}

// ToolUsage counts calls that got to their tool, as far back as records are kept.
func (s *Service) ToolUsage(ctx context.Context, projectID string, u store.UsageQuery) (store.Usage, error) {
	u.Outcomes = ran
	return s.opts.Store.CountExecutions(ctx, projectID, u)
}

// SessionUsage counts sessions that were made, and not deleted since.
func (s *Service) SessionUsage(ctx context.Context, projectID string, u store.UsageQuery) (store.Usage, error) {
	return s.opts.Store.CountSessions(ctx, projectID, u)
}
