package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/internal/domain"
)

const sessionColumns = `project_id, id, user_id, config, version, created_at, updated_at`

func sessionNoun(id string) noun { return noun{name: "session", id: id, owner: "project"} }

// CreateSession implements store.Sessions.
func (s *queries) CreateSession(ctx context.Context, se domain.Session) error {
	n := sessionNoun(se.ID)
	config, err := encode(se.Config)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	_, err = s.exec(ctx, n, `INSERT INTO sessions (`+sessionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		se.ProjectID, se.ID, se.UserID, config, se.Version, micros(se.CreatedAt), micros(se.UpdatedAt))
	return err
}

const sqlSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE project_id = ? AND id = ?`

// Session implements store.Sessions.
func (s *queries) Session(ctx context.Context, projectID, id string) (domain.Session, error) {
	return one(ctx, s, sessionNoun(id), scanSession, sqlSession, projectID, id)
}

// UpdateSession implements store.Sessions.
func (s *queries) UpdateSession(ctx context.Context, projectID string, se domain.Session) error {
	n := sessionNoun(se.ID)
	config, err := encode(se.Config)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	touched, err := s.exec(ctx, n,
		`UPDATE sessions SET config = ?, version = ?, updated_at = ? WHERE project_id = ? AND id = ? AND version = ?`,
		config, se.Version, micros(se.UpdatedAt), projectID, se.ID, se.Version-1)
	if err != nil || touched == 1 {
		return err
	}
	now, err := s.Session(ctx, projectID, se.ID)
	if err != nil {
		return err
	}
	return domain.Errorf(domain.CodeConflict, "the session was changed meanwhile: it is at version %d", now.Version).
		WithFix("Read the session again and repeat the change.")
}

// DeleteSession implements store.Sessions.
func (s *queries) DeleteSession(ctx context.Context, projectID, id string) error {
	return s.change(ctx, sessionNoun(id), `DELETE FROM sessions WHERE project_id = ? AND id = ?`, projectID, id)
}

func scanSession(r row) (s domain.Session, err error) {
	var config []byte
	var created, updated int64
	if err := r.Scan(&s.ProjectID, &s.ID, &s.UserID, &config, &s.Version, &created, &updated); err != nil {
		return s, err
	}
	s.CreatedAt, s.UpdatedAt = fromMicros(created), fromMicros(updated)
	return s, json.Unmarshal(config, &s.Config)
}
