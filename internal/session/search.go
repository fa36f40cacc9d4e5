package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// Query is one use case to find tools for.
type Query struct {
	UseCase     string `json:"use_case"`
	KnownFields string `json:"known_fields,omitempty"`
}

// Found is the outcome of a search over several use cases. Search tools answer
// with it, and so does REST in its own shape.
type Found struct {
	Results  []FoundResult
	Tools    []*catalog.Tool // every tool named in Results, once
	Toolkits []ToolkitState  // of those tools
	Now      time.Time
}

// FoundResult is the outcome for one use case. Error is set when there was none.
type FoundResult struct {
	Query    Query
	Primary  []*catalog.Tool
	Related  []*catalog.Tool
	Steps    []string // recommended plan
	Pitfalls []string
	Guidance string
	Level    string // easy, medium, hard
	Error    string
}

const (
	maxQueries = 20
	maxUseCase = 1024
	maxKnown   = 500

	searchDepth = 10
	maxPrimary  = 3
	maxRelated  = 5
	maxPitfalls = 8
	// A tool is primary when it scores nearly as well as the best, and related
	// when it is not far behind.
	primaryShare = 0.85
	relatedShare = 0.35
)

// Search finds tools among those that the session may use.
func (s *Service) Search(ctx context.Context, h *Handle, queries []Query) (*Found, error) {
	if len(queries) == 0 || len(queries) > maxQueries {
		return nil, domain.Invalid("queries", "queries: expected 1 to %d use cases, got %d", maxQueries, len(queries))
	}
	for i, q := range queries {
		if len([]rune(q.UseCase)) > maxUseCase {
			return nil, domain.Invalid(fmt.Sprintf("queries[%d].use_case", i), "queries[%d].use_case: expected at most %d characters", i, maxUseCase)
		}
		if len([]rune(q.KnownFields)) > maxKnown {
			return nil, domain.Invalid(fmt.Sprintf("queries[%d].known_fields", i), "queries[%d].known_fields: expected at most %d characters", i, maxKnown)
		}
	}
	found := &Found{Now: s.now(), Results: make([]FoundResult, 0, len(queries))}
	for _, q := range queries {
		found.Results = append(found.Results, s.searchOne(ctx, h, q))
	}
	var err error
	if found.Toolkits, err = s.states(ctx, h, found.toolkits()); err != nil {
		return nil, err
	}
	for i := range found.Results {
		s.plan(ctx, h, &found.Results[i], found.Toolkits)
	}
	found.Tools = found.tools()
	return found, nil
}

// tools gives every tool of the results once, best first.
func (f *Found) tools() []*catalog.Tool {
	var tools []*catalog.Tool
	seen := map[*catalog.Tool]bool{}
	for i := range f.Results {
		for _, list := range [][]*catalog.Tool{f.Results[i].Primary, f.Results[i].Related} {
			for _, t := range list {
				if !seen[t] {
					seen[t] = true
					tools = append(tools, t)
				}
			}
		}
	}
	return tools
}

func (f *Found) toolkits() []*toolkit.Toolkit {
	var toolkits []*toolkit.Toolkit
	for _, t := range f.tools() {
		if !slices.Contains(toolkits, t.Toolkit) {
			toolkits = append(toolkits, t.Toolkit)
		}
	}
	return toolkits
}

// searchOne ranks the tools of one use case.
func (s *Service) searchOne(ctx context.Context, h *Handle, q Query) FoundResult {
	r := FoundResult{Query: q}
	if strings.TrimSpace(q.UseCase) == "" {
		r.Error = "The use case is empty: say in a sentence what is to be done."
		return r
	}
	from, allows := s.catalogue(h)
	hits := from.Search(ctx, h.ProjectID, q.UseCase, searchDepth, allows)
	if len(hits) == 0 {
		r.Error = "No tool of this session fits this use case. Say it in other words, name the application, or tell the user that it cannot be done here."
		return r
	}
	best := hits[0].Score
	for _, hit := range hits {
		switch {
		case hit.Score >= primaryShare*best && len(r.Primary) < maxPrimary && len(r.Related) == 0:
			r.Primary = append(r.Primary, hit.Tool)
		case hit.Score >= relatedShare*best && len(r.Related) < maxRelated:
			r.Related = append(r.Related, hit.Tool)
		}
	}
	return r
}

