package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const (
	executionColumns = `project_id, id, key_id, user_id, session_id, toolkit, tool, version, account_id, door, request_id,
		outcome, error_code, error, args_size, args_digest, result_size, upstream_calls, started_at, duration_us,
		auth_config_id, parent_id, parent_tool, upstream_id, upstream_status, sealed_args`
	sqlRecordExecution = `INSERT INTO executions (` + executionColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// RecordExecution implements store.Executions. What a tool or an agent made up
// is made storable rather than refused: the record must not fail.
func (s *queries) RecordExecution(ctx context.Context, e domain.Execution) error {
	_, err := s.exec(ctx, noun{name: "execution", id: e.ID, owner: "project"}, sqlRecordExecution,
		e.ProjectID, e.ID, e.KeyID, plain(e.UserID), plain(e.SessionID), plain(e.Toolkit), plain(e.Tool), plain(e.Version),
		plain(e.AccountID), e.Door, plain(e.RequestID), string(e.Outcome), string(e.ErrorCode), plain(e.Error), e.ArgsSize,
		e.ArgsDigest[:], e.ResultSize, e.UpstreamCalls, micros(e.StartedAt), e.Duration.Microseconds(),
		e.AuthConfigID, e.ParentID, plain(e.ParentTool), plain(e.UpstreamID), e.UpstreamStatus, e.SealedArgs)
	return err
}

// Execution implements store.Executions.
func (s *queries) Execution(ctx context.Context, projectID, id string) (domain.Execution, error) {
	return one(ctx, s, noun{name: "execution", id: id}, scanExecution,
		`SELECT `+executionColumns+` FROM executions WHERE project_id = ? AND id = ?`, projectID, id)
}

// ListExecutions implements store.Executions.
func (s *queries) ListExecutions(ctx context.Context, projectID string, ef store.ExecutionFilter, page store.Page) ([]domain.Execution, int, error) {
	f := newFilter(projectID)
	if f.is("session_id", ef.SessionID); ef.SessionID != "" {
		f.where.WriteString(" AND session_id <> ''") // says that the partial index will do
	}
	f.is("user_id", ef.UserID)
	f.is("tool", ef.Tool)
	f.is("outcome", ef.Outcome)
	return paged(ctx, s, noun{name: "execution"}, scanExecution, executionColumns, "executions", f,
		"started_at DESC, id DESC", page)
}

// ToolkitUse implements store.Executions.
func (s *queries) ToolkitUse(ctx context.Context, projectID string, since time.Time) (map[string]int, error) {
	type use struct {
		toolkit string
		calls   int
	}
	rows, err := list(ctx, s, noun{name: "execution"}, func(r row) (u use, err error) {
		return u, r.Scan(&u.toolkit, &u.calls)
	}, `SELECT toolkit, count(*) FROM (SELECT toolkit FROM executions WHERE project_id = ? AND started_at >= ?
		ORDER BY started_at DESC LIMIT 10000) AS recent GROUP BY toolkit`, projectID, micros(since))
	if err != nil {
		return nil, err
	}
	used := make(map[string]int, len(rows))
	for _, u := range rows {
		used[u.toolkit] = u.calls
	}
	return used, nil
}

func scanExecution(r row) (e domain.Execution, err error) {
	var digest []byte
	var started, took int64
	err = r.Scan(&e.ProjectID, &e.ID, &e.KeyID, &e.UserID, &e.SessionID, &e.Toolkit, &e.Tool, &e.Version, &e.AccountID,
		&e.Door, &e.RequestID, &e.Outcome, &e.ErrorCode, &e.Error, &e.ArgsSize, &digest, &e.ResultSize, &e.UpstreamCalls,
		&started, &took, &e.AuthConfigID, &e.ParentID, &e.ParentTool, &e.UpstreamID, &e.UpstreamStatus, &e.SealedArgs)
	if err != nil {
		return e, err
	}
	e.StartedAt, e.Duration = fromMicros(started), time.Duration(took)*time.Microsecond
	e.ArgsDigest, err = toHash(digest)
	return e, err
}

// hotReads and hotWrites are the statements of every tool call; they are
// prepared once.
func hotReads() []string {
	return []string{sqlAPIKeyByHash, sqlSession, sqlActiveAccounts, sqlSecrets}
}

func hotWrites() []string { return []string{sqlRecordExecution} }
