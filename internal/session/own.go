package session

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-run/sluice/internal/catalog"
	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// OwnTool is a tool of the application that uses a session. It runs in the
// application's own process; here it is only named, and found by searches.
type OwnTool struct {
	Original          string // slug that the application gave it
	Name, Description string
	Input, Output     json.RawMessage
	// Extends is the slug of the toolkit that it goes with; empty: it stands alone.
	Extends string

	Slug string // under which agents call it; set by Own
}

// OwnToolkit is a group of an application's own tools.
type OwnToolkit struct {
	Slug, Name, Description string
	Tools                   []OwnTool
}

// Own are an application's own tools, as it sends them along: they are kept
// nowhere.
type Own struct {
	Toolkits []OwnToolkit
	Tools    []OwnTool

	slugs map[string]bool
	// merged gives the own tools among the project's; made when first asked for,
	// since most calls are for neither a search nor a schema.
	merged func() (*catalog.Catalog, error)
}

const (
	maxOwnTools   = 200
	maxOwnSlug    = 60
	ownStandalone = "custom" // the toolkit that tools are shown under which stand alone
)

var ownSlug = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Own judges an application's own tools and gives them the slugs under which
// agents call them. No tools are nil.
func (s *Service) Own(ctx context.Context, projectID string, toolkits []OwnToolkit, tools []OwnTool) (*Own, error) {
	if len(toolkits)+len(tools) == 0 {
		return nil, nil
	}
	o := &Own{Toolkits: slices.Clone(toolkits), Tools: slices.Clone(tools), slugs: map[string]bool{}}
	known := map[string]*toolkit.Toolkit{}
	for _, tk := range s.opts.Catalog.Toolkits(ctx, projectID) {
		known[tk.Slug] = tk
	}
	merged := map[string]*toolkit.Toolkit{}
	for i := range o.Tools {
		t, field := &o.Tools[i], fmt.Sprintf("experimental.custom_tools[%d]", i)
		into := &toolkit.Toolkit{Slug: ownStandalone, Name: "Custom tools", Description: "Tools of the application itself."}
		if t.Extends != "" {
			if into = known[strings.ToLower(t.Extends)]; into == nil {
				_, err := s.opts.Catalog.Toolkit(ctx, projectID, t.Extends)
				return nil, asInvalid(field+".extends_toolkit", err)
			}
		}
		if err := o.add(merged, into, t, field, t.Extends); err != nil {
			return nil, err
		}
	}
	for i := range o.Toolkits {
		tk, field := &o.Toolkits[i], fmt.Sprintf("experimental.custom_toolkits[%d]", i)
		if err := ownWords(field, tk.Slug, tk.Name, tk.Description); err != nil {
			return nil, err
		}
		slug := strings.ToLower(tk.Slug)
		if known[slug] != nil || merged[slug] != nil || slug == ownStandalone {
			return nil, domain.Invalid(field+".slug", "%s.slug: there is a toolkit %s already", field, slug).WithFix("Give it another slug.")
		}
		tk.Tools = slices.Clone(tk.Tools)
		into := &toolkit.Toolkit{Slug: slug, Name: tk.Name, Description: tk.Description}
		for j := range tk.Tools {
			if err := o.add(merged, into, &tk.Tools[j], fmt.Sprintf("%s.tools[%d]", field, j), tk.Slug); err != nil {
				return nil, err
			}
		}
	}
	all := make([]*toolkit.Toolkit, 0, len(known)+len(merged))
	for slug, tk := range known {
		if merged[slug] == nil {
			all = append(all, tk)
		}
	}
	for _, tk := range merged {
		all = append(all, tk)
	}
	o.merged = sync.OnceValues(func() (*catalog.Catalog, error) { return catalog.New(all...) })
	return o, nil
}

// add judges a tool, names it and puts it into a copy of its toolkit.
func (o *Own) add(merged map[string]*toolkit.Toolkit, into *toolkit.Toolkit, t *OwnTool, field, group string) error {
	if err := ownWords(field, t.Original, t.Name, t.Description); err != nil {
		return err
	}
	t.Slug = localPrefix + strings.ToUpper(t.Original)
	if group != "" {
		t.Slug = localPrefix + strings.ToUpper(group) + "_" + strings.ToUpper(t.Original)
	}
	switch {
	case len(t.Slug) > maxOwnSlug:
		return domain.Invalid(field+".slug", "%s.slug: as %s it has %d characters; at most %d are allowed", field, t.Slug, len(t.Slug), maxOwnSlug)
	case o.slugs[t.Slug]:
		return domain.Invalid(field+".slug", "%s.slug: %s is there twice", field, t.Slug)
	case len(o.slugs) == maxOwnTools:
		return domain.Invalid("experimental", "experimental: at most %d custom tools are allowed", maxOwnTools)
	}
	var schema struct {
		Type       string                     `json:"type"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(t.Input, &schema); err != nil || schema.Type != "object" || schema.Properties == nil {
		return domain.Invalid(field+".input_schema", `%s.input_schema: expected a JSON Schema with "type":"object" and "properties"`, field)
	}
	o.slugs[t.Slug] = true
	copied := merged[into.Slug]
	if copied == nil {
		c := *into
		c.Tools = slices.Clone(into.Tools)
		copied = &c
		merged[into.Slug] = copied
	}
	copied.Tools = append(copied.Tools, toolkit.Tool{
		Slug: t.Slug, Name: t.Name, Description: t.Description, Input: t.Input, Output: t.Output,
	})
	return nil
}

func ownWords(field, slug, name, description string) error {
	upper := strings.ToUpper(slug)
	switch {
	case len(slug) > maxOwnSlug || !ownSlug.MatchString(slug):
		return domain.Invalid(field+".slug", "%s.slug: expected 1 to %d letters, digits, _ or -", field, maxOwnSlug)
	case strings.HasPrefix(upper, localPrefix), strings.HasPrefix(upper, "COMPOSIO_"):
		return domain.Invalid(field+".slug", "%s.slug: it must not begin with LOCAL_ or COMPOSIO_, which have a meaning of their own", field)
	case strings.TrimSpace(name) == "" || len(name) > 256:
		return domain.Invalid(field+".name", "%s.name: expected 1 to 256 characters", field)
	case strings.TrimSpace(description) == "" || len(description) > 8<<10:
		return domain.Invalid(field+".description", "%s.description: expected 1 to 8192 characters", field)
	}
	return nil
}

// has says whether the tool is one of the application's own. nil Own has none.
func (o *Own) has(slug string) bool { return o != nil && o.slugs[slug] }

// tool gives one of the application's own tools, or nil.
func (o *Own) tool(ctx context.Context, slug string) *catalog.Tool {
	if slug = strings.ToUpper(slug); !o.has(slug) {
		return nil
	}
	from, err := o.merged()
	if err != nil { // own slugs are judged, and the project's are taken already
		return nil
	}
	t, err := from.Tool(ctx, "", slug, "")
	if err != nil { // it was put there
		return nil
	}
	return t
}

// catalogue is what a search of h looks through, and what of it h may use.
func (s *Service) catalogue(h *Handle) (*catalog.Catalog, func(*catalog.Tool) bool) {
	if h.Own == nil {
		return s.opts.Catalog, h.allows
	}
	from, err := h.Own.merged()
	if err != nil { // see Own.tool
		return s.opts.Catalog, h.allows
	}
	return from, func(t *catalog.Tool) bool { return h.Own.has(t.Slug) || h.allows(t) }
}
