package confluence

import (
	"cmp"
	"context"
	"net/url"
	"slices"

	"github.com/sluice-run/sluice/toolkit"
)

type spaceContentConfig struct {
	SpaceID string `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Type    string `json:"type,omitempty" jsonschema:"enum=page,enum=blogpost" jsonschema_description:"Only this kind of content; otherwise both."`
}

// twoFeeds are the pages and the blog posts of a space.
type twoFeeds struct {
	Pages feed `json:"pages"`
	Blogs feed `json:"blogs"`
}

var spaceContentAdded = toolkit.Poll("CONFLUENCE_SPACE_CONTENT_ADDED_TRIGGER", "Space Content Added",
	"Fires once for each page or blog post that is published in a space. Not for files and comments, nor for content that is moved there or restored.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.AllOf(scopeReadPage).Sometimes(scopeReadSpace),
		Keywords: []string{"new in space", "new content", "added to the wiki", "document", "news"},
		Blind:    []string{blindGone, blindMoved, blindHidden, blindBackdated},
		Endpoints: []string{
			"GET /wiki/api/v2/pages", "GET /wiki/api/v2/blogposts", "GET /wiki/api/v2/pages/{page-id}/versions/{version-number}",
			"GET /wiki/api/v2/blogposts/{blogpost-id}/versions/{version-number}", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/blogposts/{id}",
			"GET /wiki/api/v2/spaces", "GET /wiki/api/v2/spaces/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 2, IdlePoints: 2 * (1 + firstPage), IdleMore: "half of it with type",
	},
	toolkit.Poller[*client, spaceContentConfig, twoFeeds, contentEvent]{
		Example: exampleContent("page", "Q3 Planning", 1),
		Check: func(ctx context.Context, c *client, cfg spaceContentConfig) (_ spaceContentConfig, err error) {
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg spaceContentConfig, e *contentEvent) {
			if cfg.Type == "blogpost" {
				at := e.OccurredAt
				*e = exampleContent("blogpost", "Welcome Ada", 1)
				e.OccurredAt, e.Resource.Version.CreatedAt = at, at
			}
			e.Resource.lieIn(cfg.SpaceID)
		}),
		Poll: func(ctx context.Context, c *client, cfg spaceContentConfig, cur *twoFeeds) (step toolkit.Step[twoFeeds, contentEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			id, err := c.spaceID(ctx, "spaceId", cfg.SpaceID)
			if err != nil {
				return step, err
			}
			q := url.Values{"space-id": {id}}
			keep := func(p *page) bool { return p.SpaceID == id }
			for _, one := range []struct {
				kind string
				feed *feed
			}{{"page", &step.Cursor.Pages}, {"blogpost", &step.Cursor.Blogs}} {
				if cfg.Type != "" && cfg.Type != one.kind {
					continue
				}
				events, more, err := c.createdIn(ctx, one.feed, one.kind, q, keep)
				if err != nil {
					return step, err
				}
				step.Events, step.More = append(step.Events, events...), step.More || more
			}
			step.Events = inOrder(step.Events)
			return step, nil
		},
		Receive: func(ctx context.Context, c *client, cfg spaceContentConfig, in toolkit.Inbound) ([]toolkit.Event[contentEvent], error) {
			keep := func(p *page) bool { return p.SpaceID == cfg.SpaceID && p.Status == "current" }
			for _, kind := range []string{"page", "blogpost"} {
				if cfg.Type != "" && cfg.Type != kind {
					continue
				}
				events, err := c.toldOfCreated(ctx, in, kind, keep)
				if err != nil || len(events) > 0 {
					return events, err
				}
			}
			return nil, nil
		},
	})

type spaceCreatedConfig struct {
	Type string `json:"type,omitempty" jsonschema:"enum=global,enum=collaboration,enum=knowledge_base,enum=personal" jsonschema_description:"Only spaces of this type; global are those of teams."`
}

type spaceEvent struct {
	happened
	Change spaceFacts `json:"change" jsonschema_description:"What changed."`
}

type spaceFacts struct {
	Space spaceState `json:"space" jsonschema_description:"The space that was created."`
}

// spaceState is what is compared of a space.
type spaceState struct {
	Name        string `json:"name,omitempty" jsonschema_description:"Its name."`
	Description string `json:"description,omitempty" jsonschema_description:"What it is for, up to 2,000 characters."`
	HomepageID  string `json:"homepageId,omitempty" jsonschema_description:"Id of its home page."`
	Status      string `json:"status,omitempty" jsonschema_description:"current, archived …"`
	Type        string `json:"type,omitempty" jsonschema_description:"global, personal …"`
	OwnerID     string `json:"spaceOwnerId,omitempty" jsonschema_description:"Account id of its owner."`
	Key         string `json:"key,omitempty" jsonschema_description:"Its key."`
	Icon        string `json:"icon,omitempty" jsonschema_description:"Path of its icon."`
}

var spaceCreated = toolkit.Poll("CONFLUENCE_SPACE_CREATED_TRIGGER", "New Space Created",
	"Fires once for each new space that the account can see, of all types or one. Not for spaces that it may see only later; for changes use space details changed.",
	toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadSpace), Keywords: []string{"new area", "new wiki", "new team space", "project space"},
		Blind: []string{blindGone, blindHidden}, Endpoints: []string{"GET /wiki/api/v2/spaces"},
		Interval: 15 * soonest, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1 + firstPage,
	},
	toolkit.Poller[*client, spaceCreatedConfig, feed, spaceEvent]{
		Example: exampleSpace(),
		Sample: sampled(func(cfg spaceCreatedConfig, e *spaceEvent) {
			e.Change.Space.Type = cmp.Or(cfg.Type, e.Change.Space.Type)
		}),
		Poll: func(ctx context.Context, c *client, cfg spaceCreatedConfig, cur *feed) (step toolkit.Step[feed, spaceEvent], err error) {
			if cur != nil {
				step.Cursor = *cur
			}
			q := url.Values{"sort": {"-id"}, "description-format": {"plain"}}
			set(q, "type", cfg.Type)
			s := source[space]{
				loose: true, // the order of ids is not quite that of creation
				list: func(ctx context.Context, limit int, cursor string) (list[space], error) {
					return fetchOne[space](ctx, c, request{path: v2 + "/spaces", query: q, scopes: []string{scopeReadSpace}}, limit, cursor)
				},
				mark: func(s space) (string, mark) { return s.ID, mark{At: millis(s.CreatedAt)} },
			}
			step.More, err = follow(ctx, c, &step.Cursor, s, func(n newItem[space]) (bool, error) {
				if len(step.Events) >= maxPollEvents {
					return false, nil
				}
				if n.known {
					return true, nil
				}
				at := c.when(n.item.CreatedAt)
				step.Events = append(step.Events, toolkit.Event[spaceEvent]{
					Key: "space:" + n.item.ID + ":created", OccurredAt: at,
					Payload: spaceEvent{
						happened{OccurredAt: stampOf(at), Actor: by(n.item.AuthorID), Resource: c.aboutSpace(&n.item, n.base)},
						spaceFacts{stateOf(&n.item)},
					},
				})
				return true, nil
			})
			step.Events = inOrder(step.Events)
			return step, err
		},
	})

func exampleSpace() spaceEvent {
	return spaceEvent{
		happened{OccurredAt: "2026-11-22T10:00:00.000Z", Actor: by("5b10a2844c20165700ede21g"), Resource: eventResource{
			Type: "space", ID: "98304", Title: "Marketing", Status: "current", SpaceID: "98304", SpaceKey: "MKT",
			URL: "https://example.atlassian.net/wiki/spaces/MKT",
		}},
		spaceFacts{spaceState{Name: "Marketing", Description: "Campaigns and news", HomepageID: "98321", Status: "current", Type: "global", OwnerID: "5b10a2844c20165700ede21g", Key: "MKT"}},
	}
}

// aboutSpace describes a space.
func (c *client) aboutSpace(s *space, base string) eventResource {
	return eventResource{Type: "space", ID: s.ID, Title: s.Name, Status: s.Status, SpaceID: s.ID, SpaceKey: s.Key, URL: c.address(s.Links, base)}
}

// spaceDetails reads a space with all that is compared.
func (c *client) spaceDetails(ctx context.Context, id string) (*space, error) {
	var s space
	err := c.do(ctx, request{
		path: v2 + "/spaces/" + id, query: url.Values{"description-format": {"plain"}, "include-icon": {"true"}}, out: &s,
		what: "space with id " + id, field: "spaceId", scopes: []string{scopeReadSpace},
	})
	return &s, err
}

// maxShownText bounds a description in an event.
const maxShownText = 2000

func stateOf(s *space) spaceState {
	out := spaceState{Name: s.Name, HomepageID: s.HomepageID, Status: s.Status, Type: s.Type, OwnerID: s.OwnerID, Key: s.Key}
	if s.Description != nil && s.Description.Plain != nil {
		text := []rune(s.Description.Plain.Value)
		out.Description = string(text[:min(len(text), maxShownText)])
	}
	if s.Icon != nil {
		out.Icon = s.Icon.Path
	}
	return out
}

// differences names the fields in which two states differ.
func (s spaceState) differences(o spaceState) []string {
	var out []string
	for _, f := range []struct{ name, a, b string }{
		{"name", s.Name, o.Name},
		{"description", s.Description, o.Description},
		{"homepageId", s.HomepageID, o.HomepageID},
		{"status", s.Status, o.Status},
		{"type", s.Type, o.Type},
		{"spaceOwnerId", s.OwnerID, o.OwnerID},
		{"key", s.Key, o.Key},
		{"icon", s.Icon, o.Icon},
	} {
		if f.a != f.b {
			out = append(out, f.name)
		}
	}
	slices.Sort(out)
	return out
}

type spaceIDConfig struct {
	SpaceID string `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
}

