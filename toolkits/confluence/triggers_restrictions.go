package confluence

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

type restrictionsConfig struct {
	ContentID string `json:"contentId" jsonschema:"minLength=1" jsonschema_description:"The page or blog post: its id or its address."`
}

type restrictionsEvent struct {
	happened
	Change restrictionsChange `json:"change" jsonschema_description:"What changed."`
}

type restrictionsChange struct {
	Operations []restrictedOperation `json:"operations" jsonschema_description:"For each operation whose people or groups changed: who was added and removed."`
	Restricted bool                  `json:"restricted" jsonschema_description:"Whether there is any restriction on it now."`
	Hash       string                `json:"restrictionsHash,omitempty" jsonschema_description:"Confluence's own sum of the restrictions."`
}

type restrictedOperation struct {
	Operation     string    `json:"operation" jsonschema_description:"read (see it) or update (edit it)."`
	UsersAdded    []subject `json:"usersAdded,omitempty" jsonschema_description:"People who may since."`
	UsersRemoved  []subject `json:"usersRemoved,omitempty" jsonschema_description:"People who were named before."`
	GroupsAdded   []subject `json:"groupsAdded,omitempty" jsonschema_description:"Groups that may since."`
	GroupsRemoved []subject `json:"groupsRemoved,omitempty" jsonschema_description:"Groups that were named before."`
}

// subject is a person or a group.
type subject struct {
	ID   string `json:"id" jsonschema_description:"Account id, or id of the group."`
	Name string `json:"name,omitempty" jsonschema_description:"Its name."`
}

// limits are who may do what: by operation, "user" or "group", and id the name.
type limits map[string]map[string]map[string]string

type restrictionsState struct {
	episode
	Kind   string `json:"kind"`
	Limits limits `json:"limits"`
}

var contentRestrictionsChanged = toolkit.Poll("CONFLUENCE_CONTENT_RESTRICTIONS_CHANGED_TRIGGER", "Content Restrictions Changed",
	"Fires when people or groups are added to or removed from the restrictions of a page or blog post. Not for those that it inherits from pages above, nor for rights in the space.",
	toolkit.TriggerAbout{
		Scopes:   toolkit.Scopes{}.AnyOf(scopeContentDetails, "read:confluence-content.all").Sometimes(scopeReadPage),
		Keywords: []string{"permissions", "access changed", "locked", "made private", "shared"},
		Blind: []string{
			"A change that is taken back between two polls is not seen; several between two polls are one event.",
			"Confluence does not say who changed it, nor when: the time is that of the poll.",
			"When the account itself is shut out, the poll fails.",
		},
		Endpoints: []string{
			"GET /wiki/rest/api/content/{id}/restriction", "GET /wiki/api/v2/pages/{id}", "GET /wiki/api/v2/blogposts/{id}",
		},
		Interval: usual, MinInterval: soonest, IdleRequests: 1, IdlePoints: 5, IdleMore: "a request more for each 200 people or groups",
	},
	toolkit.Poller[*client, restrictionsConfig, restrictionsState, restrictionsEvent]{
		Example: restrictionsEvent{
			happened{OccurredAt: "2026-11-22T10:00:00.000Z", Resource: exampleContent("page", "Q3 Planning", 2).Resource},
			restrictionsChange{Restricted: true, Hash: "c2f0", Operations: []restrictedOperation{{
				Operation: "update", UsersAdded: []subject{{ID: "5b10a2844c20165700ede21g", Name: "Ada"}},
			}}},
		},
		Check: func(ctx context.Context, c *client, cfg restrictionsConfig) (restrictionsConfig, error) {
			id, err := c.contentID(ctx, "contentId", "page", cfg.ContentID)
			if err != nil {
				return cfg, err
			}
			cfg.ContentID = id
			_, _, err = c.limitsOf(ctx, id)
			return cfg, err
		},
		Sample: sampled(func(cfg restrictionsConfig, e *restrictionsEvent) {
			e.Resource.be(cfg.ContentID)
		}),
		Poll: func(ctx context.Context, c *client, cfg restrictionsConfig, cur *restrictionsState) (step toolkit.Step[restrictionsState, restrictionsEvent], err error) {
			now, hash, err := c.limitsOf(ctx, cfg.ContentID)
			if err != nil {
				return step, err
			}
			if cur != nil {
				step.Cursor = *cur
			}
			step.Cursor.begin(c)
			step.Cursor.Limits = now
			if cur == nil {
				return step, nil
			}
			change := changedLimits(cur.Limits, now)
			if len(change) == 0 {
				return step, nil
			}
			kind, p, err := c.eitherKind(ctx, cfg.ContentID, cur.Kind)
			if err != nil {
				return step, err
			}
			step.Cursor.Kind = kind
			at := c.now()
			step.Events = []toolkit.Event[restrictionsEvent]{{
				Key: "content:" + cfg.ContentID + ":restrictions:" + step.Cursor.episode.next(), OccurredAt: at,
				Payload: restrictionsEvent{
					happened{OccurredAt: stampOf(at), Resource: c.about(kind, p, "")},
					restrictionsChange{Operations: change, Restricted: len(now) > 0, Hash: hash},
				},
			}}
			return step, nil
		},
	})

