package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/toolkit"
)

// toolkitFilter is what a list of toolkits is asked for; empty fields do not
// narrow it.
type toolkitFilter struct {
	slugs                               []string // nil: all
	category, managed, typ, sort, words string
}

// usageTime is how far back toolkits are ranked by their use.
const usageTime = 30 * 24 * time.Hour

func (s *server) listToolkits(ctx context.Context, in *listQuery) (page[toolkitOut], error) {
	w, err := in.window(defaultPage, maxTools)
	if err != nil {
		return page[toolkitOut]{}, err
	}
	if _, err := in.flag("include_deprecated"); err != nil {
		return page[toolkitOut]{}, err
	}
	return s.toolkitPage(ctx, w, toolkitFilter{
		category: in.text("category"), managed: in.text("managed_by"), typ: in.text("type"),
		sort: in.text("sort_by"), words: in.text("search"),
	})
}

type findToolkitsIn struct{ Body *findToolkitsBody }

type findToolkitsBody struct {
	Toolkits  []string `json:"toolkits,omitempty" maxItems:"1000" nullable:"true" doc:"Only these; a slug that is not here finds nothing"`
	Category  string   `json:"category,omitempty" doc:"Only of this category"`
	ManagedBy string   `json:"managed_by,omitempty" doc:"composio, all or project"`
	SortBy    string   `json:"sort_by,omitempty" doc:"usage or alphabetically"`
	Limit     *float64 `json:"limit,omitempty" doc:"Items on a page; brought into its bounds, never refused"`
	Cursor    string   `json:"cursor,omitempty" doc:"Next page: next_cursor of the page before"`
}

// findToolkits is listToolkits with the question in the body, where many names
// have room.
func (s *server) findToolkits(ctx context.Context, in *findToolkitsIn) (page[toolkitOut], error) {
	b := in.Body
	if b == nil {
		b = &findToolkitsBody{}
	}
	q := Query{values: map[string][]string{"cursor": {b.Cursor}}}
	if b.Limit != nil {
		q.values["limit"] = []string{fmt.Sprint(*b.Limit)}
	}
	w, err := q.window(defaultPage, maxTools)
	if err != nil {
		return page[toolkitOut]{}, err
	}
	return s.toolkitPage(ctx, w, toolkitFilter{slugs: lower(b.Toolkits), category: b.Category, managed: b.ManagedBy, sort: b.SortBy})
}

func (s *server) toolkitPage(ctx context.Context, w window, f toolkitFilter) (page[toolkitOut], error) {
	var none page[toolkitOut]
	for _, c := range []struct {
		field, value string
		words        []string
	}{
		{"managed_by", f.managed, []string{"all", "composio", "project"}},
		{"type", f.typ, []string{"all", "native", "custom"}},
		{"sort_by", f.sort, []string{"usage", "alphabetically"}},
	} {
		if c.value != "" && !slices.Contains(c.words, c.value) {
			return none, domain.Invalid(c.field, "%s: expected one of %s", c.field, strings.Join(c.words, ", "))
		}
	}
	c := callerOf(ctx)
	var found []*toolkit.Toolkit
	for _, tk := range s.Catalog.Toolkits(ctx, c.principal.ProjectID) {
		if f.keeps(tk) {
			found = append(found, tk)
		}
	}
	var used map[string]int
	if f.sort == "usage" {
		var err error
		if used, err = s.Execute.ToolkitUse(ctx, c.principal.ProjectID, s.Now().Add(-usageTime)); err != nil {
			return none, err
		}
	}
	slices.SortStableFunc(found, func(a, b *toolkit.Toolkit) int {
		return cmp.Or(cmp.Compare(used[b.Slug], used[a.Slug]), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
	})
	return cut(w, found, func(tk *toolkit.Toolkit) toolkitOut { return toolkitWire(tk, c.v3) }), nil
}

func (f *toolkitFilter) keeps(tk *toolkit.Toolkit) bool {
	switch {
	case f.managed == "project", f.typ == "custom": // imported toolkits: there are none yet
	case f.slugs != nil && !slices.Contains(f.slugs, tk.Slug):
	case f.category != "" && !slices.ContainsFunc(tk.Categories, func(k string) bool { return strings.EqualFold(k, f.category) }):
	case !mentions(f.words, tk.Slug, tk.Name, tk.Description):
	default:
		return true
	}
	return false
}

type toolkitChangesOut struct {
	Items []toolkitVersions `json:"items"`
}

type toolkitVersions struct {
	Slug        string          `json:"slug"`
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Versions    []toolkitChange `json:"versions"`
}

type toolkitChange struct {
	Version   string `json:"version"`
	Changelog string `json:"changelog"`
}

// toolkitChanges gives the one version that a server has of each toolkit: older
// ones went with the program that had them.
func (s *server) toolkitChanges(ctx context.Context, _ *struct{}) (toolkitChangesOut, error) {
	out := toolkitChangesOut{Items: []toolkitVersions{}}
	for _, tk := range s.Catalog.Toolkits(ctx, callerOf(ctx).principal.ProjectID) {
		out.Items = append(out.Items, toolkitVersions{
			Slug: tk.Slug, Name: tk.Name, DisplayName: tk.Name,
			Versions: []toolkitChange{{
				Version:   tk.Version,
				Changelog: fmt.Sprintf("The version of this server. Tools: %d, triggers: %d.", len(tk.Tools), len(tk.Triggers)),
			}},
		})
	}
	return out, nil
}

// hasVersion says whether v names the toolkit's version: the contract's latest
// and base version do, and so does none.
func hasVersion(tk *toolkit.Toolkit, v string) bool {
	return v == "" || v == "latest" || v == "00000000_00" || v == tk.Version
}

// checkVersion refuses a version that the toolkit does not have.
func checkVersion(tk *toolkit.Toolkit, v string) error {
	if hasVersion(tk, v) {
		return nil
	}
	return domain.Errorf(domain.CodeNotFound, "toolkit %s has no version %q", tk.Slug, v[:min(len(v), 32)]).
		WithFix("Use %q or \"latest\"; this server has one version of each toolkit.", tk.Version)
}
