package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// foundUser is an account that a search found.
type foundUser struct {
	AccountID   string `json:"accountId" jsonschema_description:"Account id, for the other tools and for CQL (creator = \"…\")."`
	DisplayName string `json:"displayName,omitempty" jsonschema_description:"Full name."`
	PublicName  string `json:"publicName,omitempty" jsonschema_description:"Name shown to everybody."`
	Email       string `json:"email,omitempty" jsonschema_description:"E-mail address, when the account shows it."`
	AccountType string `json:"accountType,omitempty" jsonschema_description:"atlassian, app or customer."`
	URL         string `json:"url,omitempty" jsonschema_description:"Profile, for people."`
}

type userList struct {
	Results   []foundUser `json:"results" jsonschema_description:"The accounts."`
	TotalSize int         `json:"totalSize,omitempty" jsonschema_description:"How many there are."`
	paging
}

type searchUsersInput struct {
	Query     string `json:"query,omitempty" jsonschema:"maxLength=200" jsonschema_description:"Name of the person, or part of it; or an e-mail address."`
	AccountID string `json:"accountId,omitempty" jsonschema_description:"The account with this id."`
	CQL       string `json:"cql,omitempty" jsonschema:"maxLength=2000" jsonschema_description:"A query about users in CQL instead: user.fullname ~ \"jane\", user.accountid = \"…\"."`
	Limit     int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=200,default=25" jsonschema_description:"How many accounts to return at most."`
	Cursor    string `json:"cursor,omitempty" jsonschema_description:"Where to go on: next_cursor of the answer before."`
}

var searchUsers = toolkit.Read("CONFLUENCE_SEARCH_USERS", "Search Users",
	"Find people on the site by name, e-mail address or account id, to get their account id. For whose account is connected use get current user.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeContentDetails),
		Keywords:  []string{"people", "person", "colleague", "employee", "who is", "member", "find somebody", "account id of", "directory"},
		Pitfalls:  []string{"E-mail addresses are found only when the person shows them; search by name otherwise."},
		Endpoints: []string{"GET /wiki/rest/api/search/user"},
	},
	func(ctx context.Context, c *client, in searchUsersInput) (*userList, error) {
		cql, err := in.query()
		if err != nil {
			return nil, err
		}
		start := 0
		if in.Cursor != "" {
			if start, err = strconv.Atoi(in.Cursor); err != nil || start < 0 {
				return nil, toolkit.Invalid("cursor", "cursor: expected next_cursor of the answer before")
			}
		}
		out, err := c.users(ctx, cql, start, in.Limit)
		if err != nil {
			return nil, err
		}
		if strings.Contains(in.Query, "@") {
			out.Results = withEmail(out.Results, in.Query)
		}
		return out, nil
	})

// query gives the CQL that the arguments mean.
func (in searchUsersInput) query() (string, error) {
	var given []string
	for _, one := range []struct{ value, cql string }{
		{in.Query, "user.fullname ~ " + quote(nameIn(in.Query))},
		{in.AccountID, "user.accountid = " + quote(strings.TrimSpace(in.AccountID))},
		{in.CQL, in.CQL},
	} {
		if strings.TrimSpace(one.value) != "" {
			given = append(given, one.cql)
		}
	}
	if len(given) != 1 {
		return "", toolkit.Invalid("query", "query: give exactly one of query (a name), accountId and cql")
	}
	return given[0], nil
}

// nameIn makes words to look for of a name or an e-mail address, which the
// search knows nothing of: jane.doe@example.com is looked for as jane doe.
func nameIn(s string) string {
	local, _, _ := strings.Cut(strings.TrimSpace(s), "@")
	return strings.Join(words(local), " ")
}

// withEmail puts the account with that address first, alone when it shows it.
func withEmail(all []foundUser, email string) []foundUser {
	for _, u := range all {
		if strings.EqualFold(u.Email, strings.TrimSpace(email)) {
			return []foundUser{u}
		}
	}
	return all
}

// users runs a query about users.
func (c *client) users(ctx context.Context, cql string, start, limit int) (*userList, error) {
	var answer struct {
		Results []struct {
			User  foundUser `json:"user"`
			Title string    `json:"title"`
			URL   string    `json:"url"`
		} `json:"results"`
		Size  int       `json:"size"`
		Total int       `json:"totalSize"`
		Links listLinks `json:"_links"`
	}
	err := c.do(ctx, request{
		path: v1 + "/search/user", out: &answer, scopes: []string{scopeContentDetails},
		query: url.Values{"cql": {cql}, "start": {strconv.Itoa(start)}, "limit": {strconv.Itoa(limit)}},
	})
	if isStatus(err, http.StatusBadRequest) {
		err = explainUserCQL(err)
	}
	if err != nil {
		return nil, err
	}
	out := &userList{Results: []foundUser{}, TotalSize: answer.Total}
	for _, r := range answer.Results {
		r.User.URL = c.address(links{WebUI: r.URL}, answer.Links.Base)
		out.Results = append(out.Results, r.User)
	}
	if end := start + len(answer.Results); answer.Links.Next != "" && end > start && (answer.Total == 0 || end < answer.Total) {
		out.paging = newPaging(strconv.Itoa(start+len(answer.Results)), len(out.Results), answer.Total-start)
	}
	return out, nil
}

func explainUserCQL(err error) error {
	err = explainCQL(err)
	var e *toolkit.Error
	if errors.As(err, &e) {
		e.Fix = `Queries about users know user.fullname ~ "name", user.accountid = "…" and type = user only.`
	}
	return err
}

var accountForm = regexp.MustCompile(`^([0-9a-f]{24}|[0-9A-Za-z_-]{1,64}:[0-9A-Za-z-]{1,64})$`)

// accountID finds the account that value names: by its id, as me, by an e-mail
// address that it shows, or by a name that only one has.
func (c *client) accountID(ctx context.Context, field, value string) (string, error) {
	value = strings.TrimSpace(value)
	if accountForm.MatchString(value) {
		return value, nil
	}
	if low := strings.ToLower(value); low == "me" || low == "myself" || low == "currentuser()" {
		u, err := c.currentUser(ctx)
		if err != nil {
			return "", err
		}
		return u.AccountID, nil
	}
	name := nameIn(value)
	if name == "" {
		return "", toolkit.Invalid(field, "%s: expected an account id, a name, an e-mail address or me", field)
	}
	got, err := c.users(ctx, "user.fullname ~ "+quote(name), 0, 10)
	if err != nil {
		return "", err
	}
	found := got.Results
	if strings.Contains(value, "@") {
		found = withEmail(found, value)
	}
	for _, u := range found {
		if strings.EqualFold(u.DisplayName, value) && len(found) > 1 {
			found = exactly(found, value)
			break
		}
	}
	if len(found) == 1 {
		return found[0].AccountID, nil
	}
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: field, Message: fmt.Sprintf("Nobody called '%s' was found.", value),
		Fix: "Give the account id; CONFLUENCE_SEARCH_USERS finds it by a part of the name.",
	}
	if len(found) > 1 {
		var names []string
		for _, u := range found {
			names = append(names, u.DisplayName+" ("+u.AccountID+")")
		}
		e.Kind, e.Message = toolkit.KindInvalid, fmt.Sprintf("'%s' may be any of: %s.", value, strings.Join(names, ", "))
		e.Fix = "Give the account id."
	}
	return "", e
}

// exactly keeps those with just that name.
func exactly(all []foundUser, name string) []foundUser {
	var out []foundUser
	for _, u := range all {
		if strings.EqualFold(u.DisplayName, name) {
			out = append(out, u)
		}
	}
	return out
}
