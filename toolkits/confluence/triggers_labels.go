package confluence

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type blogLabelConfig struct {
	Label   string `json:"label" jsonschema:"minLength=1" jsonschema_description:"The label: its name (urgent) or its id."`
	SpaceID string `json:"spaceId,omitempty" jsonschema_description:"Only blog posts in this space: its id or its key (MKT)."`
}

type labelEvent struct {
	happened
	Change labelChange `json:"change" jsonschema_description:"What changed."`
}

type labelChange struct {
	Label label `json:"label" jsonschema_description:"The label that was added."`
}

var blogPostLabelled = toolkit.Poll("CONFLUENCE_BLOG_POST_ADDED_TO_LABEL_TRIGGER", "Blog Post Added To Label",
	"Fires when a blog post gets a given label, when it is written or later. Not for pages: use new CQL content match for those (label = \"urgent\").",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes("read:label:confluence").Sometimes("read:content:confluence").Sometimes(scopeReadSpace),
		Keywords: []string{"tagged", "labelled", "news", "categorised"},
		Blind: []string{
			"A label that is taken off and put on again between two polls is not seen.",
			"A labelled blog post that comes back from the trash counts as labelled anew.",
			"Confluence does not say who put the label on, nor when: the time is that of the poll.",
			"It is for labels with at most 10,000 blog posts.",
		},
		Endpoints: []string{
			"GET /wiki/api/v2/labels/{id}/blogposts", "GET /wiki/rest/api/label", "GET /wiki/api/v2/labels", "GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1, IdleMore: "and a point for each blog post with the label; a request for each 250",
	},
	toolkit.Poller[*client, blogLabelConfig, members, labelEvent]{
		Example: labelEvent{exampleContent("blogpost", "Welcome Ada", 1).happened, labelChange{label{ID: "131073", Name: "urgent", Prefix: "global"}}},
		Check: func(ctx context.Context, c *client, cfg blogLabelConfig) (blogLabelConfig, error) {
			cfg.Label = strings.TrimSpace(cfg.Label)
			id, err := c.labelID(ctx, "label", cfg.Label)
			if err != nil {
				return cfg, err
			}
			if cfg.Label == id {
				got, err := fetchOne[label](ctx, c, request{path: v2 + "/labels", query: url.Values{"label-id": {id}}, scopes: []string{"read:label:confluence"}}, 1, "")
				if err != nil {
					return cfg, err
				}
				if len(got.items) == 0 {
					return cfg, &toolkit.Error{
						Kind: toolkit.KindNotFound, Field: "label", Message: "There is no label with the id " + id + ".",
						Fix: "List the labels with CONFLUENCE_GET_LABELS.",
					}
				}
			}
			cfg.Label = id
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg blogLabelConfig, e *labelEvent) {
			e.Resource.lieIn(cfg.SpaceID)
			if strings.Trim(cfg.Label, "0123456789") == "" {
				e.Change.Label.ID = cmp.Or(cfg.Label, e.Change.Label.ID)
			} else {
				e.Change.Label.Name = cfg.Label
			}
		}),
		Poll: func(ctx context.Context, c *client, cfg blogLabelConfig, cur *members) (toolkit.Step[members, labelEvent], error) {
			id, err := c.labelID(ctx, "label", cfg.Label)
			if err != nil {
				return toolkit.Step[members, labelEvent]{}, err
			}
			q := url.Values{"sort": {"id"}}
			set(q, "space-id", cfg.SpaceID)
			change := labelChange{label{ID: id}}
			return pollMembers(ctx, c, cur, request{
				path: v2 + "/labels/" + id + "/blogposts", query: q, what: "label with id " + id, field: "label", scopes: []string{scopeReadPage},
			}, func(p page) (string, bool) { return p.ID, p.Status == "" || p.Status == "current" },
				func(ctx context.Context, p page, base, stamp string) (*toolkit.Event[labelEvent], error) {
					if change.Label.Name == "" {
						got, err := fetchOne[label](ctx, c, request{path: v2 + "/labels", query: url.Values{"label-id": {id}}, scopes: []string{"read:label:confluence"}}, 1, "")
						if err != nil {
							return nil, err
						}
						if len(got.items) > 0 {
							change.Label = got.items[0]
						}
					}
					at := c.now()
					return &toolkit.Event[labelEvent]{
						Key: "blogpost:" + p.ID + ":label:" + id + ":" + stamp, OccurredAt: at,
						Payload: labelEvent{happened{OccurredAt: stampOf(at), Resource: c.about("blogpost", &p, base)}, change},
					}, nil
				})
		},
	})
