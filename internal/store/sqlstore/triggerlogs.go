package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// logFields are what can be searched, so that no other text gets into a statement.
var logFields = []store.LogField{
	store.LogID, store.LogTriggerID, store.LogTrigger, store.LogAccount, store.LogAuthConfig, store.LogUser,
}

// like gives the pattern of what has the text somewhere in it.
func like(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

// ListTriggerLogs implements store.TriggerLogs.
func (s *queries) ListTriggerLogs(ctx context.Context, projectID string, f store.TriggerLogFilter, limit int) ([]store.TriggerLog, error) {
	limit, _ = window(store.Page{Limit: limit})
	var where strings.Builder
	args := []any{projectID, string(domain.EventTriggerMessage)}
	add := func(text string, more ...any) {
		where.WriteString(" AND " + text)
		args = append(args, more...)
	}
	if !f.From.IsZero() {
		add("e.created_at >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		add("e.created_at < ?", micros(f.To))
	}
	if f.BeforeID != "" {
		add("(e.created_at, e.id) < (?, ?)", micros(f.BeforeAt), f.BeforeID)
	}
	switch f.Status {
	case store.LogSuccess:
		add("(d.id IS NULL OR d.state = 'delivered')")
	case store.LogError:
		add("(d.state = 'dead' OR d.state IN ('waiting', 'parked') AND d.last_error <> '')")
	}
	for _, m := range f.Match {
		if !slices.Contains(logFields, m.Field) {
			return nil, domain.Internal("listing trigger logs", errors.New("sqlstore: no field of a trigger log: "+string(m.Field)))
		}
		text, value := "LOWER(e."+string(m.Field)+") = LOWER(?)", m.Value
		if m.Part {
			text, value = "LOWER(e."+string(m.Field)+`) LIKE LOWER(?) ESCAPE '\'`, like(m.Value)
		}
		if m.Not {
			text = "NOT " + text
		}
		add(text, value)
	}
	if f.Search != "" {
		var fields []string
		for _, field := range logFields {
			fields = append(fields, "LOWER(e."+string(field)+`) LIKE LOWER(?) ESCAPE '\'`)
			args = append(args, like(f.Search))
		}
		where.WriteString(" AND (" + strings.Join(fields, " OR ") + ")")
	}
	return list(ctx, s, noun{name: "trigger log"}, scanTriggerLog,
		`SELECT e.project_id, e.id, e.type, e.source, e.dedupe_key, e.user_id, e.trigger_slug, e.account_id, e.auth_config_id,
			e.payload, e.occurred_at, e.created_at, e.seq, COALESCE(d.id, ''), COALESCE(d.webhook_id, ''), COALESCE(d.state, ''),
			COALESCE(d.attempts, 0), COALESCE(d.ended_at, 0), COALESCE(d.last_status, 0), COALESCE(d.last_error, ''),
			COALESCE((SELECT a.excerpt FROM delivery_attempts a WHERE a.project_id = d.project_id AND a.delivery_id = d.id
				ORDER BY a.number DESC LIMIT 1), '')
		FROM events e LEFT JOIN deliveries d ON d.project_id = e.project_id AND d.event_id = e.id
		WHERE e.project_id = ? AND e.type = ?`+where.String()+`
		ORDER BY e.created_at DESC, e.id DESC LIMIT ?`, append(args, limit)...)
}

func scanTriggerLog(r row) (l store.TriggerLog, err error) {
	var payload string
	var occurred, created, ended int64
	d := &l.Delivery
	err = r.Scan(&l.ProjectID, &l.ID, &l.Type, &l.Source, &l.Key, &l.UserID, &l.Trigger, &l.AccountID, &l.AuthConfigID,
		&payload, &occurred, &created, &l.Seq, &d.ID, &d.WebhookID, &d.State, &d.Attempts, &ended, &d.LastStatus, &d.LastError, &l.Excerpt)
	l.Payload, l.OccurredAt, l.CreatedAt = []byte(payload), fromMicros(occurred), fromMicros(created)
	if d.ID != "" {
		d.ProjectID, d.EventID, d.EventType, d.EventAt, d.EndedAt = l.ProjectID, l.ID, l.Type, l.CreatedAt, fromMicros(ended)
	}
	return l, err
}
