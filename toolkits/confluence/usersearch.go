package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
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
	Note      string      `json:"note,omitempty" jsonschema_description:"How far to trust the accounts that an e-mail address led to."`
	paging
}

type searchUsersInput struct {
	Query     string `json:"query,omitempty" jsonschema:"maxLength=200" jsonschema_description:"Name of the person, or part of it; or an e-mail address."`
	AccountID string `json:"accountId,omitempty" jsonschema_description:"The account with this id."`
	CQL       string `json:"cql,omitempty" jsonschema:"maxLength=2000" jsonschema_description:"A query about users in CQL instead: user.fullname ~ \"jane\", user.accountid = \"…\"."`
	Limit     int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=200,default=25" jsonschema_description:"How many accounts to return at most."`
	Cursor    string `json:"cursor,omitempty" jsonschema_description:"Where to go on: next_cursor of the answer before."`
	All       bool   `json:"all,omitempty" jsonschema_description:"Get all accounts in one answer, up to 1,000; limit is ignored then."`
}

var searchUsers = toolkit.Read("CONFLUENCE_SEARCH_USERS", "Search Users",
	"Find people on the site by name, e-mail address or account id, to get their account id. For whose account is connected use get current user.",
	toolkit.About{
		Scopes:    toolkit.AllOf(scopeContentDetails),
		Keywords:  []string{"people", "person", "colleague", "employee", "who is", "member", "find somebody", "account id of", "directory"},
		Pitfalls:  []string{"An e-mail address is found only when the person shows it; otherwise note says so, and the accounts are those with a name like it."},
		Endpoints: []string{"GET /wiki/rest/api/search/user", "GET /wiki/rest/api/user/current"},
	},
	func(ctx context.Context, c *client, in searchUsersInput) (*userList, error) {
		cql, err := in.query()
		if err != nil {
			return nil, err
		}
		if in.Cursor == "" && strings.Contains(in.Query, "@") {
			return c.usersByEmail(ctx, strings.TrimSpace(in.Query))
		}
		return c.users(ctx, cql, pageArgs{Limit: in.Limit, Cursor: in.Cursor, All: in.All})
	})

// maxLikely is how many accounts are shown that an address may belong to.
const maxLikely = 25

// usersByEmail finds the account that shows the address, or is the connected
// one and has it. The search knows names only: without such an account it gives
// those whose names are like the address and that do not show another one.
func (c *client) usersByEmail(ctx context.Context, email string) (*userList, error) {
	out := &userList{Results: []foundUser{}}
	if name := nameIn(email); name != "" {
		var err error
		if out, err = c.users(ctx, "user.fullname ~ "+quote(name), pageArgs{All: true}); err != nil {
			return nil, err
		}
	}
	hidden := []foundUser{}
	for _, u := range out.Results {
		switch {
		case strings.EqualFold(u.Email, email):
			return &userList{Results: []foundUser{u}, TotalSize: 1}, nil
		case u.Email == "":
			hidden = append(hidden, u)
		}
	}
	if me, err := c.currentUser(ctx); err == nil && strings.EqualFold(me.Email, email) {
		return &userList{Results: []foundUser{me.found()}, TotalSize: 1}, nil
	}
	note := "No account shows the address " + email + ". Search by the person's name."
	if len(hidden) > 0 {
		note = fmt.Sprintf("No account shows the address %s. %d have a name like it and hide their address: make sure which one is meant before you use it.", email, len(hidden))
	}
	if out.NextCursor != "" || len(hidden) > maxLikely {
		note += " Not all are shown here: search by the person's name."
	}
	return &userList{Results: hidden[:min(len(hidden), maxLikely)], TotalSize: len(hidden), Note: note}, nil
}

// found gives the account as a search does.
func (u *user) found() foundUser {
	return foundUser{AccountID: u.AccountID, DisplayName: u.DisplayName, PublicName: u.PublicName, Email: u.Email, AccountType: u.AccountType}
}

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

