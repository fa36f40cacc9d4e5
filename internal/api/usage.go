package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// Bounds of a question for usage.
const (
	defaultGroups = 100
	maxGroups     = 1000
	usageSpan     = 30 * 24 * time.Hour
)

func (s *server) usageRoutes() {
	const tag = "usage"
	handle(s, operation{
		id: "getUsageSummary", method: http.MethodPost, path: "/project/usage/summary", tag: tag,
		summary: "Count tool calls that got to their tool, as far back as their records are kept, and sessions",
	}, s.usageSummary)
	handle(s, operation{
		id: "getUsage", method: http.MethodPost, path: "/project/usage/{entity_type}", tag: tag,
		summary: "Count tool_calls or sessions by tool, user or another property",
	}, s.getUsage)
}

// entity is a kind of thing that is counted.
type entity struct {
	name, unit string
	groups     []string // the first is the usual
	count      func(s *server, ctx context.Context, project string, u store.UsageQuery) (store.Usage, error)
}

func entities() []entity {
	return []entity{
		{
			"tool_calls", "calls",
			[]string{"tool_slug", "toolkit_slug", "user_id", "session_id", "connected_account_id", "auth_config_id", "outcome", "door"},
			func(s *server, ctx context.Context, project string, u store.UsageQuery) (store.Usage, error) {
				return s.Execute.ToolUsage(ctx, project, u)
			},
		},
		{
			"sessions", "sessions",
			[]string{"user_id", "session_id"},
			func(s *server, ctx context.Context, project string, u store.UsageQuery) (store.Usage, error) {
				return s.Execute.SessionUsage(ctx, project, u)
			},
		},
	}
}

func entityOf(name string) (entity, error) {
	i := slices.Index(entityNames(), name)
	if i < 0 {
		return entity{}, domain.Invalid("entity_type", "entity_type: expected one of %s", strings.Join(entityNames(), ", "))
	}
	return entities()[i], nil
}

func entityNames() (names []string) {
	for _, e := range entities() {
		names = append(names, e.name)
	}
	return names
}

type usageFiltersIn struct {
	Users    []string `json:"user_id,omitempty" maxItems:"100" doc:"Only of these users"`
	Sessions []string `json:"session_id,omitempty" maxItems:"100" doc:"Only of these sessions"`
}

type usageSummaryIn struct {
	Body struct {
		From    float64        `json:"from,omitempty" doc:"Unix time in milliseconds, included; 30 days before to unless said otherwise"`
		To      float64        `json:"to,omitempty" doc:"Unix time in milliseconds, not included; now unless said otherwise"`
		Types   []string       `json:"entity_types,omitempty" maxItems:"20" doc:"tool_calls, sessions; all unless said otherwise"`
		Filters usageFiltersIn `json:"filters,omitempty"`
	}
}

type usageTotalOut struct {
	Unit   string `json:"unit"`
	Total  string `json:"total_quantity"`
	Events int    `json:"event_count"`
}

type usageSummaryOut struct {
	Entities map[string]usageTotalOut `json:"entities"`
	Charge   string                   `json:"instant_charge" doc:"US dollars; 0, nothing is charged here"`
}

// usageQuery reads what both operations have in common.
func (s *server) usageQuery(from, to float64, f usageFiltersIn) (store.UsageQuery, error) {
	u := store.UsageQuery{Users: f.Users, Sessions: f.Sessions}
	var err error
	if u.From, u.To, err = rangeOf("", from, to); err != nil {
		return u, err
	}
	if u.To.IsZero() {
		u.To = s.Now().UTC()
	}
	if u.From.IsZero() {
		u.From = u.To.Add(-usageSpan)
	}
	if u.To.Before(u.From) {
		return u, domain.Invalid("from", "from: it is in the future")
	}
	return u, nil
}

func (s *server) usageSummary(ctx context.Context, in *usageSummaryIn) (usageSummaryOut, error) {
	return s.summarise(ctx, in, []string{callerOf(ctx).principal.ProjectID})
}

