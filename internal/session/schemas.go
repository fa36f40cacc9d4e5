package session

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
)

type schemasInput struct {
	ToolSlugs []string `json:"tool_slugs"`
	Include   []string `json:"include"`
	SessionID string   `json:"session_id"`
}

type schemasOutput struct {
	Success         bool                  `json:"success"`
	ToolSchemas     map[string]toolSchema `json:"tool_schemas"`
	NotFound        []string              `json:"not_found,omitempty"`
	Suggestions     map[string][]string   `json:"suggestions,omitempty"`
	NotFoundMessage string                `json:"not_found_message,omitempty"`
	Session         *workflow             `json:"session,omitempty"`
}

// toolSchema is a tool as the meta tools show it.
type toolSchema struct {
	ToolSlug     string          `json:"tool_slug"`
	Toolkit      string          `json:"toolkit"`
	Description  string          `json:"description,omitempty"`
	InputSchema  json.RawMessage `json:"input_schema,omitempty"`
	OutputSchema json.RawMessage `json:"output_schema,omitempty"`
	HasFull      *bool           `json:"hasFullSchema,omitempty"`
	Ref          *schemaRef      `json:"schemaRef,omitempty"`
}

// schemaRef says how to get a schema that is left out.
type schemaRef struct {
	Tool string `json:"tool"`
	Args struct {
		ToolSlugs []string `json:"tool_slugs"`
	} `json:"args"`
	Message string `json:"message,omitempty"`
}

// toolSchemas gives schemas by slug. What the session may not use is as unknown
// as what does not exist.
func (s *Service) toolSchemas(ctx context.Context, h *Handle, in schemasInput) (*schemasOutput, error) {
	out := &schemasOutput{ToolSchemas: map[string]toolSchema{}, Session: echo(in.SessionID)}
	withInput := len(in.Include) == 0 || slices.Contains(in.Include, "input_schema")
	withOutput := slices.Contains(in.Include, "output_schema")
	for _, slug := range in.ToolSlugs {
		t, err := s.allowed(ctx, h, slug)
		if err != nil {
			return nil, err
		}
		if t == nil {
			out.missing(clip(slug), s.nearest(ctx, h, slug))
			continue
		}
		ts := toolSchema{ToolSlug: t.Slug, Toolkit: t.Toolkit.Slug, Description: t.Description}
		if withInput {
			ts.InputSchema = t.Input
		}
		if withOutput {
			ts.OutputSchema = t.Output
		}
		out.ToolSchemas[t.Slug] = ts
	}
	out.Success = len(out.NotFound) == 0
	if !out.Success {
		out.NotFoundMessage = fmt.Sprintf("This session has no tool %s. Find tools with COMPOSIO_SEARCH_TOOLS, or use the suggestions.",
			strings.Join(out.NotFound, ", "))
	}
	return out, nil
}

func (o *schemasOutput) missing(slug string, near []string) {
	if slices.Contains(o.NotFound, slug) {
		return
	}
	o.NotFound = append(o.NotFound, slug)
	if len(near) == 0 {
		return
	}
	if o.Suggestions == nil {
		o.Suggestions = map[string][]string{}
	}
	o.Suggestions[slug] = near
}

// allowed gives a tool that the session may use, or nil. Its own meta tools are
// among them.
func (s *Service) allowed(ctx context.Context, h *Handle, slug string) (*catalog.Tool, error) {
	if meta := s.metas.tool(strings.ToUpper(slug), h.Config.MultiAccount.Enable); meta != nil && h.Rules.Meta(meta.Slug) == nil {
		return meta, nil
	}
	if own := h.Own.tool(ctx, slug); own != nil {
		return own, nil
	}
	t, err := s.opts.Catalog.Tool(ctx, h.ProjectID, slug, "")
	switch {
	case domain.CodeOf(err) == domain.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case !h.Rules.Allows(t):
		return nil, nil
	}
	return t, nil
}

// nearest gives up to three allowed slugs that look like slug.
func (s *Service) nearest(ctx context.Context, h *Handle, slug string) []string {
	var near []string
	for _, n := range s.opts.Catalog.Nearest(ctx, h.ProjectID, slug, 20) {
		t, err := s.opts.Catalog.Tool(ctx, h.ProjectID, n, "")
		if err == nil && h.Rules.Allows(t) && len(near) < 3 {
			near = append(near, n)
		}
	}
	return near
}