type spaceDetailsEvent struct {
	happened
	Change spaceDetailsChange `json:"change" jsonschema_description:"What changed."`
}

type spaceDetailsChange struct {
	Fields []string   `json:"fields" jsonschema_description:"Which fields changed."`
	Before spaceState `json:"before" jsonschema_description:"What it was at the poll before."`
	After  spaceState `json:"after" jsonschema_description:"What it is now."`
}

type detailsState struct {
	episode
	Space spaceState `json:"space"`
}

var spaceDetailsChanged = toolkit.Poll("CONFLUENCE_SPACE_DETAILS_CHANGED_TRIGGER", "Space Details Changed",
	"Fires when name, description, home page, status, type, owner, key or icon of a space change. Not for its permissions, properties or pages.",
	toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadSpace), Keywords: []string{"renamed", "archived space", "new owner", "description changed"},
		Blind: []string{
			"A change that is taken back between two polls is not seen; several between two polls are one event.",
			"Confluence does not say who changed it, nor when: the time is that of the poll.",
			"Of a description only the first 2,000 characters are compared.",
		},
		Endpoints: []string{"GET /wiki/api/v2/spaces/{id}", "GET /wiki/api/v2/spaces"},
		Interval:  3 * usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 2,
	},
	toolkit.Poller[*client, spaceIDConfig, detailsState, spaceDetailsEvent]{
		Example: spaceDetailsEvent{
			happened{OccurredAt: "2026-11-22T10:00:00.000Z", Resource: exampleSpace().Resource},
			spaceDetailsChange{Fields: []string{"name"}, Before: spaceState{Name: "Market", Key: "MKT", Status: "current"}, After: spaceState{Name: "Marketing", Key: "MKT", Status: "current"}},
		},
		Check: func(ctx context.Context, c *client, cfg spaceIDConfig) (_ spaceIDConfig, err error) {
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg spaceIDConfig, e *spaceDetailsEvent) {
			e.Resource.be(cfg.SpaceID)
			e.Change.Before.Key, e.Change.After.Key = e.Resource.SpaceKey, e.Resource.SpaceKey
		}),
		Poll: func(ctx context.Context, c *client, cfg spaceIDConfig, cur *detailsState) (step toolkit.Step[detailsState, spaceDetailsEvent], err error) {
			id, err := c.spaceID(ctx, "spaceId", cfg.SpaceID)
			if err != nil {
				return step, err
			}
			s, err := c.spaceDetails(ctx, id)
			if err != nil {
				return step, err
			}
			if cur != nil {
				step.Cursor = *cur
			}
			step.Cursor.begin(c)
			step.Cursor.Space = stateOf(s)
			if cur == nil {
				return step, nil
			}
			fields := cur.Space.differences(step.Cursor.Space)
			if len(fields) == 0 {
				return step, nil
			}
			at := c.now()
			step.Events = []toolkit.Event[spaceDetailsEvent]{{
				Key: "space:" + id + ":details:" + step.Cursor.episode.next(), OccurredAt: at,
				Payload: spaceDetailsEvent{
					happened{OccurredAt: stampOf(at), Resource: c.aboutSpace(s, "")},
					spaceDetailsChange{Fields: fields, Before: cur.Space, After: step.Cursor.Space},
				},
			}}
			return step, nil
		},
	})
