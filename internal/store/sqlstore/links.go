package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const linkColumns = `token_hash, project_id, account_id, callback_url, created_at, expires_at, used_at`

var linkNoun = noun{name: "connect link", owner: "connected account"}

// CreateLink implements store.Links.
func (s *queries) CreateLink(ctx context.Context, l domain.ConnectLink) error {
	_, err := s.exec(ctx, linkNoun, `INSERT INTO links (`+linkColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		l.TokenHash[:], l.ProjectID, l.AccountID, l.CallbackURL, micros(l.CreatedAt), micros(l.ExpiresAt), micros(l.UsedAt))
	return err
}

// LinkByHash implements store.Links.
func (s *queries) LinkByHash(ctx context.Context, hash [32]byte) (domain.ConnectLink, error) {
	return one(ctx, s, linkNoun, scanLink, `SELECT `+linkColumns+` FROM links WHERE token_hash = ?`, hash[:])
}

// UseLink implements store.Links. One statement checks and marks, so of many
// uses at once exactly one is told true.
func (s *queries) UseLink(ctx context.Context, projectID string, hash [32]byte, at time.Time) (bool, error) {
	if micros(at) <= 0 {
		return false, domain.Invalid("at", "the time of use is missing")
	}
	touched, err := s.exec(ctx, linkNoun,
		`UPDATE links SET used_at = ? WHERE token_hash = ? AND project_id = ? AND used_at = 0 AND expires_at > ?`,
		micros(at), hash[:], projectID, micros(at))
	return touched == 1, err
}

func scanLink(r row) (l domain.ConnectLink, err error) {
	var hash []byte
	var created, expires, used int64
	if err := r.Scan(&hash, &l.ProjectID, &l.AccountID, &l.CallbackURL, &created, &expires, &used); err != nil {
		return l, err
	}
	l.CreatedAt, l.ExpiresAt, l.UsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
	l.TokenHash, err = toHash(hash)
	return l, err
}
