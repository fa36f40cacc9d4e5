package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/store"
)

// orgGroups are what an operator may count by, the usual first for each entity: what
// belongs to a project's users is the project's.
var orgGroups = map[string][]string{
	"tool_calls": {"tool_slug", "toolkit_slug", "outcome", "door", byProjectID},
	"sessions":   {byProjectID},
}

const byProjectID = "project_id"

func (s *server) orgUsageRoutes() {
	handle(s, operation{
		id: "getOrgUsageSummary", method: http.MethodPost, path: orgUsage + "summary", tag: orgTag, security: byOperatorKey(),
		summary: "Count the tool calls and sessions of all projects",
	}, s.orgUsageSummary)
	handle(s, operation{
		id: "getOrgUsage", method: http.MethodPost, path: orgUsage + "{entity_type}", tag: orgTag, security: byOperatorKey(),
		summary: "Count tool_calls or sessions of all projects by tool, project or another property",
	}, s.orgUsage)
}

type orgFiltersIn struct {
	Users    []string `json:"user_id,omitempty" maxItems:"100" doc:"Refused: users are a project's own"`
	Sessions []string `json:"session_id,omitempty" maxItems:"100" doc:"Refused: sessions are a project's own"`
	Projects []string `json:"project_id,omitempty" maxItems:"1000" doc:"Only of these projects"`
}

type orgSummaryIn struct {
	Body struct {
		From    float64      `json:"from,omitempty" doc:"Unix time in milliseconds, included; 30 days before to unless said otherwise"`
		To      float64      `json:"to,omitempty" doc:"Unix time in milliseconds, not included; now unless said otherwise"`
		Types   []string     `json:"entity_types,omitempty" maxItems:"20" doc:"tool_calls, sessions; all unless said otherwise"`
		Filters orgFiltersIn `json:"filters,omitempty"`
	}
}

// counted gives the projects that an operator asks for.
func (s *server) counted(ctx context.Context, f orgFiltersIn) ([]string, error) {
	if !callerOf(ctx).principal.Operator {
		return nil, domain.Errorf(domain.CodeForbidden, "an API key of a project may not count what other projects do").
			WithFix("POST /api/v3.1/project/usage/… counts its own. All together are counted with an operator's key as x-org-api-key.")
	}
	if len(f.Users)+len(f.Sessions) > 0 {
		return nil, domain.Invalid("filters", "filters: user_id and session_id are a project's own").
			WithFix("Ask POST /api/v3.1/project/usage/… with a key of the project.")
	}
	all, err := s.Identity.Projects(ctx)
	if err != nil {
		return nil, err
	}
	known := make([]string, 0, len(all))
	for _, p := range all {
		known = append(known, p.ID)
	}
	if len(f.Projects) == 0 {
		return known, nil
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(f.Projects)))
	for _, id := range wanted {
		if !slices.Contains(known, id) {
			return nil, domain.Invalid("filters.project_id", "filters.project_id: expected ids of this server's projects").
				WithFix("GET /api/v3.1/org/owner/project/list shows them.")
		}
	}
	return wanted, nil
}

func (s *server) orgUsageSummary(ctx context.Context, in *orgSummaryIn) (usageSummaryOut, error) {
	projects, err := s.counted(ctx, in.Body.Filters)
	if err != nil {
		return usageSummaryOut{}, err
	}
	one := &usageSummaryIn{}
	one.Body.From, one.Body.To, one.Body.Types = in.Body.From, in.Body.To, in.Body.Types
	return s.summarise(ctx, one, projects)
}

type orgUsageIn struct {
	Type string `path:"entity_type"`
	Body struct {
		From    float64      `json:"from,omitempty" doc:"Unix time in milliseconds, included; 30 days before to unless said otherwise"`
		To      float64      `json:"to,omitempty" doc:"Unix time in milliseconds, not included; now unless said otherwise"`
		By      string       `json:"group_by,omitempty" doc:"tool_slug (usual for tool_calls), toolkit_slug, outcome, door or project_id (usual for sessions)"`
		Order   string       `json:"order_by,omitempty" enum:"key,total_quantity,event_count"`
		Way     string       `json:"order_direction,omitempty" enum:"asc,desc"`
		Limit   float64      `json:"limit,omitempty" doc:"Groups, brought into 1 to 1000; 100 unless said otherwise"`
		Filters orgFiltersIn `json:"filters,omitempty"`
	}
}

func (s *server) orgUsage(ctx context.Context, in *orgUsageIn) (usageOut, error) {
	b := &in.Body
	projects, err := s.counted(ctx, b.Filters)
	if err != nil {
		return usageOut{}, err
	}
	e, err := entityOf(in.Type)
	if err != nil {
		return usageOut{}, err
	}
	by := cmp.Or(b.By, orgGroups[e.name][0])
	if !slices.Contains(orgGroups[e.name], by) {
		return usageOut{}, domain.Invalid("group_by", "group_by: expected one of %s for %s of all projects", strings.Join(orgGroups[e.name], ", "), e.name)
	}
	u, err := s.usageQuery(b.From, b.To, usageFiltersIn{})
	if err != nil {
		return usageOut{}, err
	}
	if by != byProjectID {
		field := logFields[slices.IndexFunc(logFields, func(f logField) bool { return f.name == by })]
		u.By, u.Limit = field.columns[0], maxGroups
	}
	var sum store.Usage
	counts := map[string]int{}
	for _, project := range projects {
		counted, err := e.count(s, ctx, project, u)
		if err != nil {
			return usageOut{}, err
		}
		sum.Total += counted.Total
		if by == byProjectID && counted.Total > 0 {
			counts[project] = counted.Total
		}
		for _, g := range counted.Groups {
			counts[g.Key] += g.Count
		}
	}
	sum.Groups = ordered(counts, b.Order == "key", b.Way == "asc", limitOf(b.Limit, defaultGroups, maxGroups))
	return usageWire(e, sum), nil
}

// ordered sorts groups as the store does: what is equal by key.
func ordered(counts map[string]int, byKey, ascending bool, most int) []store.UsageGroup {
	groups := make([]store.UsageGroup, 0, len(counts))
	for key, n := range counts {
		groups = append(groups, store.UsageGroup{Key: key, Count: n})
	}
	slices.SortFunc(groups, func(a, b store.UsageGroup) int {
		c := cmp.Compare(a.Count, b.Count)
		if byKey {
			c = strings.Compare(a.Key, b.Key)
		}
		if !ascending {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.Key, b.Key))
	})
	return groups[:min(len(groups), most)]
}
