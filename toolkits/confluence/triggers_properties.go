package confluence

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/sluice-run/sluice/toolkit"
)

type pagePropertiesConfig struct {
	PageID string   `json:"pageId" jsonschema:"minLength=1" jsonschema_description:"The page: its id or its address."`
	Keys   []string `json:"keys,omitempty" jsonschema:"maxItems=50" jsonschema_description:"Only properties with exactly these keys."`
}

type spacePropertiesConfig struct {
	SpaceID string   `json:"spaceId" jsonschema:"minLength=1" jsonschema_description:"The space: its id or its key (MKT)."`
	Keys    []string `json:"keys,omitempty" jsonschema:"maxItems=50" jsonschema_description:"Only properties with exactly these keys."`
}

type propertyEvent struct {
	happened
	Change propertyChange `json:"change" jsonschema_description:"What changed."`
}

type propertyChange struct {
	Kind    string `json:"kind" jsonschema_description:"created, updated or deleted."`
	ID      string `json:"id" jsonschema_description:"Id of the property."`
	Key     string `json:"key" jsonschema_description:"Its key."`
	Value   any    `json:"value,omitempty" jsonschema_description:"Its value now, any JSON; absent when it is deleted."`
	Before  int    `json:"before,omitempty" jsonschema_description:"Number of the version at the poll before."`
	Version int    `json:"version,omitempty" jsonschema_description:"Number of the version now."`
}

// propertiesState are the versions of properties by their ids.
type propertiesState struct {
	Have map[string]propertyMark `json:"have"`
}

type propertyMark struct {
	Key string `json:"k"`
	N   int    `json:"n"`
}

var blindProperties = []string{
	"Several changes of a property between two polls are one event, with the last value; one that is created and deleted between them is not seen.",
	"Confluence does not say who deleted a property, nor when: the time is that of the poll.",
	"It is for at most 2,000 properties.",
}

var pagePropertiesChanged = toolkit.Poll("CONFLUENCE_PAGE_CONTENT_PROPERTIES_CHANGED_TRIGGER", "Page Content Properties Changed",
	"Fires for each content property of a page that is created, updated or deleted: the JSON that programs keep with it. Not for its text, title or labels.",
	toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadPage), Keywords: []string{"metadata", "custom field", "key-value"}, Blind: blindProperties,
		Endpoints: []string{"GET /wiki/api/v2/pages/{page-id}/properties", "GET /wiki/api/v2/pages/{id}"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1, IdleMore: "and a point for each property; a request for each 250",
	},
	toolkit.Poller[*client, pagePropertiesConfig, propertiesState, propertyEvent]{
		Example: exampleProperty(exampleContent("page", "Q3 Planning", 2).Resource),
		Check: func(ctx context.Context, c *client, cfg pagePropertiesConfig) (_ pagePropertiesConfig, err error) {
			cfg.PageID, err = c.checkContent(ctx, "page", "pageId", cfg.PageID)
			return cfg, err
		},
		Sample: sampled(func(cfg pagePropertiesConfig, e *propertyEvent) {
			e.Resource.be(cfg.PageID)
			e.Change.Key = append(cfg.Keys, e.Change.Key)[0]
		}),
		Poll: func(ctx context.Context, c *client, cfg pagePropertiesConfig, cur *propertiesState) (toolkit.Step[propertiesState, propertyEvent], error) {
			return c.pollProperties(ctx, cur, pageHolder(cfg.PageID, "pageId"), cfg.Keys, func() (eventResource, error) {
				p, err := c.content(ctx, "page", cfg.PageID, "pageId")
				if err != nil {
					return eventResource{}, err
				}
				return c.about("page", p, ""), nil
			})
		},
	})

var spacePropertiesChanged = toolkit.Poll("CONFLUENCE_SPACE_PROPERTIES_CHANGED_TRIGGER", "Space Properties Changed",
	"Fires for each property of a space that is created, updated or deleted: the JSON that programs keep with it. Not for its name or description: use space details changed.",
	toolkit.TriggerAbout{
		Scopes: toolkit.AllOf(scopeReadSpace), Keywords: []string{"metadata", "custom field", "key-value"}, Blind: blindProperties,
		Endpoints: []string{"GET /wiki/api/v2/spaces/{space-id}/properties", "GET /wiki/api/v2/spaces/{id}", "GET /wiki/api/v2/spaces"},
		Interval:  usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 1, IdleMore: "and a point for each property; a request for each 250",
	},
	toolkit.Poller[*client, spacePropertiesConfig, propertiesState, propertyEvent]{
		Example: exampleProperty(exampleSpace().Resource),
		Check: func(ctx context.Context, c *client, cfg spacePropertiesConfig) (_ spacePropertiesConfig, err error) {
			cfg.SpaceID, err = c.checkSpace(ctx, "spaceId", cfg.SpaceID)
			return cfg, err
		},
		Sample: sampled(func(cfg spacePropertiesConfig, e *propertyEvent) {
			e.Resource.be(cfg.SpaceID)
			e.Change.Key = append(cfg.Keys, e.Change.Key)[0]
		}),
		Poll: func(ctx context.Context, c *client, cfg spacePropertiesConfig, cur *propertiesState) (step toolkit.Step[propertiesState, propertyEvent], err error) {
			h, err := c.spaceHolder(ctx, "spaceId", cfg.SpaceID)
			if err != nil {
				return step, err
			}
			return c.pollProperties(ctx, cur, h, cfg.Keys, func() (eventResource, error) {
				s, err := c.spaceDetails(ctx, h.id)
				if err != nil {
					return eventResource{}, err
				}
				return c.aboutSpace(s, ""), nil
			})
		},
	})