// eitherKind reads content that is a page or a blog post.
func (c *client) eitherKind(ctx context.Context, id, kind string) (string, *page, error) {
	if kind == "" {
		var p page
		err := c.do(ctx, request{path: v2 + "/pages/" + id, out: &p, probe: true, scopes: []string{scopeReadPage}})
		if err == nil || !isStatus(err, 404) {
			return "page", &p, err
		}
		kind = "blogpost"
	}
	p, err := c.content(ctx, kind, id, "contentId")
	return kind, p, err
}

// maxLimitPages bounds how many people and groups are read, 200 at a time.
const maxLimitPages = 10

// limitsOf reads all restrictions of content. Operations without any are left out.
func (c *client) limitsOf(ctx context.Context, id string) (limits, string, error) {
	out := limits{}
	put := func(operation, kind, id, name string) {
		if out[operation] == nil {
			out[operation] = map[string]map[string]string{}
		}
		if out[operation][kind] == nil {
			out[operation][kind] = map[string]string{}
		}
		out[operation][kind][id] = name
	}
	for n := range maxLimitPages {
		q := url.Values{"expand": restrictionExpand, "limit": {strconv.Itoa(maxRestricted)}}
		if n > 0 {
			q.Set("start", strconv.Itoa(n*maxRestricted))
		}
		var answer restrictionAnswer
		err := c.do(ctx, request{
			path: v1 + "/content/" + id + "/restriction", query: q, out: &answer, what: "content with id " + id, field: "contentId",
			scopes: []string{scopeContentDetails},
		})
		if err != nil {
			return nil, "", err
		}
		full := false
		for _, r := range answer.Results {
			users, groups := r.Restrictions.User.Results, r.Restrictions.Group.Results
			for _, u := range users {
				put(r.Operation, "user", u.AccountID, cmp.Or(u.DisplayName, u.PublicName))
			}
			for _, g := range groups {
				put(r.Operation, "group", g.ID, g.Name)
			}
			full = full || len(users) >= maxRestricted || len(groups) >= maxRestricted
		}
		if !full {
			return out, answer.Hash, nil
		}
	}
	return nil, "", &toolkit.Error{
		Kind: toolkit.KindTooLarge, Field: "contentId", Message: "There are more than 2,000 people or groups in the restrictions.",
		Fix: "Name groups instead of people in the restrictions, or watch other content.",
	}
}

// changedLimits compares restrictions, operation by operation.
func changedLimits(before, after limits) []restrictedOperation {
	var names []string
	for _, l := range []limits{before, after} {
		for op := range l {
			if !slices.Contains(names, op) {
				names = append(names, op)
			}
		}
	}
	slices.Sort(names)
	var out []restrictedOperation
	for _, op := range names {
		o := restrictedOperation{
			Operation:    op,
			UsersAdded:   missingFrom(before[op]["user"], after[op]["user"]),
			UsersRemoved: missingFrom(after[op]["user"], before[op]["user"]),
			GroupsAdded:  missingFrom(before[op]["group"], after[op]["group"]), GroupsRemoved: missingFrom(after[op]["group"], before[op]["group"]),
		}
		if len(o.UsersAdded)+len(o.UsersRemoved)+len(o.GroupsAdded)+len(o.GroupsRemoved) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// missingFrom gives what of all is not in some.
func missingFrom(some, all map[string]string) []subject {
	var out []subject
	for _, id := range sortedIDs(all) {
		if _, ok := some[id]; !ok {
			out = append(out, subject{ID: id, Name: all[id]})
		}
	}
	return out
}
