package confluence

import (
	"context"
	"slices"
	"strconv"

	"github.com/sluice-run/sluice/toolkit"
)

// restriction says who alone may do something with content.
type restriction struct {
	Operation string      `json:"operation" jsonschema_description:"read (see it) or update (edit it)."`
	Users     []foundUser `json:"users" jsonschema_description:"The people who may."`
	Groups    []group     `json:"groups" jsonschema_description:"The groups that may."`
}

type group struct {
	ID   string `json:"id,omitempty" jsonschema_description:"Id of the group."`
	Name string `json:"name" jsonschema_description:"Name of the group."`
}

type restrictions struct {
	Restricted   bool          `json:"restricted" jsonschema_description:"Whether there is any restriction on it."`
	Restrictions []restriction `json:"restrictions" jsonschema_description:"By operation. Empty users and groups mean: everybody who may in the space."`
	Hash         string        `json:"restrictionsHash,omitempty" jsonschema_description:"Changes whenever the restrictions do."`
	Note         string        `json:"note,omitempty" jsonschema_description:"What is not shown."`
}

// restrictionAnswer is what v1 gives.
type restrictionAnswer struct {
	Results []struct {
		Operation    string `json:"operation"`
		Restrictions struct {
			User struct {
				Results []foundUser `json:"results"`
				Size    int         `json:"size"`
			} `json:"user"`
			Group struct {
				Results []group `json:"results"`
				Size    int     `json:"size"`
			} `json:"group"`
		} `json:"restrictions"`
	} `json:"results"`
	Hash string `json:"restrictionsHash"`
}

func (a restrictionAnswer) shown() *restrictions {
	out := &restrictions{Restrictions: []restriction{}, Hash: a.Hash}
	for _, r := range a.Results {
		one := restriction{Operation: r.Operation, Users: orEmpty(r.Restrictions.User.Results), Groups: orEmpty(r.Restrictions.Group.Results)}
		out.Restricted = out.Restricted || len(one.Users)+len(one.Groups) > 0
		out.Restrictions = append(out.Restrictions, one)
		if len(one.Users) == maxRestricted || len(one.Groups) == maxRestricted {
			out.Note = "There are more than " + strconv.Itoa(maxRestricted) + " people or groups; the rest is not shown."
		}
	}
	return out
}

// maxRestricted is how many people and groups are asked for.
const maxRestricted = 200

// restrictionExpand makes v1 give the people and groups themselves.
var restrictionExpand = []string{"restrictions.user", "restrictions.group"}

type getContentRestrictionsInput struct {
	ID     string   `json:"id" jsonschema_description:"The page or blog post: its id or its address."`
	Expand []string `json:"expand,omitempty" jsonschema:"maxItems=10" jsonschema_description:"Not needed: people and groups come anyway. Leave it out."`
}

var getContentRestrictions = toolkit.Read("CONFLUENCE_GET_CONTENT_RESTRICTIONS", "Get Content Restrictions",
	"Say who alone may see or edit a page or blog post: the people and groups it is restricted to. Not for the rights in a space: ask its administrator.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf(scopeContentDetails, "read:confluence-content.all"),
		Keywords:  []string{"permissions", "who can see", "who can edit", "access", "locked", "private", "visibility", "allowed"},
		Pitfalls:  []string{"Only restrictions of the page itself are shown, not those that it inherits from pages above it."},
		Endpoints: []string{"GET /wiki/rest/api/content/{id}/restriction"},
	},
	func(ctx context.Context, c *client, in getContentRestrictionsInput) (*restrictions, error) {
		known := append(slices.Clone(restrictionExpand), "read.restrictions.user", "read.restrictions.group",
			"update.restrictions.user", "update.restrictions.group", "content", "")
		for _, e := range in.Expand {
			if !slices.Contains(known, e) {
				return nil, toolkit.Invalid("expand", "expand: this value is not known; people and groups come anyway, so leave it out")
			}
		}
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		return c.restrictions(ctx, id)
	})
