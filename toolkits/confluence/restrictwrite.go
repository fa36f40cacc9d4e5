package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

type updateContentRestrictionsInput struct {
	ID        string   `json:"id" jsonschema_description:"The page or blog post: id, address, or MKT: Title of a page."`
	Action    string   `json:"action" jsonschema:"enum=add,enum=remove,enum=set" jsonschema_description:"add people and groups, remove them, or set: only these from now on. set with nobody lifts the restriction."`
	Operation string   `json:"operation" jsonschema:"enum=read,enum=update" jsonschema_description:"What they alone may do: read (see it) or update (edit it)."`
	Users     []string `json:"users,omitempty" jsonschema:"maxItems=50" jsonschema_description:"People: account id, name, e-mail, or me."`
	Groups    []string `json:"groups,omitempty" jsonschema:"maxItems=50" jsonschema_description:"Groups: name or id."`
}

var updateContentRestrictions = toolkit.Update("CONFLUENCE_UPDATE_CONTENT_RESTRICTIONS", "Update Content Restrictions",
	"Restrict who may see or edit a page or blog post: add, remove or set people and groups, or lift the restriction, and give what holds then. "+
		"Not for the rights in a whole space.",
	toolkit.About{
		Scopes: toolkit.Scopes{}.AnyOf(scopeContentDetails, "read:confluence-content.all").
			Sometimes("write:content.restriction:confluence", "write:confluence-content").
			Sometimes("read:group:confluence", "read:confluence-groups"),
		Keywords: []string{"restrict", "lock a page", "unlock", "hide from", "only let", "grant access", "revoke access", "lift restriction"},
		Pitfalls: []string{
			"Whoever restricts must stay among those who may: name me too when nobody was restricted before.",
			"Pages below inherit a restriction to read, not one to update.",
		},
		Endpoints: []string{
			"PUT /wiki/rest/api/content/{id}/restriction", "POST /wiki/rest/api/content/{id}/restriction", "DELETE /wiki/rest/api/content/{id}/restriction",
			"GET /wiki/rest/api/content/{id}/restriction", "DELETE /wiki/rest/api/content/{id}/restriction/byOperation/{operationKey}/user",
			"DELETE /wiki/rest/api/content/{id}/restriction/byOperation/{operationKey}/byGroupId/{groupId}",
			"GET /wiki/rest/api/group/picker", "GET /wiki/rest/api/search/user",
		},
	},
	func(ctx context.Context, c *client, in updateContentRestrictionsInput) (*restrictions, error) {
		if in.Action != "set" && len(in.Users)+len(in.Groups) == 0 {
			return nil, toolkit.Invalid("users", "users: say whom to %s, in users or groups", in.Action)
		}
		id, err := c.contentID(ctx, "id", "page", in.ID)
		if err != nil {
			return nil, err
		}
		now, err := c.restrictions(ctx, id)
		if err != nil {
			return nil, err
		}
		who, err := c.subjects(ctx, in)
		if err != nil {
			return nil, err
		}
		if err := c.restrict(ctx, id, in, who, now); err != nil {
			return nil, explainRestriction(err)
		}
		return c.restrictions(ctx, id)
	})

// explainRestriction says what mostly keeps a restriction from being made.
func explainRestriction(err error) error {
	var e *toolkit.Error
	if isStatus(err, http.StatusBadRequest) && errors.As(err, &e) {
		e.Field, e.Fix = "users", `You cannot shut yourself out: name the connected account too, users: ["me"], or a group that it is in.`
	}
	return err
}

// restrictions gets the restrictions of content.
func (c *client) restrictions(ctx context.Context, id string) (*restrictions, error) {
	var answer restrictionAnswer
	err := c.do(ctx, request{
		path: v1 + "/content/" + id + "/restriction", out: &answer, what: "content with id " + id, field: "id",
		query:  url.Values{"expand": restrictionExpand, "limit": {strconv.Itoa(maxRestricted)}},
		scopes: []string{scopeContentDetails},
	})
	if err != nil {
		return nil, err
	}
	return answer.shown(), nil
}

// allowed are people and groups by their ids.
type allowed struct{ users, groups []string }

func (a allowed) empty() bool { return len(a.users)+len(a.groups) == 0 }

