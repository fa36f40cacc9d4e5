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

// Trigger is a trigger type with the toolkit it belongs to.
type Trigger struct {
	*toolkit.Trigger
	Toolkit *toolkit.Toolkit
}

func (c *Catalog) addTriggers(tk *toolkit.Toolkit) error {
	for i := range tk.Triggers {
		t := &Trigger{Trigger: &tk.Triggers[i], Toolkit: tk}
		if !usableName(t.Slug) || t.Slug != strings.ToUpper(t.Slug) {
			return fmt.Errorf("trigger slug %q: must be 1–64 capital letters, digits, _ or -", t.Slug)
		}
		if c.byType[t.Slug] != nil {
			return fmt.Errorf("trigger %q is there twice", t.Slug)
		}
		c.byType[t.Slug] = t
		c.triggers = append(c.triggers, t)
	}
	return nil
}

func sortTriggers(list []*Trigger) {
	slices.SortFunc(list, func(a, b *Trigger) int {
		return cmp.Or(cmp.Compare(a.Toolkit.Slug, b.Toolkit.Slug), cmp.Compare(a.Slug, b.Slug))
	})
}

// Triggers gives the project's trigger types, ordered by toolkit and slug.
func (c *Catalog) Triggers(_ context.Context, _ string) []*Trigger { return c.triggers }

// Trigger gives one trigger type by slug, in any case. Versions are as for Tool.
func (c *Catalog) Trigger(_ context.Context, _, slug, version string) (*Trigger, error) {
	t := c.byType[strings.ToUpper(slug)]
	if t == nil {
		known := make([]string, 0, len(c.triggers))
		for _, one := range c.triggers {
			known = append(known, one.Slug)
		}
		return nil, unknown("trigger type", slug, known)
	}
	if version != "" && version != "latest" && version != t.Toolkit.Version && version != baseVersion {
		return nil, domain.Errorf(domain.CodeNotFound, "trigger type %s has no version %q", t.Slug, version[:min(len(version), 32)]).
			WithFix("Use %q or \"latest\".", t.Toolkit.Version)
	}
	return t, nil
}