// The wire of COMPOSIO_SEARCH_TOOLS.
type searchInput struct {
	Queries []Query `json:"queries"`
	Session struct {
		ID         string `json:"id"`
		GenerateID bool   `json:"generate_id"`
	} `json:"session"`
}

type searchOutput struct {
	Results     []searchResult        `json:"results"`
	ToolSchemas map[string]toolSchema `json:"tool_schemas"`
	Statuses    []connectionStatus    `json:"toolkit_connection_statuses"`
	TimeInfo    timeInfo              `json:"time_info"`
	Session     searchSession         `json:"session"`
	NextSteps   []string              `json:"next_steps_guidance"`
}

type searchResult struct {
	Index     int      `json:"index"` // from 1
	UseCase   string   `json:"use_case"`
	Primary   []string `json:"primary_tool_slugs"`
	Related   []string `json:"related_tool_slugs"`
	Toolkits  []string `json:"toolkits"`
	Reasoning string   `json:"reasoning,omitempty"`
	Level     string   `json:"task_difficulty,omitempty"`
	Steps     []string `json:"recommended_plan_steps,omitempty"`
	Pitfalls  []string `json:"known_pitfalls,omitempty"`
	Error     *string  `json:"error"`
}

type connectionStatus struct {
	Toolkit     string            `json:"toolkit"`
	Description string            `json:"description"`
	HasActive   bool              `json:"has_active_connection"`
	Details     map[string]string `json:"connection_details,omitempty"`
	UserInfo    map[string]string `json:"current_user_info,omitempty"`
	AccountType string            `json:"account_type,omitempty"`
	Message     string            `json:"status_message"`
}

type timeInfo struct {
	UTC     string `json:"current_time_utc"`
	Epoch   int64  `json:"current_time_utc_epoch_seconds"`
	Message string `json:"message"`
}

type searchSession struct {
	ID           string `json:"id"`
	GenerateID   bool   `json:"generate_id"`
	Instructions string `json:"instructions"`
}

// searchTools is COMPOSIO_SEARCH_TOOLS.
func (s *Service) searchTools(ctx context.Context, h *Handle, in searchInput) (*searchOutput, error) {
	found, err := s.Search(ctx, h, in.Queries)
	if err != nil {
		return nil, err
	}
	out := &searchOutput{
		ToolSchemas: schemasOf(found), NextSteps: s.nextSteps(h, found), Session: newSearchSession(in),
		Results: make([]searchResult, 0, len(found.Results)), Statuses: make([]connectionStatus, 0, len(found.Toolkits)),
		TimeInfo: timeInfo{
			UTC: stamp(found.Now), Epoch: found.Now.Unix(),
			Message: "The current time in UTC. Reckon dates such as \"today\" from it.",
		},
	}
	for i := range found.Results {
		out.Results = append(out.Results, found.Results[i].wire(i+1))
	}
	for i := range found.Toolkits {
		out.Statuses = append(out.Statuses, s.statusOf(h, &found.Toolkits[i]))
	}
	return out, nil
}

func newSearchSession(in searchInput) searchSession {
	id := in.Session.ID
	generate := id == "" || in.Session.GenerateID || len(id) > maxWorkflowID
	if generate {
		id = domain.NewSecret("")[:8]
	}
	return searchSession{
		ID: id, GenerateID: generate,
		Instructions: "Send this id as session_id with the other calls of this task; for another task search again with generate_id true.",
	}
}

