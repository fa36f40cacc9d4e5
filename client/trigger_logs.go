package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// TriggerLog is an event of a trigger with what became of it.
type TriggerLog struct {
	ID        string `json:"id"`     // of the event
	Status    string `json:"status"` // success, error or pending
	UserID    string `json:"entityId"`
	AccountID string `json:"connectionId"`
	Toolkit   string `json:"appName"`
	CreatedAt string `json:"createdAt"`
	Meta      struct {
		Trigger   string `json:"triggerName"` // slug of the type
		TriggerID string `json:"triggerId"`
		Payload   string `json:"triggerProviderPayload"` // JSON; TriggerLog and a query with Payload give it
		Problem   string `json:"triggerClientError"`     // why the last delivery failed
		Answer    string `json:"triggerClientResponse"`  // of the endpoint
		UpdatedAt string `json:"updatedAt"`
	} `json:"meta"`
}

// TriggerLogQuery narrows a list of logs; empty fields do not.
type TriggerLogQuery struct {
	Trigger string // id of an instance, or slug of a type
	UserID  string
	Status  string // success or error
	// AuthConfigID keeps events on accounts of an auth config.
	AuthConfigID string
	Payload      bool // with what the events hold
}

// TriggerLogs lists the events of triggers with what became of them, newest first.
func (c *Client) TriggerLogs(ctx context.Context, q TriggerLogQuery) iter.Seq2[TriggerLog, error] {
	in := map[string]any{"limit": 200, "userId": q.UserID, "include_payload": q.Payload}
	if q.Status != "" {
		in["status"] = q.Status
	}
	if q.AuthConfigID != "" {
		in["integrationId"] = q.AuthConfigID
	}
	if q.Trigger != "" {
		in["search"] = q.Trigger
	}
	return asked[TriggerLog](ctx, c, "/internal/trigger/logs", in)
}

// TriggerLog gives one event of a trigger with what became of it.
func (c *Client) TriggerLog(ctx context.Context, id string) (*TriggerLog, error) {
	var out struct {
		Log TriggerLog `json:"log"`
	}
	if err := c.do(ctx, http.MethodGet, "/internal/trigger/log/"+url.PathEscape(id), nil, nil, &out); err != nil {
		return nil, err
	}
	return &out.Log, nil
}