// summarise counts what the projects have together.
func (s *server) summarise(ctx context.Context, in *usageSummaryIn, projects []string) (usageSummaryOut, error) {
	b, out := &in.Body, usageSummaryOut{Entities: map[string]usageTotalOut{}, Charge: "0"}
	for _, t := range b.Types {
		if !slices.Contains(entityNames(), t) {
			return out, domain.Invalid("entity_types", "entity_types: expected any of %s", strings.Join(entityNames(), ", "))
		}
	}
	u, err := s.usageQuery(b.From, b.To, b.Filters)
	if err != nil {
		return out, err
	}
	for _, e := range entities() {
		if len(b.Types) > 0 && !slices.Contains(b.Types, e.name) {
			continue
		}
		total := 0
		for _, project := range projects {
			counted, err := e.count(s, ctx, project, u)
			if err != nil {
				return out, err
			}
			total += counted.Total
		}
		out.Entities[e.name] = usageTotalOut{Unit: e.unit, Total: strconv.Itoa(total), Events: total}
	}
	return out, nil
}

type usageIn struct {
	Type string `path:"entity_type"`
	Body struct {
		From    float64        `json:"from,omitempty" doc:"Unix time in milliseconds, included; 30 days before to unless said otherwise"`
		To      float64        `json:"to,omitempty" doc:"Unix time in milliseconds, not included; now unless said otherwise"`
		By      string         `json:"group_by,omitempty" doc:"tool_slug (usual for tool_calls), toolkit_slug, user_id (usual for sessions), session_id, connected_account_id, auth_config_id, outcome or door"`
		Order   string         `json:"order_by,omitempty" enum:"key,total_quantity,event_count"`
		Way     string         `json:"order_direction,omitempty" enum:"asc,desc"`
		Limit   float64        `json:"limit,omitempty" doc:"Groups, brought into 1 to 1000; 100 unless said otherwise"`
		Filters usageFiltersIn `json:"filters,omitempty"`
	}
}

type usageOut struct {
	Type   string          `json:"entity_type"`
	Unit   string          `json:"unit"`
	Total  string          `json:"total_quantity" doc:"Of all groups, those that are not shown too"`
	Events int             `json:"event_count"`
	Groups []usageGroupOut `json:"groups"`
}

type usageGroupOut struct {
	Key    string `json:"key"`
	Total  string `json:"total_quantity"`
	Events int    `json:"event_count"`
}

func (s *server) getUsage(ctx context.Context, in *usageIn) (usageOut, error) {
	b := &in.Body
	e, err := entityOf(in.Type)
	if err != nil {
		return usageOut{}, err
	}
	if b.By == "" {
		b.By = e.groups[0]
	}
	if !slices.Contains(e.groups, b.By) {
		return usageOut{}, domain.Invalid("group_by", "group_by: expected one of %s for %s", strings.Join(e.groups, ", "), e.name)
	}
	u, err := s.usageQuery(b.From, b.To, b.Filters)
	if err != nil {
		return usageOut{}, err
	}
	field := logFields[slices.IndexFunc(logFields, func(f logField) bool { return f.name == b.By })]
	u.By, u.ByKey, u.Ascending = field.columns[0], b.Order == "key", b.Way == "asc"
	u.Limit = limitOf(b.Limit, defaultGroups, maxGroups)
	counted, err := e.count(s, ctx, callerOf(ctx).principal.ProjectID, u)
	if err != nil {
		return usageOut{}, err
	}
	return usageWire(e, counted), nil
}

func usageWire(e entity, counted store.Usage) usageOut {
	out := usageOut{Type: e.name, Unit: e.unit, Total: strconv.Itoa(counted.Total), Events: counted.Total, Groups: []usageGroupOut{}}
	for _, g := range counted.Groups {
		out.Groups = append(out.Groups, usageGroupOut{Key: g.Key, Total: strconv.Itoa(g.Count), Events: g.Count})
	}
	return out
}
