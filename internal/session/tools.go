package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/sluice-run/sluice/internal/catalog"
)

// ToolSet is what a session lists: the meta tools and the preloaded tools.
type ToolSet struct {
	// Key is equal for sets with the same bytes: a cache key for marshalled lists.
	Key   string
	Tools []*catalog.Tool
}

// Tools gives the session's listed tools: meta tools first, then preloaded ones
// by slug. The set is shared: it must not be changed.
func (s *Service) Tools(h *Handle) (*ToolSet, error) {
	e := s.cache.get(&h.Session)
	e.once.Do(func() { e.set = s.toolSet(h) })
	return e.set, nil
}

// MetaSlugs gives the slugs of the meta tools that the session offers.
func (s *Service) MetaSlugs(h *Handle) []string { return h.Rules.MetaTools() }

func (s *Service) toolSet(h *Handle) *ToolSet {
	multi := h.Config.MultiAccount.Enable
	sum := sha256.New()
	if multi {
		sum.Write([]byte("multi-account\n"))
	}
	set := &ToolSet{}
	add := func(t *catalog.Tool) {
		set.Tools = append(set.Tools, t)
		sum.Write([]byte(t.Slug + "@" + t.Toolkit.Version + "\n"))
	}
	for _, slug := range h.Rules.MetaTools() {
		add(s.metas.tool(slug, multi))
	}
	for _, t := range s.preloaded(h) {
		add(t)
	}
	set.Key = hex.EncodeToString(sum.Sum(nil))
	return set
}

// preloaded gives the app tools that the session lists, by slug. What its rules
// hide is never among them.
func (s *Service) preloaded(h *Handle) []*catalog.Tool {
	ctx := context.Background() // the catalogue is in memory
	var list []*catalog.Tool
	if h.Config.Preload.All {
		for _, t := range s.opts.Catalog.Tools(ctx, h.ProjectID) {
			if h.allows(t) {
				list = append(list, t)
			}
		}
	} else {
		for _, slug := range h.Config.Preload.Tools {
			// A tool that a newer catalogue no longer has is left out.
			if t, err := s.opts.Catalog.Tool(ctx, h.ProjectID, slug, ""); err == nil && h.Rules.Allows(t) {
				list = append(list, t)
			}
		}
	}
	slices.SortFunc(list, func(a, b *catalog.Tool) int {
		if a.Slug < b.Slug {
			return -1
		}
		return 1
	})
	return list[:min(len(list), maxPreloaded)]
}
