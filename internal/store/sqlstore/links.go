package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const linkColumns = `token_hash, project_id, account_id, callback_url, created_at, expires_at, used_at, browser_hash`

var linkNoun = noun{name: "connect link", owner: "connected account"}

// CreateLink implements store.Links.
func (s *queries) CreateLink(ctx context.Context, l domain.ConnectLink) error {
	_, err := s.exec(ctx, linkNoun, `INSERT INTO links (`+linkColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		l.TokenHash[:], l.ProjectID, l.AccountID, l.CallbackURL, micros(l.CreatedAt), micros(l.ExpiresAt), micros(l.UsedAt), browserOf(l))
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

// VoidLinks implements store.Links.
func (s *queries) VoidLinks(ctx context.Context, projectID, accountID string, at time.Time) (int, error) {
	if micros(at) <= 0 {
		return 0, domain.Invalid("at", "the time of use is missing")
	}
	n, err := s.exec(ctx, linkNoun,
		`UPDATE links SET used_at = ? WHERE project_id = ? AND account_id = ? AND used_at = 0`, micros(at), projectID, accountID)
	return int(n), err
}

// browserOf gives NULL for a link that is nobody's yet.
func browserOf(l domain.ConnectLink) any {
	if l.BrowserHash == [32]byte{} {
		return nil
	}
	return l.BrowserHash[:]
}

// BindLink implements store.Links. One statement checks and marks.
func (s *queries) BindLink(ctx context.Context, projectID string, hash, browserHash [32]byte) (bool, error) {
	if browserHash == [32]byte{} {
		return false, domain.Invalid("browser_hash", "the browser is missing")
	}
	touched, err := s.exec(ctx, linkNoun,
		`UPDATE links SET browser_hash = ? WHERE token_hash = ? AND project_id = ? AND (browser_hash IS NULL OR browser_hash = ?)`,
		browserHash[:], hash[:], projectID, browserHash[:])
	return touched == 1, err
}

func scanLink(r row) (l domain.ConnectLink, err error) {
	var hash, browser []byte
	var created, expires, used int64
	if err := r.Scan(&hash, &l.ProjectID, &l.AccountID, &l.CallbackURL, &created, &expires, &used, &browser); err != nil {
		return l, err
	}
	l.CreatedAt, l.ExpiresAt, l.UsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
	if l.TokenHash, err = toHash(hash); err == nil && len(browser) > 0 {
		l.BrowserHash, err = toHash(browser)
	}
	return l, err
}
