package confluence

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// user is an account.
type user struct {
	AccountID   string   `json:"accountId" jsonschema_description:"Account id."`
	AccountType string   `json:"accountType,omitempty" jsonschema_description:"atlassian, app or customer."`
	Type        string   `json:"type,omitempty" jsonschema_description:"known or anonymous."`
	Email       string   `json:"email,omitempty" jsonschema_description:"E-mail address, when the account shows it."`
	PublicName  string   `json:"publicName,omitempty" jsonschema_description:"Name shown to everybody."`
	DisplayName string   `json:"displayName,omitempty" jsonschema_description:"Full name."`
	TimeZone    string   `json:"timeZone,omitempty" jsonschema_description:"Time zone, such as Europe/Berlin; dates in CQL are in it."`
	Locale      string   `json:"locale,omitempty" jsonschema_description:"Language."`
	External    bool     `json:"isExternalCollaborator,omitempty" jsonschema_description:"Whether a guest."`
	Picture     *picture `json:"profilePicture,omitempty" jsonschema_description:"Picture."`
}

type picture struct {
	Path      string `json:"path,omitempty" jsonschema_description:"Path of the image."`
	Width     int    `json:"width,omitempty" jsonschema_description:"Width in pixels."`
	Height    int    `json:"height,omitempty" jsonschema_description:"Height in pixels."`
	IsDefault bool   `json:"isDefault,omitempty" jsonschema_description:"Whether it is not the account's own."`
}

// name gives the best name there is.
func (u user) name() string {
	if u.DisplayName != "" {
		return u.DisplayName
	}
	return u.PublicName
}

var getCurrentUser = toolkit.Read("CONFLUENCE_GET_CURRENT_USER", "Get Current User",
	"Say whose account is connected: name, e-mail, account id, time zone. Use it for \"who am I\" and before searching for someone's own pages.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf("read:content-details:confluence", "read:confluence-user"),
		Keywords:  []string{"who am i", "me", "my", "myself", "account", "profile", "whoami", "logged in", "connected", "identity", "credentials"},
		Endpoints: []string{"GET /wiki/rest/api/user/current"},
	},
	func(ctx context.Context, c *client, _ struct{}) (*user, error) {
		return c.currentUser(ctx)
	})

func (c *client) currentUser(ctx context.Context) (*user, error) {
	var u user
	err := c.do(ctx, request{path: v1 + "/user/current", out: &u, probe: true, scopes: []string{"read:content-details:confluence"}})
	if err != nil {
		return nil, err
	}
	if u.AccountID == "" || u.Type == "anonymous" {
		return nil, &toolkit.Error{
			Kind: toolkit.KindAuth, Message: "Confluence takes this account for an anonymous visitor: the credentials are not good.",
			Fix: "Connect the account again, with the e-mail address and API token of the same Atlassian account.",
		}
	}
	return &u, nil
}

// user gets an account by its id.
func (c *client) user(ctx context.Context, accountID string) (*user, error) {
	var u user
	err := c.do(ctx, request{
		path: v1 + "/user", query: url.Values{"accountId": {accountID}}, out: &u, what: "user with the account id " + accountID,
	})
	return &u, err
}

// anonymousUser is how visitors without an account are shown.
type anonymousUser struct {
	Allowed     bool        `json:"allowed" jsonschema_description:"Whether visitors without an account may use the site."`
	Type        string      `json:"type,omitempty" jsonschema_description:"anonymous."`
	DisplayName string      `json:"displayName,omitempty" jsonschema_description:"The name shown for them."`
	Picture     *picture    `json:"profilePicture,omitempty" jsonschema_description:"Picture."`
	Operations  []operation `json:"operations,omitempty" jsonschema_description:"What they may do on the site."`
	Message     string      `json:"message,omitempty" jsonschema_description:"What that means."`
}

var getAnonymousUser = toolkit.Read("CONFLUENCE_GET_USER_ANONYMOUS", "Get Anonymous User",
	"Say whether visitors without an account may use the site, how they are shown and what they may do. For whose account is connected use get current user.",
	toolkit.About{
		Scopes:    toolkit.Scopes{}.AnyOf("read:user:confluence", "read:confluence-user"),
		Keywords:  []string{"public access", "without login", "guests", "visitors", "open to the world"},
		Endpoints: []string{"GET /wiki/rest/api/user/anonymous"},
	},
	func(ctx context.Context, c *client, _ struct{}) (*anonymousUser, error) {
		var u anonymousUser
		err := c.do(ctx, request{
			path: v1 + "/user/anonymous", query: url.Values{"expand": {"operations"}}, out: &u, scopes: []string{"read:user:confluence"},
		})
		var e *toolkit.Error
		if isStatus(err, http.StatusForbidden) && errors.As(err, &e) && strings.Contains(fmt.Sprint(e.Cause), "Anonymous") {
			return &anonymousUser{Message: "Anonymous access to this site is off: everybody needs an account."}, nil
		}
		if err != nil {
			return nil, err
		}
		u.Allowed, u.Message = true, "Anonymous access to this site is on; each space decides whether it takes part."
		return &u, nil
	})
