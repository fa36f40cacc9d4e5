package client

import (
	"context"
	"net/url"
	"time"
)

// The things that usage counts.
const (
	UsageToolCalls = "tool_calls"
	UsageSessions  = "sessions"
)

// UsageQuery says what is counted; empty fields do not narrow.
type UsageQuery struct {
	From, To   time.Time
	UserIDs    []string
	SessionIDs []string
	// GroupBy is a property, such as tool_slug or user_id; empty: no groups. Limit
	// is how many groups, the largest first [the server's choice]. UsageSummary heeds
	// neither.
	GroupBy string
	Limit   int

	projects []string // of an operator's
}

// of is q for these projects.
func (q UsageQuery) of(projects []string) UsageQuery {
	q.projects = projects
	return q
}

// Usage is a count.
type Usage struct {
	Entity string       `json:"entity_type"`
	Count  int64        `json:"event_count"`
	Groups []UsageGroup `json:"groups"`
}

// UsageGroup is the part of a count with one value of a property.
type UsageGroup struct {
	Key   string `json:"key"`
	Count int64  `json:"event_count"`
}

func (q *UsageQuery) wire() map[string]any {
	in := map[string]any{}
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			in[name] = unixMillis(at)
		}
	}
	filters := map[string][]string{}
	for name, list := range map[string][]string{"user_id": q.UserIDs, "session_id": q.SessionIDs, "project_id": q.projects} {
		if len(list) > 0 {
			filters[name] = list
		}
	}
	if len(filters) > 0 {
		in["filters"] = filters
	}
	return in
}

// Usage counts what the project did: UsageToolCalls that got to their tool, as far
// back as their records are kept, or UsageSessions.
func (c *Client) Usage(ctx context.Context, entity string, q UsageQuery) (*Usage, error) {
	return c.usage(ctx, "/project/usage/"+url.PathEscape(entity), q)
}

func (c *Client) usage(ctx context.Context, path string, q UsageQuery) (*Usage, error) {
	in := q.wire()
	if q.GroupBy != "" {
		in["group_by"] = q.GroupBy
	}
	if q.Limit > 0 {
		in["limit"] = q.Limit
	}
	var u Usage
	if err := c.ask(ctx, path, in, &u); err != nil {
		return nil, err
	}
	return &u, nil
}

// UsageSummary gives the counts of all that is counted, by entity.
func (c *Client) UsageSummary(ctx context.Context, q UsageQuery) (map[string]int64, error) {
	return c.usageSummary(ctx, "/project/usage/summary", q)
}

func (c *Client) usageSummary(ctx context.Context, path string, q UsageQuery) (map[string]int64, error) {
	var a struct {
		Entities map[string]struct {
			Count int64 `json:"event_count"`
		} `json:"entities"`
	}
	if err := c.ask(ctx, path, q.wire(), &a); err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(a.Entities))
	for name, e := range a.Entities {
		out[name] = e.Count
	}
	return out, nil
}
