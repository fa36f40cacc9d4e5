package confluence

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-run/sluice/toolkit"
)

// done says that a small change was made.
type done struct {
	ID      string `json:"id" jsonschema_description:"Id of what it was done to; of a space its key, of a label its name."`
	Message string `json:"message" jsonschema_description:"What happened."`
}

type watchInput struct {
	ID      string `json:"id,omitempty" jsonschema_description:"The page or blog post: id, address, or MKT: Title of a page."`
	SpaceID string `json:"spaceId,omitempty" jsonschema_description:"Or a whole space: its id or key."`
	Label   string `json:"label,omitempty" jsonschema_description:"Or all that carries this label: its name."`
}

const scopeWatch = "write:watcher:confluence"

var watchContent = toolkit.Idempotent(toolkit.Create("CONFLUENCE_WATCH_CONTENT", "Watch Content",
	"Watch a page or blog post, a whole space or a label with the connected account: it is notified of every change from now on. Give exactly one. Not for other people: each decides alone.",
	toolkit.About{
		Scopes:   toolkit.Scopes{}.AnyOf(scopeWatch, "write:confluence-content").Sometimes(scopeReadSpace),
		Keywords: []string{"follow", "subscribe", "notify me"},
		Endpoints: []string{
			"POST /wiki/rest/api/user/watch/content/{contentId}", "POST /wiki/rest/api/user/watch/space/{spaceKey}",
			"POST /wiki/rest/api/user/watch/label/{labelName}", "GET /wiki/api/v2/spaces/{id}",
		},
	},
	func(ctx context.Context, c *client, in watchInput) (*done, error) {
		return c.watch(ctx, http.MethodPost, in, "The account watches it now.")
	}))

var unwatchContent = toolkit.Delete("CONFLUENCE_UNWATCH_CONTENT", "Unwatch Content",
	"Stop watching a page or blog post, a space or a label with the connected account: it is no longer notified of changes. Give exactly one. Not for other people: each decides alone.",
	toolkit.About{
		Scopes:   toolkit.Scopes{}.AnyOf(scopeWatch, "write:confluence-content").Sometimes(scopeReadSpace),
		Keywords: []string{"unfollow", "unsubscribe", "mute"},
		Endpoints: []string{
			"DELETE /wiki/rest/api/user/watch/content/{contentId}", "DELETE /wiki/rest/api/user/watch/space/{spaceKey}",
			"DELETE /wiki/rest/api/user/watch/label/{labelName}", "GET /wiki/api/v2/spaces/{id}",
		},
	},
	func(ctx context.Context, c *client, in watchInput) (*done, error) {
		return c.watch(ctx, http.MethodDelete, in, "The account does not watch it any more.")
	})

func (c *client) watch(ctx context.Context, method string, in watchInput, message string) (*done, error) {
	r := request{method: method, scopes: []string{scopeWatch}}
	var id string
	switch given := in.given(); given {
	case "id":
		var err error
		if id, err = c.contentID(ctx, "id", "page", in.ID); err != nil {
			return nil, err
		}
		r.path, r.what, r.field = "/content/"+id, "content with id "+id, "id"
	case "spaceId":
		ref, err := c.spaceRef(ctx, "spaceId", in.SpaceID)
		if err != nil {
			return nil, err
		}
		id = ref.key
		r.path, r.what, r.field = "/space/"+url.PathEscape(id), "space "+id, "spaceId"
	case "label":
		if err := checkLabel("label", in.Label); err != nil {
			return nil, err
		}
		id = strings.ToLower(strings.TrimSpace(in.Label))
		r.path, r.what, r.field = "/label/"+url.PathEscape(id), "label '"+id+"'", "label"
	default:
		return nil, toolkit.Invalid("id", "id: give exactly one of id (a page or blog post), spaceId and label")
	}
	r.path = v1 + "/user/watch" + r.path
	err := c.do(ctx, r)
	var e *toolkit.Error
	if in.Label != "" && isStatus(err, http.StatusForbidden) && errors.As(err, &e) && strings.Contains(e.Message, "No label") {
		e.Kind, e.Field, e.Fix = toolkit.KindNotFound, "label", "List the labels with CONFLUENCE_GET_LABELS."
	}
	if err != nil {
		return nil, err
	}
	return &done{ID: id, Message: message}, nil
}

