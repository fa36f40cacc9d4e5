package event

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/webhook"
)

// prefixLog begins the name that an event has in the body of a message.
const prefixLog = domain.PrefixExecution

// spelled gives the event's id with another prefix: evt_X is msg_X as a message.
func spelled(id, prefix string) string {
	rest, _ := strings.CutPrefix(id, domain.PrefixEvent)
	return prefix + rest
}

// eventID is the way back from any spelling.
func eventID(id string) string {
	for _, p := range []string{domain.PrefixMessage, prefixLog} {
		if rest, ok := strings.CutPrefix(id, p); ok {
			return domain.PrefixEvent + rest
		}
	}
	return id
}

// MessageID is the webhook-id under which an event is delivered.
func MessageID(eventID string) string { return spelled(eventID, domain.PrefixMessage) }

type bodyV1 struct {
	TriggerName  string          `json:"trigger_name"`
	ConnectionID string          `json:"connection_id"`
	TriggerID    string          `json:"trigger_id"`
	Payload      json.RawMessage `json:"payload"`
	LogID        string          `json:"log_id"`
	Test         bool            `json:"test,omitempty"`
}

type bodyV2 struct {
	Type      string                     `json:"type"`
	Timestamp string                     `json:"timestamp"`
	LogID     string                     `json:"log_id"`
	Data      map[string]json.RawMessage `json:"data"`
	Test      bool                       `json:"test,omitempty"`
}

type bodyV3 struct {
	ID        string           `json:"id"`
	Timestamp string           `json:"timestamp"`
	Type      domain.EventType `json:"type"`
	Metadata  any              `json:"metadata"`
	Data      json.RawMessage  `json:"data"`
}

type triggerMetadata struct {
	LogID        string `json:"log_id"`
	TriggerSlug  string `json:"trigger_slug"`
	TriggerID    string `json:"trigger_id"`
	AccountID    string `json:"connected_account_id"`
	AuthConfigID string `json:"auth_config_id"`
	UserID       string `json:"user_id"`
	Test         bool   `json:"test,omitempty"` // made up; the clients pass over it
}

// projectMetadata is of what is not a trigger's. There are no organisations here:
// the clients insist on a text.
type projectMetadata struct {
	ProjectID string `json:"project_id"`
	OrgID     string `json:"org_id"`
}

func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Body gives what is posted of an event: the same bytes at every attempt.
func Body(e *domain.Event, version webhook.Version) ([]byte, error) {
	var v any
	switch version {
	case webhook.V1:
		v = bodyV1{
			TriggerName: e.Trigger, ConnectionID: e.AccountID, TriggerID: e.Source, Payload: e.Payload,
			LogID: spelled(e.ID, prefixLog), Test: e.Test(),
		}
	case webhook.V2:
		data, err := dataV2(e)
		if err != nil {
			return nil, err
		}
		v = bodyV2{
			Type: strings.ToLower(e.Trigger), Timestamp: wireTime(e.CreatedAt), LogID: spelled(e.ID, prefixLog), Data: data,
			Test: e.Test(),
		}
	default:
		b := bodyV3{ID: e.ID, Timestamp: wireTime(e.CreatedAt), Type: e.Type, Data: e.Payload}
		b.Metadata = projectMetadata{ProjectID: e.ProjectID}
		if e.Type == domain.EventTriggerMessage {
			b.Metadata = triggerMetadata{
				LogID: spelled(e.ID, prefixLog), TriggerSlug: e.Trigger, TriggerID: e.Source, AccountID: e.AccountID,
				AuthConfigID: e.AuthConfigID, UserID: e.UserID, Test: e.Test(),
			}
		}
		v = b
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, domain.Internal("writing an event", err)
	}
	return body, nil
}

// dataV2 is the payload with five names of the contract's in it.
func dataV2(e *domain.Event) (map[string]json.RawMessage, error) {
	data := map[string]json.RawMessage{}
	if err := json.Unmarshal(e.Payload, &data); err != nil {
		return nil, domain.Internal("reading an event", err)
	}
	for name, value := range map[string]string{
		"connection_id":      domain.TwinID("account", e.AccountID),
		"connection_nano_id": e.AccountID,
		"trigger_nano_id":    e.Source,
		"trigger_id":         domain.TwinID("trigger", e.Source),
		"user_id":            e.UserID,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, domain.Internal("writing an event", err)
		}
		data[name] = text
	}
	return data, nil
}
