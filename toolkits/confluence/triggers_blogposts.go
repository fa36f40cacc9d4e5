package confluence

import (
	"context"
	"net/url"

	"github.com/sluice-run/sluice/toolkit"
)

type blogCreatedConfig struct {
	SpaceID string `json:"spaceId,omitempty" jsonschema_description:"Only blog posts in this space: its id or its key (MKT)."`
}

func (cfg blogCreatedConfig) query() url.Values {
	q := url.Values{}
	set(q, "space-id", cfg.SpaceID)
	return q
}

func (cfg blogCreatedConfig) keep(p *page) bool {
	return p.Status == "current" && (cfg.SpaceID == "" || p.SpaceID == cfg.SpaceID)
}

const blindBackdated = "A blog post that is given a day in the past when it is published is seen only if that is later than what was seen last."

var blogPostCreated = toolkit.Poll("CONFLUENCE_NEW_BLOG_POST_CREATED_TRIGGER", "New Blog Post",
	"Fires once for each blog post that is published, on the whole site or in one space, also when it was a draft for long. "+
		"Not for moved or restored ones; for edits use blog post updated.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords: []string{"news", "announcement", "published", "posted"},
		Blind:    []string{blindGone, blindHidden, blindBackdated},
		Endpoints: []string{
			"GET /wiki/api/v2/blogposts", "GET /wiki/api/v2/blogposts/{blogpost-id}/versions/{version-number}", "GET /wiki/api/v2/blogposts/{id}",
			"GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage,
	},
	toolkit.Poller[*client, blogCreatedConfig, feed, contentEvent]{
		Example: exampleContent("blogpost", "Welcome Ada", 1),
		Check: func(ctx context.Context, c *client, cfg blogCreatedConfig) (_ blogCreatedConfig, err error) {
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg blogCreatedConfig, e *contentEvent) {
			e.Resource.lieIn(cfg.SpaceID)
		}),
		Poll: func(ctx context.Context, c *client, cfg blogCreatedConfig, cur *feed) (step toolkit.Step[feed, contentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			step.Events, step.More, err = c.createdIn(ctx, &step.Cursor, "blogpost", cfg.query(), cfg.keep)
			return step, err
		},
		Receive: func(ctx context.Context, c *client, cfg blogCreatedConfig, in toolkit.Inbound) ([]toolkit.Event[contentEvent], error) {
			return c.toldOfCreated(ctx, in, "blogpost", cfg.keep)
		},
	})

type blogUpdatedConfig struct {
	BlogpostID string `json:"blogpostId,omitempty" jsonschema_description:"Only this blog post: its id or its address."`
	SpaceID    string `json:"spaceId,omitempty" jsonschema_description:"Only blog posts in this space: its id or its key (MKT)."`
}

var blogPostUpdated = toolkit.Poll("CONFLUENCE_BLOGPOST_UPDATED_TRIGGER", "Blog Post Updated",
	"Fires once for each new version of a blog post: of one, of those in a space or on the whole site. Every version between two polls is reported by itself. "+
		"Not for labels, comments or likes; for new ones use new blog post.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords: []string{"edited", "changed", "modified", "revision", "news changed"},
		Blind:    []string{blindVersions, "A version whose blog post is in the trash when it is polled is not seen.", blindHidden},
		Endpoints: []string{
			"GET /wiki/api/v2/blogposts", "GET /wiki/api/v2/blogposts/{id}/versions", "GET /wiki/api/v2/blogposts/{id}",
			"GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage, IdleMore: "6 points for a single blog post",
	},
	toolkit.Poller[*client, blogUpdatedConfig, feed, contentEvent]{
		Example: exampleContent("blogpost", "Welcome Ada", 2),
		Check: func(ctx context.Context, c *client, cfg blogUpdatedConfig) (_ blogUpdatedConfig, err error) {
			if cfg.BlogpostID != "" && cfg.SpaceID != "" {
				return cfg, toolkit.Invalid("spaceId", "spaceId: give blogpostId or spaceId, not both; a blog post is in one space only")
			}
			if cfg.BlogpostID != "" {
				cfg.BlogpostID, err = c.checkContent(ctx, "blogpost", "blogpostId", cfg.BlogpostID)
				return cfg, err
			}
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg blogUpdatedConfig, e *contentEvent) {
			e.Resource.be(cfg.BlogpostID)
			e.Resource.lieIn(cfg.SpaceID)
		}),
		Poll: func(ctx context.Context, c *client, cfg blogUpdatedConfig, cur *feed) (step toolkit.Step[feed, contentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			if cfg.BlogpostID != "" {
				step.Events, step.More, err = c.versionsOf(ctx, &step.Cursor, "blogpost", cfg.BlogpostID, "blogpostId", false)
				return step, err
			}
			q := url.Values{}
			set(q, "space-id", cfg.SpaceID)
			step.Events, step.More, err = c.updatedIn(ctx, &step.Cursor, "blogpost", q, false)
			return step, err
		},
		Receive: func(ctx context.Context, c *client, cfg blogUpdatedConfig, in toolkit.Inbound) ([]toolkit.Event[contentEvent], error) {
			return c.toldOfUpdate(ctx, in, "blogpost", func(p *page) bool {
				return (cfg.BlogpostID == "" || p.ID == cfg.BlogpostID) && (cfg.SpaceID == "" || p.SpaceID == cfg.SpaceID)
			})
		},
	})
