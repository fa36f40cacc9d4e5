package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
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
	// What is about to be replaced is kept first: should the change lose, it is true
	// all the same, and it is not read while it is current.
	_, err = s.exec(ctx, n, `INSERT INTO session_versions (project_id, session_id, version, config, created_at)
		SELECT project_id, id, version, config, updated_at FROM sessions WHERE project_id = ? AND id = ? AND version = ?
		ON CONFLICT DO NOTHING`, projectID, se.ID, se.Version-1)
	if err != nil {
		return err
	}
	touched, err := s.exec(ctx, n,
		`UPDATE sessions SET config = ?, version = ?, updated_at = ? WHERE project_id = ? AND id = ? AND version = ?`,
		config, se.Version, micros(se.UpdatedAt), projectID, se.ID, se.Version-1)
	if err != nil {
		return err
	}
	if touched == 1 {
		_, err = s.exec(ctx, n, `DELETE FROM session_versions WHERE project_id = ? AND session_id = ? AND version <= ?`,
			projectID, se.ID, se.Version-keptVersions)
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

// keptVersions is how many configurations of a session are kept, the current one
// among them.
const keptVersions = 1000

// SessionVersions implements store.Sessions.
func (s *queries) SessionVersions(ctx context.Context, projectID, id string, page store.Page) ([]domain.SessionVersion, int, error) {
	se, err := s.Session(ctx, projectID, id)
	switch {
	case domain.CodeOf(err) == domain.CodeNotFound:
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	older, err := one(ctx, s, sessionNoun(id), scanInt,
		`SELECT count(*) FROM session_versions WHERE project_id = ? AND session_id = ? AND version < ?`, projectID, id, se.Version)
	if err != nil {
		return nil, 0, err
	}
	limit, offset := window(page)
	var items []domain.SessionVersion
	if offset == 0 {
		items = append(items, domain.SessionVersion{Version: se.Version, Config: se.Config, CreatedAt: se.UpdatedAt})
		limit--
	} else {
		offset--
	}
	if limit > 0 && older > 0 {
		rest, err := list(ctx, s, sessionNoun(id), scanSessionVersion, `SELECT version, config, created_at FROM session_versions
			WHERE project_id = ? AND session_id = ? AND version < ? ORDER BY version DESC LIMIT ? OFFSET ?`,
			projectID, id, se.Version, limit, offset)
		if err != nil {
			return nil, 0, err
		}
		items = append(items, rest...)
	}
	return items, older + 1, nil
}

func scanSessionVersion(r row) (v domain.SessionVersion, err error) {
	var config []byte
	var created int64
	if err := r.Scan(&v.Version, &config, &created); err != nil {
		return v, err
	}
	v.CreatedAt = fromMicros(created)
	return v, json.Unmarshal(config, &v.Config)
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
