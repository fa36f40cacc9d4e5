package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/sluice-run/sluice/internal/domain"
)

func (s *server) scopeRoutes() {
	handle(s, operation{
		id: "listRequiredScopes", method: http.MethodPost, path: "/tools/scopes/required", tag: "tools",
		summary: "Say which scopes tools of one toolkit need",
	}, s.requiredScopes)
}

type requiredScopesIn struct {
	Body struct {
		Tools   []string `json:"tools" minItems:"1" maxItems:"1000" nullable:"false" doc:"Slugs of tools of one toolkit"`
		Version string   `json:"version,omitempty" doc:"A version of the toolkit, or latest"`
	}
}

type requiredScopesOut struct {
	Scopes []string    `json:"scopes_required" doc:"Enough for every one of the tools: of alternatives the first, unless another is needed anyway"`
	Tools  []toolNeeds `json:"per_tool_requirements"`
}

type toolNeeds struct {
	Tool  string     `json:"tool"`
	Needs *scopesOut `json:"scope_requirements" doc:"null: the tool needs no scope"`
}

func (s *server) requiredScopes(ctx context.Context, in *requiredScopesIn) (requiredScopesOut, error) {
	project := callerOf(ctx).principal.ProjectID
	out := requiredScopesOut{Scopes: []string{}, Tools: []toolNeeds{}}
	var choices [][]string
	first := ""
	for _, slug := range in.Body.Tools {
		t, err := s.Catalog.Tool(ctx, project, slug, in.Body.Version)
		if err != nil {
			return requiredScopesOut{}, err
		}
		if first == "" {
			first = t.Toolkit.Slug
		}
		if t.Toolkit.Slug != first {
			return requiredScopesOut{}, domain.Invalid("tools", "tools: %s is of toolkit %s, and the ones before it of %s", t.Slug, t.Toolkit.Slug, first).
				WithFix("Ask for each toolkit by itself: scopes are granted by toolkit.")
		}
		out.Tools = append(out.Tools, toolNeeds{Tool: t.Slug, Needs: scopesWire(t.Scopes)})
		for _, need := range t.Scopes.All {
			if len(need) == 1 {
				out.Scopes = append(out.Scopes, need[0])
			} else {
				choices = append(choices, need)
			}
		}
	}
	// What must be there may meet a choice as well.
	for _, need := range choices {
		if !slices.ContainsFunc(need, func(n string) bool { return slices.Contains(out.Scopes, n) }) {
			out.Scopes = append(out.Scopes, need[0])
		}
	}
	slices.Sort(out.Scopes)
	out.Scopes = slices.Compact(out.Scopes)
	return out, nil
}
