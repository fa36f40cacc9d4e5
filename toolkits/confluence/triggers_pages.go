package confluence

import (
	"cmp"
	"context"
	"net/url"
	"slices"

	"github.com/sluice-run/sluice/toolkit"
)

type pageCreatedConfig struct {
	SpaceID  string `json:"spaceId,omitempty" jsonschema_description:"Only pages in this space: its id or its key (MKT)."`
	ParentID string `json:"parentId,omitempty" jsonschema_description:"Only pages directly under this page: its id or its address."`
	Status   string `json:"status,omitempty" jsonschema:"enum=current,enum=archived,default=current" jsonschema_description:"Only pages with this status when they are found."`
}

func (cfg pageCreatedConfig) query() url.Values {
	q := url.Values{"status": {"current"}}
	set(q, "space-id", cfg.SpaceID)
	set(q, "status", cfg.Status)
	return q
}

func (cfg pageCreatedConfig) keep(p *page) bool {
	return (cfg.ParentID == "" || p.ParentID == cfg.ParentID) && (cfg.SpaceID == "" || p.SpaceID == cfg.SpaceID) &&
		(p.Status == cfg.Status || cfg.Status == "" && p.Status == "current")
}

// unseen are what no trigger on content can see.
const (
	blindGone   = "What is created and deleted again between two polls is not seen, nor when it is restored later."
	blindMoved  = "What is moved in from another space within minutes of being created there may count as new."
	blindHidden = "What the account may not see at that time is not reported later, when it may."
)

var pageCreated = toolkit.Poll("CONFLUENCE_PAGE_CREATED_TRIGGER", "New Page Created",
	"Fires once for each page that is published, on the whole site or in one space, also when it was a draft for long. "+
		"Not for moved, copied-back or restored pages; for edits use page updated.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords: []string{"new document", "new article", "somebody writes", "published"},
		Blind:    []string{blindGone, blindMoved, blindHidden},
		Endpoints: []string{
			"GET /wiki/api/v2/pages", "GET /wiki/api/v2/pages/{page-id}/versions/{version-number}", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}",
			"GET /wiki/api/v2/pages/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage,
	},
	toolkit.Poller[*client, pageCreatedConfig, feed, contentEvent]{
		Example: exampleContent("page", "Q3 Planning", 1),
		Check: func(ctx context.Context, c *client, cfg pageCreatedConfig) (_ pageCreatedConfig, err error) {
			if cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID); err == nil && cfg.ParentID != "" {
				cfg.ParentID, err = c.checkContent(ctx, "page", "parentId", cfg.ParentID)
			}
			return cfg, err
		},
		Sample: sampled(func(cfg pageCreatedConfig, e *contentEvent) {
			e.Resource.lieUnder(cfg.ParentID)
			e.Resource.lieIn(cfg.SpaceID)
			e.Resource.Status = cmp.Or(cfg.Status, e.Resource.Status)
		}),
		Poll: func(ctx context.Context, c *client, cfg pageCreatedConfig, cur *feed) (step toolkit.Step[feed, contentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			step.Events, step.More, err = c.createdIn(ctx, &step.Cursor, "page", cfg.query(), cfg.keep)
			return step, err
		},
		Receive: func(ctx context.Context, c *client, cfg pageCreatedConfig, in toolkit.Inbound) ([]toolkit.Event[contentEvent], error) {
			return c.toldOfCreated(ctx, in, "page", cfg.keep)
		},
	})

type pageUpdatedConfig struct {
	PageID      string `json:"pageId,omitempty" jsonschema_description:"Only this page: its id or its address."`
	SpaceID     string `json:"spaceId,omitempty" jsonschema_description:"Only pages in this space: its id or its key (MKT)."`
	IgnoreMinor bool   `json:"ignoreMinor,omitempty" jsonschema_description:"Leave out edits that were marked as minor, of which nobody was notified."`
}

const blindVersions = "Of one page at most 1,000 versions between two polls are reported, the latest."

var pageUpdated = toolkit.Poll("CONFLUENCE_PAGE_UPDATED_TRIGGER", "Page Updated",
	"Fires once for each new version of a page: of one page, of those in a space or on the whole site. Every version between two polls is reported by itself. "+
		"Not for labels, comments, likes or moves; for new pages use new page created.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords: []string{"edited", "changed", "modified", "revision", "document changed"},
		Blind:    []string{blindVersions, "A version whose page is in the trash when it is polled is not seen.", blindHidden},
		Endpoints: []string{
			"GET /wiki/api/v2/pages", "GET /wiki/api/v2/pages/{id}/versions", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage, IdleMore: "6 points for a single page",
	},
	toolkit.Poller[*client, pageUpdatedConfig, feed, contentEvent]{
		Example: exampleContent("page", "Q3 Planning", 4),
		Check: func(ctx context.Context, c *client, cfg pageUpdatedConfig) (_ pageUpdatedConfig, err error) {
			if cfg.PageID != "" && cfg.SpaceID != "" {
				return cfg, toolkit.Invalid("spaceId", "spaceId: give pageId or spaceId, not both; a page is in one space only")
			}
			if cfg.PageID != "" {
				cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
				return cfg, err
			}
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg pageUpdatedConfig, e *contentEvent) {
			e.Resource.be(cfg.PageID)
			e.Resource.lieIn(cfg.SpaceID)
		}),
		Poll: func(ctx context.Context, c *client, cfg pageUpdatedConfig, cur *feed) (step toolkit.Step[feed, contentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			if cfg.PageID != "" {
				step.Events, step.More, err = c.versionsOf(ctx, &step.Cursor, "page", cfg.PageID, "pageId", cfg.IgnoreMinor)
				return step, err
			}
			q := url.Values{}
			set(q, "space-id", cfg.SpaceID)
			step.Events, step.More, err = c.updatedIn(ctx, &step.Cursor, "page", q, cfg.IgnoreMinor)
			return step, err
		},
		Receive: func(ctx context.Context, c *client, cfg pageUpdatedConfig, in toolkit.Inbound) ([]toolkit.Event[contentEvent], error) {
			return c.toldOfUpdate(ctx, in, "page", func(p *page) bool {
				return (cfg.PageID == "" || p.ID == cfg.PageID) && (cfg.SpaceID == "" || p.SpaceID == cfg.SpaceID) && !(cfg.IgnoreMinor && p.Version.MinorEdit)
			})
		},
	})

