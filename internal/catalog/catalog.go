// Package catalog knows the toolkits, tools and trigger types of a project and finds
// them.
//
// Built-in toolkits are the same for every project and never change while the
// process runs; imported ones will be added per project.
package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// Tool is a tool with the toolkit it belongs to.
type Tool struct {
	*toolkit.Tool
	Toolkit *toolkit.Toolkit
}

// Tags are the wire's tags: the hints, and "important" for the useful few.
func (t *Tool) Tags() []string {
	tags := t.Hints.Tags()
	if t.Important {
		tags = append(tags, "important")
	}
	return tags
}

// HasTag says whether Tags has the tag.
func (t *Tool) HasTag(tag string) bool {
	switch tag {
	case "readOnlyHint":
		return t.Hints.ReadOnly
	case "destructiveHint":
		return t.Hints.Destructive
	case "idempotentHint":
		return t.Hints.Idempotent
	case "openWorldHint":
		return t.Hints.OpenWorld
	case "important":
		return t.Important
	}
	return false
}

// Catalog is a set of toolkits. It is safe for concurrent use.
type Catalog struct {
	toolkits []*toolkit.Toolkit
	bySlug   map[string]*toolkit.Toolkit
	tools    []*Tool // by toolkit, then slug
	byTool   map[string]*Tool
	triggers []*Trigger // by toolkit, then slug
	byType   map[string]*Trigger
	index    *index
}

// New makes a catalogue. It fails when two toolkits or tools share a slug or a
// slug is not usable as a tool name (1–64 of letters, digits, _ and -).
func New(toolkits ...*toolkit.Toolkit) (*Catalog, error) {
	c := &Catalog{bySlug: map[string]*toolkit.Toolkit{}, byTool: map[string]*Tool{}, byType: map[string]*Trigger{}}
	for _, tk := range toolkits {
		if err := c.add(tk); err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
	}
	slices.SortFunc(c.toolkits, func(a, b *toolkit.Toolkit) int { return cmp.Compare(a.Slug, b.Slug) })
	slices.SortFunc(c.tools, func(a, b *Tool) int {
		return cmp.Or(cmp.Compare(a.Toolkit.Slug, b.Toolkit.Slug), cmp.Compare(a.Slug, b.Slug))
	})
	sortTriggers(c.triggers)
	c.index = buildIndex(c.tools)
	return c, nil
}

func (c *Catalog) add(tk *toolkit.Toolkit) error {
	if tk.Slug == "" || tk.Slug != strings.ToLower(tk.Slug) {
		return fmt.Errorf("toolkit slug %q: must be lower case and not empty", tk.Slug)
	}
	if c.bySlug[tk.Slug] != nil {
		return fmt.Errorf("toolkit %q is there twice", tk.Slug)
	}
	c.bySlug[tk.Slug] = tk
	c.toolkits = append(c.toolkits, tk)
	for i := range tk.Tools {
		t := &Tool{Tool: &tk.Tools[i], Toolkit: tk}
		if !usableName(t.Slug) {
			return fmt.Errorf("tool slug %q: must be 1–64 letters, digits, _ or -", t.Slug)
		}
		if c.byTool[t.Slug] != nil {
			return fmt.Errorf("tool %q is there twice", t.Slug)
		}
		c.byTool[t.Slug] = t
		c.tools = append(c.tools, t)
	}
	return c.addTriggers(tk)
}

func usableName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}) < 0
}

// Toolkits gives the project's toolkits in the order of their slugs.
func (c *Catalog) Toolkits(_ context.Context, _ string) []*toolkit.Toolkit { return c.toolkits }

// Toolkit gives one toolkit by slug, in any case. An unknown slug is
// CodeNotFound with the nearest known ones.
func (c *Catalog) Toolkit(_ context.Context, _, slug string) (*toolkit.Toolkit, error) {
	if tk := c.bySlug[strings.ToLower(slug)]; tk != nil {
		return tk, nil
	}
	known := make([]string, 0, len(c.toolkits))
	for _, tk := range c.toolkits {
		known = append(known, tk.Slug)
	}
	return nil, unknown("toolkit", slug, known)
}

// Tools gives the project's tools, ordered by toolkit and slug.
func (c *Catalog) Tools(_ context.Context, _ string) []*Tool { return c.tools }

// Tool gives one tool by slug, in any case. An empty version and "latest" mean
// the newest; another that the toolkit does not have is CodeNotFound.
func (c *Catalog) Tool(_ context.Context, _, slug, version string) (*Tool, error) {
	t := c.byTool[slug]
	if t == nil {
		t = c.byTool[strings.ToUpper(slug)]
	}
	if t == nil {
		return nil, unknown("tool", slug, c.slugs())
	}
	if version != "" && version != "latest" && version != t.Toolkit.Version && version != baseVersion {
		return nil, domain.Errorf(domain.CodeNotFound, "tool %s has no version %q", t.Slug, version[:min(len(version), 32)]).
			WithFix("Use %q or \"latest\".", t.Toolkit.Version)
	}
	return t, nil
}

// baseVersion is the contract's name for "whatever is there" (§4.2).
const baseVersion = "00000000_00"

func (c *Catalog) slugs() []string {
	slugs := make([]string, 0, len(c.tools))
	for _, t := range c.tools {
		slugs = append(slugs, t.Slug)
	}
	return slugs
}

// Nearest gives up to n known tool slugs that look like slug, nearest first.
func (c *Catalog) Nearest(_ context.Context, _, slug string, n int) []string {
	return nearest(slug, c.slugs(), n)
}

func unknown(what, slug string, known []string) error {
	shown := slug
	if len(shown) > maxAlike {
		shown = strings.ToValidUTF8(shown[:maxAlike], "") + "…"
	}
	e := domain.Errorf(domain.CodeNotFound, "there is no %s %q", what, shown)
	if near := nearest(slug, known, 3); len(near) > 0 {
		return e.WithFix("Did you mean %s?", strings.Join(near, ", "))
	}
	return e
}
