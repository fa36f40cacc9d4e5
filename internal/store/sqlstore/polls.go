package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
)

const pollColumns = `project_id, id, account_id, toolkit, trigger_slug, watch_hash, config, version, next_at, claimed_until,
	pause, failures, last_error, polled_at, created_at, state`

func pollNoun(id string) noun {
	return noun{name: "poll", id: id, owner: "account", clash: "the account has a poll that watches the same already"}
}

// CreatePoll implements store.Polls.
func (s *queries) CreatePoll(ctx context.Context, p domain.TriggerPoll) error {
	_, err := s.exec(ctx, pollNoun(p.ID),
		`INSERT INTO trigger_polls (`+pollColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.ProjectID, p.ID, p.AccountID, p.Toolkit, p.Trigger, p.WatchHash, string(p.Config), p.Version, micros(p.NextAt),
		micros(p.ClaimedUntil), p.Interval.Microseconds(), p.Failures, plain(p.LastError), micros(p.PolledAt),
		micros(p.CreatedAt), string(p.Cursor))
	return err
}

// Poll implements store.Polls.
func (s *queries) Poll(ctx context.Context, projectID, id string) (domain.TriggerPoll, error) {
	return one(ctx, s, pollNoun(id), scanPoll,
		`SELECT `+pollColumns+` FROM trigger_polls WHERE project_id = ? AND id = ?`, projectID, id)
}

// FindPoll implements store.Polls.
func (s *queries) FindPoll(ctx context.Context, projectID, accountID, trigger, watchHash string) (domain.TriggerPoll, error) {
	return one(ctx, s, pollNoun(""), scanPoll,
		`SELECT `+pollColumns+` FROM trigger_polls
		WHERE project_id = ? AND account_id = ? AND trigger_slug = ? AND watch_hash = ?`, projectID, accountID, trigger, watchHash)
}

// SwapPoll implements store.Polls. One statement decides.
func (s *queries) SwapPoll(ctx context.Context, projectID string, p domain.TriggerPoll) (bool, error) {
	touched, err := s.exec(ctx, pollNoun(p.ID),
		`UPDATE trigger_polls SET version = version + 1, next_at = ?, claimed_until = ?, pause = ?, failures = ?,
			last_error = ?, polled_at = ?, state = ? WHERE project_id = ? AND id = ? AND version = ?`,
		micros(p.NextAt), micros(p.ClaimedUntil), p.Interval.Microseconds(), p.Failures, plain(p.LastError),
		micros(p.PolledAt), string(p.Cursor), projectID, p.ID, p.Version)
	return touched == 1, err
}

// ClaimPoll implements store.Polls.
func (s *queries) ClaimPoll(ctx context.Context, key domain.PollKey, until time.Time) (bool, error) {
	touched, err := s.exec(ctx, pollNoun(key.ID),
		`UPDATE trigger_polls SET version = version + 1, claimed_until = ? WHERE project_id = ? AND id = ? AND version = ?`,
		micros(until), key.ProjectID, key.ID, key.Version)
	return touched == 1, err
}

// DropPoll implements store.Polls.
func (s *queries) DropPoll(ctx context.Context, projectID, id string) error {
	_, err := s.exec(ctx, pollNoun(id),
		`DELETE FROM trigger_polls WHERE project_id = ? AND id = ? AND NOT EXISTS
			(SELECT 1 FROM trigger_instances i WHERE i.project_id = trigger_polls.project_id AND i.poll_id = trigger_polls.id)`,
		projectID, id)
	return err
}

// LostPolls implements store.Polls.
func (s *queries) LostPolls(ctx context.Context, now, overdue time.Time, limit int) ([]domain.PollKey, error) {
	lost, err := list(ctx, s, pollNoun(""), scanPollKey,
		`SELECT project_id, id, version FROM trigger_polls WHERE claimed_until > 0 AND claimed_until <= ?
		ORDER BY claimed_until LIMIT ?`, micros(now), limit)
	if err != nil || len(lost) >= limit {
		return lost, err
	}
	late, err := list(ctx, s, pollNoun(""), scanPollKey,
		`SELECT project_id, id, version FROM trigger_polls WHERE next_at > 0 AND next_at <= ? AND claimed_until = 0
		ORDER BY next_at LIMIT ?`, micros(overdue), limit-len(lost))
	return append(lost, late...), err
}

func scanPollKey(r row) (k domain.PollKey, err error) {
	return k, r.Scan(&k.ProjectID, &k.ID, &k.Version)
}

func scanPoll(r row) (p domain.TriggerPoll, err error) {
	var config, cursor string
	var next, claimed, interval, polled, created int64
	err = r.Scan(&p.ProjectID, &p.ID, &p.AccountID, &p.Toolkit, &p.Trigger, &p.WatchHash, &config, &p.Version, &next, &claimed,
		&interval, &p.Failures, &p.LastError, &polled, &created, &cursor)
	p.Config, p.Interval = json.RawMessage(config), time.Duration(interval)*time.Microsecond
	if cursor != "" {
		p.Cursor = json.RawMessage(cursor)
	}
	p.NextAt, p.ClaimedUntil, p.PolledAt, p.CreatedAt = fromMicros(next), fromMicros(claimed), fromMicros(polled), fromMicros(created)
	return p, err
}
