package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const flowColumns = `state_hash, project_id, account_id, link_hash, browser_hash, verifier, redirect_uri, created_at, expires_at, used_at`

var flowNoun = noun{name: "OAuth flow", owner: "connected account"}

// CreateFlow implements store.Flows.
func (s *queries) CreateFlow(ctx context.Context, f domain.OAuthFlow) error {
	verifier := f.Verifier
	if verifier == nil {
		verifier = []byte{}
	}
	_, err := s.exec(ctx, flowNoun, `INSERT INTO oauth_flows (`+flowColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.StateHash[:], f.ProjectID, f.AccountID, f.LinkHash[:], f.BrowserHash[:], verifier, f.RedirectURI,
		micros(f.CreatedAt), micros(f.ExpiresAt), micros(f.UsedAt))
	return err
}

// FlowByState implements store.Flows.
func (s *queries) FlowByState(ctx context.Context, stateHash [32]byte) (domain.OAuthFlow, error) {
	return one(ctx, s, flowNoun, scanFlow, `SELECT `+flowColumns+` FROM oauth_flows WHERE state_hash = ?`, stateHash[:])
}

// UseFlow implements store.Flows. One statement checks and marks.
func (s *queries) UseFlow(ctx context.Context, projectID string, stateHash [32]byte, at time.Time) (bool, error) {
	if micros(at) <= 0 {
		return false, domain.Invalid("at", "the time of use is missing")
	}
	touched, err := s.exec(ctx, flowNoun,
		`UPDATE oauth_flows SET used_at = ? WHERE state_hash = ? AND project_id = ? AND used_at = 0 AND expires_at > ?`,
		micros(at), stateHash[:], projectID, micros(at))
	return touched == 1, err
}

func scanFlow(r row) (f domain.OAuthFlow, err error) {
	var state, link, browser []byte
	var created, expires, used int64
	err = r.Scan(&state, &f.ProjectID, &f.AccountID, &link, &browser, &f.Verifier, &f.RedirectURI, &created, &expires, &used)
	if err != nil {
		return f, err
	}
	f.CreatedAt, f.ExpiresAt, f.UsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
	if len(f.Verifier) == 0 {
		f.Verifier = nil
	}
	for _, h := range []struct {
		to   *[32]byte
		from []byte
	}{{&f.StateHash, state}, {&f.LinkHash, link}, {&f.BrowserHash, browser}} {
		if *h.to, err = toHash(h.from); err != nil {
			return f, err
		}
	}
	return f, nil
}