// write gives a restriction as v1 takes it.
func (a allowed) write(operation string) map[string]any {
	to := map[string]any{}
	users, groups := []map[string]string{}, []map[string]string{}
	for _, id := range a.users {
		users = append(users, map[string]string{"type": "known", "accountId": id})
	}
	for _, id := range a.groups {
		groups = append(groups, map[string]string{"type": "group", "id": id})
	}
	if len(users) > 0 {
		to["user"] = users
	}
	if len(groups) > 0 {
		to["group"] = groups
	}
	return map[string]any{"operation": operation, "restrictions": to}
}

// subjects finds the people and groups that the arguments name.
func (c *client) subjects(ctx context.Context, in updateContentRestrictionsInput) (allowed, error) {
	var out allowed
	for i, name := range in.Users {
		id, err := c.accountID(ctx, fmt.Sprintf("users[%d]", i), name)
		if err != nil {
			return out, err
		}
		out.users = append(out.users, id)
	}
	for i, name := range in.Groups {
		id, err := c.groupID(ctx, fmt.Sprintf("groups[%d]", i), name)
		if err != nil {
			return out, err
		}
		out.groups = append(out.groups, id)
	}
	return out, nil
}

// restrict carries the change out. What v1 can add or remove alone is not
// written as a whole, so that what others change at the same time stays.
func (c *client) restrict(ctx context.Context, id string, in updateContentRestrictionsInput, who allowed, now *restrictions) error {
	r := request{
		path: v1 + "/content/" + id + "/restriction", what: "content with id " + id, field: "id",
		scopes: []string{"write:content.restriction:confluence", scopeContentDetails},
	}
	switch in.Action {
	case "add":
		r.method, r.body = http.MethodPost, []any{who.write(in.Operation)}
		return c.do(ctx, r)
	case "remove":
		return c.unrestrict(ctx, r, in.Operation, who, now)
	}
	var all []any
	if !who.empty() {
		all = append(all, who.write(in.Operation))
	}
	for _, one := range now.Restrictions {
		if rest := one.allowed(); one.Operation != in.Operation && !rest.empty() {
			if now.Note != "" {
				return toolkit.Invalid("action", "action: the content is restricted to more people than can be read at once; use add and remove")
			}
			all = append(all, rest.write(one.Operation))
		}
	}
	r.method, r.body = http.MethodPut, all
	if len(all) == 0 {
		r.method, r.body = http.MethodDelete, nil
	}
	return c.do(ctx, r)
}

// allowed gives whom a restriction names.
func (r restriction) allowed() allowed {
	var out allowed
	for _, u := range r.Users {
		out.users = append(out.users, u.AccountID)
	}
	for _, g := range r.Groups {
		out.groups = append(out.groups, g.ID)
	}
	return out
}

// unrestrict takes those off that are restricted now; the others need nothing.
func (c *client) unrestrict(ctx context.Context, r request, operation string, who allowed, now *restrictions) error {
	var have allowed
	for _, one := range now.Restrictions {
		if one.Operation == operation {
			have = one.allowed()
		}
	}
	r.method = http.MethodDelete
	base := r.path + "/byOperation/" + operation
	for _, id := range who.users {
		if now.Note != "" || slices.Contains(have.users, id) {
			r.path, r.query = base+"/user", url.Values{"accountId": {id}}
			if err := c.do(ctx, r); err != nil {
				return err
			}
		}
	}
	for _, id := range who.groups {
		if now.Note != "" || slices.Contains(have.groups, id) {
			r.path, r.query = base+"/byGroupId/"+url.PathEscape(id), nil
			if err := c.do(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

var groupForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// groupID finds the group that value names by id or name.
func (c *client) groupID(ctx context.Context, field, value string) (string, error) {
	value = strings.TrimSpace(value)
	if groupForm.MatchString(strings.ToLower(value)) {
		return value, nil
	}
	if value == "" {
		return "", toolkit.Invalid(field, "%s: is empty; expected the name or id of a group", field)
	}
	var answer struct {
		Results []group `json:"results"`
	}
	err := c.do(ctx, request{
		path: v1 + "/group/picker", query: url.Values{"query": {value}, "limit": {"50"}}, out: &answer, scopes: []string{"read:group:confluence"},
	})
	if err != nil {
		return "", err
	}
	var names []string
	for _, g := range answer.Results {
		if strings.EqualFold(g.Name, value) {
			return g.ID, nil
		}
		names = append(names, g.Name)
	}
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: field, Message: fmt.Sprintf("There is no group '%s', or this account may not see it.", value),
		Fix: "Give the name of the group in full, or its id.",
	}
	if len(names) > 0 {
		e.Message += " Groups like that: " + strings.Join(names[:min(len(names), 10)], ", ") + "."
	}
	return "", e
}
