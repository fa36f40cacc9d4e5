package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
)

// TriggerType is a kind of event that can be watched for.
type TriggerType struct {
	Slug        string `json:"slug"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Instructions say what happens in the application without an event.
	Instructions string `json:"instructions"`
	Toolkit      struct {
		Slug string `json:"slug"`
	} `json:"toolkit"`
	Config   json.RawMessage `json:"config"`  // JSON Schema of a trigger's configuration
	Payload  json.RawMessage `json:"payload"` // JSON Schema of an event's data
	Example  json.RawMessage `json:"example"` // an event's data
	Version  string          `json:"version"`
	Interval int             `json:"interval_seconds"` // usual time between two polls
	Scopes   []string        `json:"scopes"`
	// Webhooks says that the application can tell of it at an Endpoint, which comes
	// sooner than a poll.
	Webhooks bool `json:"accepts_webhooks"`
}

// Trigger is an instance of a type, on one account.
type Trigger struct {
	ID           string          `json:"id"`
	Type         string          `json:"trigger_name"`
	UserID       string          `json:"user_id"`
	AccountID    string          `json:"connected_account_id"`
	AuthConfigID string          `json:"auth_config_id"`
	Config       json.RawMessage `json:"trigger_config"`
	State        struct {
		Status string `json:"status"` // enabled or disabled
		Cause  string `json:"cause,omitempty"`
		Reason string `json:"reason,omitempty"`
	} `json:"state"`
	UpdatedAt  string `json:"updated_at"`
	DisabledAt string `json:"disabled_at,omitempty"`
}

// NewTrigger says which trigger is wanted.
type NewTrigger struct {
	Type string // slug
	// UserID and AccountID say on whose account: without AccountID on the user's
	// newest active one, without UserID on the account of this id.
	UserID, AccountID string
	Config            map[string]any
}

// TriggerQuery narrows a list of triggers; empty fields do not.
type TriggerQuery struct {
	IDs, UserIDs, AccountIDs, AuthConfigIDs, Types []string
	Disabled                                       bool // disabled ones too
}

// TriggerTypes lists what can be watched for; an empty toolkit means all.
func (c *Client) TriggerTypes(ctx context.Context, toolkit string) iter.Seq2[TriggerType, error] {
	return pages[TriggerType](ctx, c, "/triggers_types", values(map[string]string{"toolkit_slugs": toolkit}, nil))
}

// TriggerType gives one type.
func (c *Client) TriggerType(ctx context.Context, slug string) (*TriggerType, error) {
	var t TriggerType
	if err := c.do(ctx, http.MethodGet, "/triggers_types/"+url.PathEscape(slug), nil, nil, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// TriggerSlugs gives the slugs of all trigger types.
func (c *Client) TriggerSlugs(ctx context.Context) ([]string, error) {
	var slugs []string
	err := c.do(ctx, http.MethodGet, "/triggers_types/list/enum", nil, nil, &slugs)
	return slugs, err
}

// UpsertTrigger makes a trigger, or enables the one with the same account and
// configuration, and gives its id.
func (c *Client) UpsertTrigger(ctx context.Context, n NewTrigger) (string, error) {
	in := map[string]any{}
	for name, value := range map[string]string{"user_id": n.UserID, "connected_account_id": n.AccountID} {
		if value != "" {
			in[name] = value
		}
	}
	if n.Config != nil {
		in["trigger_config"] = n.Config
	}
	var out struct {
		ID string `json:"trigger_id"`
	}
	err := c.do(ctx, http.MethodPost, "/trigger_instances/"+url.PathEscape(n.Type)+"/upsert", nil, in, &out)
	return out.ID, err
}

// Triggers lists triggers, newest first.
func (c *Client) Triggers(ctx context.Context, q TriggerQuery) iter.Seq2[Trigger, error] {
	v := values(nil, map[string][]string{
		"trigger_ids": q.IDs, "user_ids": q.UserIDs, "connected_account_ids": q.AccountIDs, "auth_config_ids": q.AuthConfigIDs, "trigger_names": q.Types,
	})
	if q.Disabled {
		v.Set("show_disabled", "true")
	}
	return pages[Trigger](ctx, c, "/trigger_instances/active", v)
}

// Trigger gives one, disabled or not.
func (c *Client) Trigger(ctx context.Context, id string) (*Trigger, error) {
	for t, err := range c.Triggers(ctx, TriggerQuery{IDs: []string{id}, Disabled: true}) {
		if err != nil {
			return nil, err
		}
		return &t, nil
	}
	return nil, &Error{Status: http.StatusNotFound, Message: "there is no trigger " + id}
}

// EnableTrigger enables or disables a trigger. One that is so already is an *Error
// with status 409.
func (c *Client) EnableTrigger(ctx context.Context, id string, enabled bool) error {
	status := "disable"
	if enabled {
		status = "enable"
	}
	return c.do(ctx, http.MethodPatch, "/trigger_instances/manage/"+url.PathEscape(id), nil, map[string]string{"status": status}, nil)
}

// DeleteTrigger removes a trigger; its events stay.
func (c *Client) DeleteTrigger(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/trigger_instances/manage/"+url.PathEscape(id), nil, nil, nil)
}

// Tried is a made-up event.
type Tried struct {
	Event
	// Deliveries says where it goes: to the webhook subscription, where that is for
	// events of triggers. Delivery tells what became of it.
	Deliveries []struct {
		ID             string `json:"id"`
		SubscriptionID string `json:"webhook_subscription_id"`
		Status         string `json:"status"`
	} `json:"deliveries"`
}

// TryTrigger publishes a made-up event of a trigger, marked as a test, on the way that
// every event takes. trigger is the id of an instance or the slug of a type: then
// it is of the newest instance of that type, of userID where that is given, and
// where there is none of one that does not exist. A config, for a slug only, makes it
// one of an instance that does not exist with that configuration.
func (c *Client) TryTrigger(ctx context.Context, trigger, userID string, config map[string]any) (*Tried, error) {
	in := map[string]any{"trigger": trigger}
	if userID != "" {
		in["user_id"] = userID
	}
	if config != nil {
		in["trigger_config"] = config
	}
	var out Tried
	if err := c.do(ctx, http.MethodPost, "/sluice/triggers/test", nil, in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