// given names the one thing that is given, or gives "".
func (in watchInput) given() string {
	var given []string
	for name, value := range map[string]string{"id": in.ID, "spaceId": in.SpaceID, "label": in.Label} {
		if strings.TrimSpace(value) != "" {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		return ""
	}
	return given[0]
}

type removeLabelInput struct {
	ID   string `json:"id" jsonschema_description:"The page, blog post or attachment (att123): id, address, or MKT: Title of a page."`
	Name string `json:"name" jsonschema:"minLength=1" jsonschema_description:"Name of the label to take off."`
}

var removeContentLabel = toolkit.Delete("CONFLUENCE_REMOVE_CONTENT_LABEL", "Remove Content Label",
	"Take one label off a page, a blog post or an attachment. Not for the label itself: it and other things that carry it stay.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf("write:label:confluence", "write:confluence-content"),
		Keywords:  []string{"untag", "take off", "detach"},
		Endpoints: []string{"DELETE /wiki/rest/api/content/{id}/label"},
	},
	func(ctx context.Context, c *client, in removeLabelInput) (*done, error) {
		id := strings.TrimSpace(in.ID)
		if !attachmentID.MatchString(id) {
			var err error
			if id, err = c.contentID(ctx, "id", "page", in.ID); err != nil {
				return nil, err
			}
		}
		name := strings.ToLower(strings.TrimSpace(in.Name))
		err := c.do(ctx, request{
			method: http.MethodDelete, path: v1 + "/content/" + id + "/label", query: url.Values{"name": {name}},
			what: "label '" + name + "' on the content with id " + id + ", or no such content", field: "name", scopes: []string{"write:label:confluence"},
		})
		if err != nil {
			return nil, err
		}
		return &done{ID: id, Message: "The label '" + name + "' is off."}, nil
	})

// views is how often content was read.
type views struct {
	ID      string `json:"id" jsonschema_description:"Id of the content."`
	Views   int    `json:"views" jsonschema_description:"How often it was opened."`
	Viewers int    `json:"viewers" jsonschema_description:"How many people opened it."`
}

type getPageViewsInput struct {
	ID    string `json:"id" jsonschema_description:"The page or blog post: id, address, or MKT: Title of a page."`
	Since string `json:"since,omitempty" jsonschema_description:"Only views since this day: 2026-11-01."`
}

const scopeAnalytics = "read:analytics.content:confluence"

var getPageViews = toolkit.Read("CONFLUENCE_GET_PAGE_VIEWS", "Get Page Views",
	"Count how often a page or blog post was opened, in all and by how many visitors. It needs a plan with analytics. For who liked it use like count.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeAnalytics, "read:confluence-content.summary"),
		Keywords:  []string{"analytics", "traffic", "visits"},
		Endpoints: []string{"GET /wiki/rest/api/analytics/content/{contentId}/views", "GET /wiki/rest/api/analytics/content/{contentId}/viewers"},
	},
	func(ctx context.Context, c *client, in getPageViewsInput) (*views, error) {
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		q := url.Values{}
		if in.Since != "" {
			if _, err := time.Parse(time.DateOnly, in.Since); err != nil {
				return nil, toolkit.Invalid("since", "since: expected a day such as 2026-11-22")
			}
			q.Set("fromDate", in.Since)
		}
		out := &views{ID: id}
		for _, one := range []struct {
			path string
			n    *int
		}{{"/views", &out.Views}, {"/viewers", &out.Viewers}} {
			var answer likeCount
			err := c.do(ctx, request{
				path: v1 + "/analytics/content/" + id + one.path, query: q, out: &answer, what: "content with id " + id, field: "id", scopes: []string{scopeAnalytics},
			})
			if err != nil {
				return nil, err
			}
			*one.n = answer.Count
		}
		return out, nil
	})