func (r *FoundResult) wire(index int) searchResult {
	w := searchResult{
		Index: index, UseCase: r.Query.UseCase, Primary: slugsOf(r.Primary), Related: slugsOf(r.Related),
		Toolkits: []string{}, Reasoning: r.Guidance, Level: r.Level, Steps: r.Steps, Pitfalls: r.Pitfalls,
	}
	for _, t := range append(append([]*catalog.Tool(nil), r.Primary...), r.Related...) {
		w.Toolkits = append(w.Toolkits, t.Toolkit.Slug)
	}
	w.Toolkits = unique(w.Toolkits)
	if r.Error != "" {
		w.Error = &r.Error
	}
	return w
}

func slugsOf(tools []*catalog.Tool) []string {
	slugs := make([]string, 0, len(tools))
	for _, t := range tools {
		slugs = append(slugs, t.Slug)
	}
	return slugs
}

// maxSchemaBytes bounds the schemas of related tools in one answer; those of
// primary tools are always there.
const maxSchemaBytes = 24 << 10

func schemasOf(found *Found) map[string]toolSchema {
	primary := map[string]bool{}
	for _, r := range found.Results {
		for _, t := range r.Primary {
			primary[t.Slug] = true
		}
	}
	schemas := make(map[string]toolSchema, len(found.Tools))
	size := 0
	full, left := true, false
	for _, t := range found.Tools {
		ts := toolSchema{ToolSlug: t.Slug, Toolkit: t.Toolkit.Slug, Description: t.Description, HasFull: &full, InputSchema: t.Input}
		if size += len(t.Input); size > maxSchemaBytes && !primary[t.Slug] {
			ts.InputSchema, ts.HasFull = nil, &left
			ts.Ref = &schemaRef{Tool: "COMPOSIO_GET_TOOL_SCHEMAS", Message: "Read the input schema before you call this tool."}
			ts.Ref.Args.ToolSlugs = []string{t.Slug}
		}
		schemas[t.Slug] = ts
	}
	return schemas
}

// statusOf says how the user is connected to a toolkit.
func (s *Service) statusOf(h *Handle, st *ToolkitState) connectionStatus {
	c := connectionStatus{Toolkit: st.Toolkit.Slug, Description: st.Toolkit.Description, HasActive: st.Connected()}
	switch {
	case st.Toolkit.NoAuth():
		c.Message = "No connection is needed."
	case st.Account != nil:
		c.Details = map[string]string{"id": st.Account.ID, "name": st.Account.WordID}
		if st.Account.Alias != "" {
			c.Details["alias"] = st.Account.Alias
		}
		c.UserInfo, c.AccountType = st.Account.Identity, "PRIVATE"
		c.Message = "Connection is active and ready to use."
		if n := len(st.Usable); n > 1 {
			c.Message = fmt.Sprintf("The user has %d active accounts; without account the newest is used.", n)
			if m := h.Config.MultiAccount; m.Enable && m.RequireExplicit {
				c.Message = fmt.Sprintf("The user has %d active accounts: say which with account: %s.", n, accountNames(st.Usable))
			}
		}
	default:
		c.Message = "Not connected: " + connectAdvice(h, st.Toolkit.Slug)
	}
	return c
}

func accountNames(accounts []domain.ConnectedAccount) string {
	var names []string
	for _, a := range accounts {
		name := a.ID
		if email := a.Identity["email"]; email != "" {
			name += " (" + email + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// failures sums the use cases up that found nothing: the contract's sentence.
func (f *Found) failures() error {
	var why []string
	for _, r := range f.Results {
		if r.Error != "" {
			why = append(why, r.Error)
		}
	}
	if len(why) == 0 {
		return nil
	}
	return errors.New(fmt.Sprintf("%d out of %d searches failed, reasons: ", len(why), len(f.Results)) + strings.Join(unique(why), " "))
}

// required gives the required arguments of a tool, in order, from its schema.
func required(t *catalog.Tool) []string {
	var schema struct {
		Required []string `json:"required"`
	}
	_ = json.Unmarshal(t.Input, &schema) // it was compiled
	return schema.Required
}