type pageIDConfig struct {
	PageID string `json:"pageId" jsonschema:"minLength=1" jsonschema_description:"The page: its id or its address."`
}

func checkPage(ctx context.Context, c *client, cfg pageIDConfig) (_ pageIDConfig, err error) {
	cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
	return cfg, err
}

var pageVersionCreated = toolkit.Poll("CONFLUENCE_PAGE_VERSION_CREATED_TRIGGER", "Page Version Created",
	"Fires once for each new version of one page, minor edits and ticked tasks included. Use page updated for all pages of a space.",
	toolkit.TriggerAbout{
		Scopes:    toolkit.AllOf(scopeReadPage),
		Keywords:  []string{"revision", "history", "edited", "this document changed"},
		Blind:     []string{blindVersions},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/versions", "GET /wiki/api/v2/pages/{id}"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 6, IdleMore: "2 points for a page with one version",
	},
	toolkit.Poller[*client, pageIDConfig, feed, contentEvent]{
		Example: exampleContent("page", "Q3 Planning", 4),
		Check:   checkPage,
		Sample: sampled(func(cfg pageIDConfig, e *contentEvent) {
			e.Resource.be(cfg.PageID)
		}),
		Poll: func(ctx context.Context, c *client, cfg pageIDConfig, cur *feed) (step toolkit.Step[feed, contentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			step.Events, step.More, err = c.versionsOf(ctx, &step.Cursor, "page", cfg.PageID, "pageId", false)
			return step, err
		},
		Receive: func(ctx context.Context, c *client, cfg pageIDConfig, in toolkit.Inbound) ([]toolkit.Event[contentEvent], error) {
			return c.toldOfUpdate(ctx, in, "page", func(p *page) bool { return p.ID == cfg.PageID })
		},
	})

type childPageConfig struct {
	ParentID string `json:"parentId" jsonschema:"minLength=1" jsonschema_description:"The page above: its id or its address."`
}

// childContent is content directly under a page.
type childContent struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Title   string `json:"title"`
	SpaceID string `json:"spaceId"`
}

var newChildPage = toolkit.Poll("CONFLUENCE_NEW_CHILD_PAGE_TRIGGER", "New Child Page",
	"Fires when a page comes directly under a given page: created there, moved there or restored. Not for pages further below; for a whole space use new page created.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf("read:hierarchical-content:confluence", scopeReadPage),
		Keywords: []string{"subpage", "nested", "below", "under this page"},
		Blind: []string{
			"A page that comes and goes between two polls is not seen; one that goes and comes back is not either.",
			"It is for pages with at most 10,000 children.",
		},
		Endpoints: []string{"GET /wiki/api/v2/pages/{id}/direct-children", "GET /wiki/api/v2/pages/{id}"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1, IdleMore: "and a point for each child; a request for each 250",
	},
	toolkit.Poller[*client, childPageConfig, members, contentEvent]{
		Example: exampleContent("page", "Q3 Planning", 1),
		Check: func(ctx context.Context, c *client, cfg childPageConfig) (_ childPageConfig, err error) {
			cfg.ParentID, err = c.checkContent(ctx, "page", "parentId", cfg.ParentID)
			return cfg, err
		},
		Sample: sampled(func(cfg childPageConfig, e *contentEvent) {
			e.Resource.lieUnder(cfg.ParentID)
		}),
		Poll: func(ctx context.Context, c *client, cfg childPageConfig, cur *members) (toolkit.Step[members, contentEvent], error) {
			return pollMembers(ctx, c, cur, request{
				path: v2 + "/pages/" + cfg.ParentID + "/direct-children", query: url.Values{"sort": {"id"}},
				what: "page with id " + cfg.ParentID, field: "parentId", scopes: []string{"read:hierarchical-content:confluence"},
			}, func(k childContent) (string, bool) { return k.ID, k.Type == "" || k.Type == "page" },
				func(ctx context.Context, k childContent, base, stamp string) (*toolkit.Event[contentEvent], error) {
					p, err := c.content(ctx, "page", k.ID, "")
					if isStatus(err, 404) {
						return nil, nil // gone meanwhile
					}
					if err != nil {
						return nil, err
					}
					if p.ParentID == "" {
						p.ParentID = cfg.ParentID
					}
					e := c.createdEvent("page", p, "")
					e.Key = "page:" + p.ID + ":under:" + cfg.ParentID + ":" + stamp
					e.OccurredAt = c.now()
					if at := c.when(p.CreatedAt); p.Version != nil && p.Version.Number == 1 && at.After(e.OccurredAt.Add(-overlap)) {
						e.OccurredAt = at
					}
					e.Payload.OccurredAt = stampOf(e.OccurredAt)
					return &e, nil
				})
		},
	})

// sortedIDs gives the keys of a map in order.
func sortedIDs[V any](m map[string]V) []string {
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
