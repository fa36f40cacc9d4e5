package sqlstore

import (
	"context"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const (
	accountColumns = `project_id, id, user_id, toolkit, auth_config_id, scheme, origin, word_id, alias, status,
		status_reason, disabled, fields, identity, scopes, expires_at, refresh_at, refreshed_at, failures, generation,
		created_at, updated_at`
	// filterMax bounds the values of a filter, well under what a statement may have.
	filterMax = 1000
)

func accountNoun(id string) noun {
	return noun{
		name: "connected account", id: id, owner: "auth config",
		clash: "the user already has a connected account with this id, word id or alias",
	}
}

// CreateAccount implements store.Accounts.
func (s *queries) CreateAccount(ctx context.Context, a domain.ConnectedAccount) error {
	n := accountNoun(a.ID)
	fields, identity, err := accountJSON(a)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	scopes, err := encodeList(a.Scopes)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	_, err = s.exec(ctx, n,
		`INSERT INTO accounts (`+accountColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ProjectID, a.ID, a.UserID, a.Toolkit, a.AuthConfigID, string(a.Scheme), string(a.Origin), a.WordID, a.Alias,
		string(a.Status), a.StatusReason, flag(a.Disabled), fields, identity, scopes, micros(a.ExpiresAt), micros(a.RefreshAt),
		micros(a.RefreshedAt), a.Failures, a.Generation, micros(a.CreatedAt), micros(a.UpdatedAt))
	return err
}

// Account implements store.Accounts.
func (s *queries) Account(ctx context.Context, projectID, id string) (domain.ConnectedAccount, error) {
	return one(ctx, s, accountNoun(id), scanAccount,
		`SELECT `+accountColumns+` FROM accounts WHERE project_id = ? AND id = ?`, projectID, id)
}

// UpdateAccount implements store.Accounts.
func (s *queries) UpdateAccount(ctx context.Context, projectID string, a domain.ConnectedAccount) error {
	n := accountNoun(a.ID)
	fields, identity, err := accountJSON(a)
	if err != nil {
		return s.fail(ctx, err, n)
	}
	return s.change(ctx, n,
		`UPDATE accounts SET alias = ?, status = ?, status_reason = ?, disabled = ?, fields = ?, identity = ?, updated_at = ?
		WHERE project_id = ? AND id = ?`,
		a.Alias, string(a.Status), a.StatusReason, flag(a.Disabled), fields, identity, micros(a.UpdatedAt), projectID, a.ID)
}

// ListAccounts implements store.Accounts. The total does not depend on the page.
func (s *queries) ListAccounts(ctx context.Context, projectID string, af store.AccountFilter, page store.Page) ([]domain.ConnectedAccount, int, error) {
	if n := len(af.IDs) + len(af.UserIDs) + len(af.Toolkits) + len(af.AuthConfigIDs) + len(af.Statuses); n > filterMax {
		return nil, 0, domain.Errorf(domain.CodeInvalid, "a filter takes at most %d values in all, got %d", filterMax, n)
	}
	f := newFilter(projectID)
	in(f, "id", af.IDs)
	in(f, "user_id", af.UserIDs)
	in(f, "toolkit", af.Toolkits)
	in(f, "auth_config_id", af.AuthConfigIDs)
	in(f, "status", af.Statuses)
	column, way := "created_at", " DESC"
	if af.OrderByUpdated {
		column = "updated_at"
	}
	if af.Ascending {
		way = ""
	}
	return paged(ctx, s, accountNoun(""), scanAccount, accountColumns, "accounts", f, column+way+", id"+way, page)
}

// The limit is part of the text: with a bound limit SQLite plans the statement
// anew each time, which more than doubles its cost.
const sqlActiveAccounts = `SELECT ` + accountColumns + ` FROM accounts
	WHERE project_id = ? AND user_id = ? AND toolkit = ? AND status = 'ACTIVE' AND disabled = 0
	ORDER BY created_at DESC, id DESC LIMIT 50`

// ActiveAccounts implements store.Accounts.
func (s *queries) ActiveAccounts(ctx context.Context, projectID, userID, toolkit string) ([]domain.ConnectedAccount, error) {
	return list(ctx, s, accountNoun(""), scanAccount, sqlActiveAccounts, projectID, userID, toolkit)
}

// SwapGrant implements store.Accounts. One statement compares and swaps.
func (s *queries) SwapGrant(ctx context.Context, projectID string, a domain.ConnectedAccount) (bool, error) {
	n := accountNoun(a.ID)
	scopes, err := encodeList(a.Scopes)
	if err != nil {
		return false, s.fail(ctx, err, n)
	}
	touched, err := s.exec(ctx, n,
		`UPDATE accounts SET status = ?, status_reason = ?, scopes = ?, expires_at = ?, refresh_at = ?, refreshed_at = ?,
			failures = ?, generation = generation + 1, updated_at = ?
		WHERE project_id = ? AND id = ? AND generation = ?`,
		string(a.Status), a.StatusReason, scopes, micros(a.ExpiresAt), micros(a.RefreshAt), micros(a.RefreshedAt),
		a.Failures, micros(a.UpdatedAt), projectID, a.ID, a.Generation)
	return touched == 1, err
}

// DueAccounts implements store.Accounts.
func (s *queries) DueAccounts(ctx context.Context, now time.Time, limit int) ([]domain.ConnectedAccount, error) {
	limit, _ = window(store.Page{Limit: limit})
	return list(ctx, s, accountNoun(""), scanAccount,
		`SELECT `+accountColumns+` FROM accounts
		WHERE refresh_at > 0 AND refresh_at <= ? AND status = 'ACTIVE' AND disabled = 0
		ORDER BY refresh_at, project_id, id LIMIT ?`, micros(now), limit)
}

// DeleteAccount implements store.Accounts; secrets and links go by cascade.
func (s *queries) DeleteAccount(ctx context.Context, projectID, id string) error {
	return s.change(ctx, accountNoun(id), `DELETE FROM accounts WHERE project_id = ? AND id = ?`, projectID, id)
}

func accountJSON(a domain.ConnectedAccount) (fields, identity string, err error) {
	if fields, err = encodeMap(a.Fields); err != nil {
		return "", "", err
	}
	identity, err = encodeMap(a.Identity)
	return fields, identity, err
}

func scanAccount(r row) (a domain.ConnectedAccount, err error) {
	var fields, identity, scopes string
	var disabled int
	var created, updated, expires, refresh, refreshed int64
	err = r.Scan(&a.ProjectID, &a.ID, &a.UserID, &a.Toolkit, &a.AuthConfigID, &a.Scheme, &a.Origin, &a.WordID, &a.Alias,
		&a.Status, &a.StatusReason, &disabled, &fields, &identity, &scopes, &expires, &refresh, &refreshed, &a.Failures,
		&a.Generation, &created, &updated)
	if err != nil {
		return a, err
	}
	a.Disabled = disabled != 0
	a.CreatedAt, a.UpdatedAt = fromMicros(created), fromMicros(updated)
	a.ExpiresAt, a.RefreshAt, a.RefreshedAt = fromMicros(expires), fromMicros(refresh), fromMicros(refreshed)
	if a.Scopes, err = decodeList(scopes); err != nil {
		return a, err
	}
	if a.Fields, err = decodeMap(fields); err != nil {
		return a, err
	}
	a.Identity, err = decodeMap(identity)
	return a, err
}