// userRow is a row of a search for users.
type userRow struct {
	User foundUser `json:"user"`
	URL  string    `json:"url"`
}

// users runs a query about users.
func (c *client) users(ctx context.Context, cql string, a pageArgs) (*userList, error) {
	r := request{path: v1 + "/search/user", query: url.Values{"cql": {cql}}, scopes: []string{scopeContentDetails}}
	var totals struct {
		Total int `json:"totalSize"`
	}
	first := 0
	got, err := gather(c, a, maxUsers, func(limit int, cursor string) (list[userRow], error) {
		start, err := startOf(cursor)
		if err != nil {
			return list[userRow]{}, err
		}
		if cursor == a.Cursor {
			first = start
		}
		rows, err := oneByStart[userRow](ctx, c, r, start, limit, &totals)
		if end := start + len(rows.items); totals.Total > 0 && end >= totals.Total {
			rows.cursor = "" // a link to the next ones is there at the end too
		}
		return rows, err
	})
	if isStatus(err, http.StatusBadRequest) {
		err = explainUserCQL(err)
	}
	if err != nil {
		return nil, err
	}
	out := &userList{Results: []foundUser{}, TotalSize: totals.Total}
	for _, row := range got.items {
		row.User.URL = c.address(links{WebUI: row.URL}, got.base)
		out.Results = append(out.Results, row.User)
	}
	out.paging = newPaging(got.cursor, len(out.Results), totals.Total-first)
	return out, nil
}

// maxUsers is how many users are asked for at once.
const maxUsers = 200

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
// address that it shows, or by a name that only one has. An address is never
// taken for the person whose name is like it.
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
	if strings.Contains(value, "@") {
		return c.accountByEmail(ctx, field, value)
	}
	name := nameIn(value)
	if name == "" {
		return "", toolkit.Invalid(field, "%s: expected an account id, a name, an e-mail address or me", field)
	}
	got, err := c.users(ctx, "user.fullname ~ "+quote(name), pageArgs{Limit: maxUsers})
	if err != nil {
		return "", err
	}
	found := got.Results
	if same := exactly(found, value); len(same) > 0 {
		found = same
	}
	if len(found) == 1 {
		return found[0].AccountID, nil
	}
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: field, Message: fmt.Sprintf("Nobody called '%s' was found.", value),
		Fix: "Give the account id; CONFLUENCE_SEARCH_USERS finds it by a part of the name.",
	}
	if len(found) > 1 {
		e.Kind, e.Message = toolkit.KindInvalid, fmt.Sprintf("'%s' may be any of: %s.", value, candidates(found))
		e.Fix = "Give the account id."
	}
	return "", e
}

// accountByEmail finds the account that an address belongs to beyond doubt.
func (c *client) accountByEmail(ctx context.Context, field, email string) (string, error) {
	got, err := c.usersByEmail(ctx, email)
	if err != nil {
		return "", err
	}
	if got.Note == "" {
		return got.Results[0].AccountID, nil
	}
	e := &toolkit.Error{
		Kind: toolkit.KindNotFound, Field: field, Message: "No account shows the address " + email + ".",
		Fix: "Many hide their address. Give the account id, or the person's name; CONFLUENCE_SEARCH_USERS finds both.",
	}
	if len(got.Results) > 0 {
		e.Kind = toolkit.KindInvalid
		e.Message += " It may belong to: " + candidates(got.Results) + "."
		e.Fix = "Make sure who is meant, and give the account id."
	}
	return "", e
}

// maxCandidates is how many accounts an error names.
const maxCandidates = 10

// candidates names accounts to choose from.
func candidates(found []foundUser) string {
	var names []string
	for i, u := range found {
		if i == maxCandidates {
			names = append(names, fmt.Sprintf("and %d more", len(found)-i))
			break
		}
		name := u.DisplayName
		if name == "" {
			name = u.PublicName
		}
		names = append(names, name+" ("+u.AccountID+")")
	}
	return strings.Join(names, ", ")
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