func exampleProperty(r eventResource) propertyEvent {
	return propertyEvent{
		happened{OccurredAt: "2026-11-22T10:00:00.000Z", Actor: by("5b10a2844c20165700ede21g"), Resource: r},
		propertyChange{Kind: "updated", ID: "98370", Key: "review", Value: map[string]any{"state": "approved"}, Before: 1, Version: 2},
	}
}

// foundProperty is a property of a page or of a space.
type foundProperty struct {
	ID      string `json:"id"`
	Key     string `json:"key"`
	Value   any    `json:"value"`
	Version struct {
		Number    int    `json:"number"`
		AuthorID  string `json:"authorId"`
		CreatedBy string `json:"createdBy"`
		CreatedAt string `json:"createdAt"`
	} `json:"version"`
}

// maxProperties is how many properties are compared.
const maxProperties = 2000

// pollProperties compares the properties with those of the poll before. on gives
// what they belong to, when there is something to tell.
func (c *client) pollProperties(ctx context.Context, cur *propertiesState, h holder, keys []string, on func() (eventResource, error),
) (step toolkit.Step[propertiesState, propertyEvent], err error) {
	var all []foundProperty
	r, cursor := request{path: h.path(), query: url.Values{}, what: h.what(), field: h.field, scopes: h.read}, ""
	for {
		got, err := fetchOne[foundProperty](ctx, c, r, 250, cursor)
		if err != nil {
			return step, err
		}
		if all = append(all, got.items...); got.cursor == "" {
			break
		}
		if cursor = got.cursor; len(all) >= maxProperties {
			return step, &toolkit.Error{Kind: toolkit.KindTooLarge, Field: h.field, Message: "There are more than 2,000 properties.", Fix: "Watch another " + h.kind + "."}
		}
	}
	step.Cursor.Have = map[string]propertyMark{}
	for _, p := range all {
		if len(keys) == 0 || slices.Contains(keys, p.Key) {
			step.Cursor.Have[p.ID] = propertyMark{Key: p.Key, N: p.Version.Number}
		}
	}
	if cur == nil {
		return step, nil
	}
	var changes []toolkit.Event[propertyEvent]
	for _, p := range all {
		now, wanted := step.Cursor.Have[p.ID]
		was, known := cur.Have[p.ID]
		if !wanted || known && was.N == now.N {
			continue
		}
		change := propertyChange{Kind: "created", ID: p.ID, Key: p.Key, Value: p.Value, Before: was.N, Version: now.N}
		if known {
			change.Kind = "updated"
		}
		step.Missed += max(now.N-was.N-1, 0)            // the versions in between
		who := p.Version.AuthorID + p.Version.CreatedBy // pages and spaces name it differently
		changes = append(changes, c.propertyEvent(fmt.Sprintf("property:%s:v%d", p.ID, now.N), p.Version.CreatedAt, who, change))
	}
	for _, id := range sortedIDs(cur.Have) {
		if _, there := step.Cursor.Have[id]; !there && (len(keys) == 0 || slices.Contains(keys, cur.Have[id].Key)) {
			changes = append(changes, c.propertyEvent("property:"+id+":deleted", "", "", propertyChange{Kind: "deleted", ID: id, Key: cur.Have[id].Key, Before: cur.Have[id].N}))
		}
	}
	if len(changes) == 0 {
		return step, nil
	}
	owner, err := on()
	if err != nil {
		return step, err
	}
	for i := range changes {
		changes[i].Payload.Resource = owner
	}
	step.Events = inOrder(changes)
	return step, nil
}

func (c *client) propertyEvent(key, stamp, who string, change propertyChange) toolkit.Event[propertyEvent] {
	at := c.when(stamp)
	return toolkit.Event[propertyEvent]{Key: key, OccurredAt: at, Payload: propertyEvent{happened{OccurredAt: stampOf(at), Actor: by(who)}, change}}
}
