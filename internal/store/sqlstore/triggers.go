package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

const triggerColumns = `project_id, id, user_id, account_id, auth_config_id, toolkit, trigger_slug, config, config_hash, poll_id,
	state, cause, reason, created_at, updated_at, disabled_at`

func triggerNoun(id string) noun {
	return noun{
		name: "trigger instance", id: id, owner: "account",
		clash: "the account has a trigger of this type with the same configuration already",
	}
}

// CreateTrigger implements store.Triggers.
func (s *queries) CreateTrigger(ctx context.Context, t domain.TriggerInstance) error {
	_, err := s.exec(ctx, triggerNoun(t.ID),
		`INSERT INTO trigger_instances (`+triggerColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.ProjectID, t.ID, t.UserID, t.AccountID, t.AuthConfigID, t.Toolkit, t.Trigger, string(t.Config), t.ConfigHash, t.PollID,
		string(t.State), string(t.Cause), plain(t.Reason), micros(t.CreatedAt), micros(t.UpdatedAt), micros(t.DisabledAt))
	return err
}

// Trigger implements store.Triggers.
func (s *queries) Trigger(ctx context.Context, projectID, id string) (domain.TriggerInstance, error) {
	return one(ctx, s, triggerNoun(id), scanTrigger,
		`SELECT `+triggerColumns+` FROM trigger_instances WHERE project_id = ? AND id = ?`, projectID, id)
}

// FindTrigger implements store.Triggers.
func (s *queries) FindTrigger(ctx context.Context, projectID, accountID, trigger, configHash string) (domain.TriggerInstance, error) {
	return one(ctx, s, triggerNoun(""), scanTrigger,
		`SELECT `+triggerColumns+` FROM trigger_instances
		WHERE project_id = ? AND account_id = ? AND trigger_slug = ? AND config_hash = ?`, projectID, accountID, trigger, configHash)
}

// ListTriggers implements store.Triggers.
func (s *queries) ListTriggers(ctx context.Context, projectID string, tf store.TriggerFilter, page store.Page) ([]domain.TriggerInstance, int, error) {
	f := newFilter(projectID)
	in(f, "id", tf.IDs)
	in(f, "user_id", tf.UserIDs)
	in(f, "account_id", tf.AccountIDs)
	in(f, "auth_config_id", tf.AuthConfigIDs)
	in(f, "trigger_slug", tf.Triggers)
	in(f, "state", tf.States)
	return paged(ctx, s, triggerNoun(""), scanTrigger, triggerColumns, "trigger_instances", f, "created_at DESC, id DESC", page)
}

// UpdateTrigger implements store.Triggers.
func (s *queries) UpdateTrigger(ctx context.Context, projectID string, t domain.TriggerInstance) error {
	return s.change(ctx, triggerNoun(t.ID),
		`UPDATE trigger_instances SET state = ?, cause = ?, reason = ?, updated_at = ?, disabled_at = ?
		WHERE project_id = ? AND id = ?`,
		string(t.State), string(t.Cause), plain(t.Reason), micros(t.UpdatedAt), micros(t.DisabledAt), projectID, t.ID)
}

// DeleteTrigger implements store.Triggers.
func (s *queries) DeleteTrigger(ctx context.Context, projectID, id string) error {
	return s.change(ctx, triggerNoun(id), `DELETE FROM trigger_instances WHERE project_id = ? AND id = ?`, projectID, id)
}

// The plus keeps SQLite from walking over all of the project's instances in the order
// of their age.
const sqlTriggersOfPoll = `SELECT ` + triggerColumns + ` FROM trigger_instances WHERE project_id = ? AND poll_id = ? ORDER BY +created_at, id`

// TriggersOfPoll implements store.Triggers.
func (s *queries) TriggersOfPoll(ctx context.Context, projectID, pollID string) ([]domain.TriggerInstance, error) {
	return list(ctx, s, triggerNoun(""), scanTrigger,
		sqlTriggersOfPoll,
		projectID, pollID)
}

// RecoveredTriggers implements store.Triggers.
func (s *queries) RecoveredTriggers(ctx context.Context, limit int) ([]domain.TriggerInstance, error) {
	return list(ctx, s, triggerNoun(""), scanTrigger,
		`SELECT `+triggerColumns+` FROM trigger_instances WHERE cause = 'account'
			AND EXISTS (SELECT 1 FROM accounts a JOIN auth_configs c ON c.project_id = a.project_id AND c.id = a.auth_config_id
				WHERE a.project_id = trigger_instances.project_id AND a.id = trigger_instances.account_id
				AND a.status = ? AND a.disabled = 0 AND c.disabled = 0)
		ORDER BY disabled_at LIMIT ?`, string(domain.AccountActive), limit)
}

func scanTrigger(r row) (t domain.TriggerInstance, err error) {
	var config string
	var created, updated, disabled int64
	err = r.Scan(&t.ProjectID, &t.ID, &t.UserID, &t.AccountID, &t.AuthConfigID, &t.Toolkit, &t.Trigger, &config, &t.ConfigHash,
		&t.PollID, &t.State, &t.Cause, &t.Reason, &created, &updated, &disabled)
	t.Config, t.CreatedAt, t.UpdatedAt = json.RawMessage(config), fromMicros(created), fromMicros(updated)
	t.DisabledAt = fromMicros(disabled)
	return t, err
}
