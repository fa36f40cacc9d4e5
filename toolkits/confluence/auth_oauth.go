package confluence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// The names of an auth config's values on the wire, and of what is found out
// when an account connects.
const (
	configClientID  = "client_id"
	configSecret    = "client_secret"
	configAuthorize = "authorization_url"
	configToken     = "token_url"
	configAPI       = "api_url"
	fieldCloudID    = "cloud_id"
	fieldGateway    = "gateway_url"

	defaultAuthorize = "https://auth.atlassian.com/authorize"
	defaultToken     = "https://auth.atlassian.com/oauth/token"
	defaultAPI       = "https://api.atlassian.com"
)

// oauth2 connects by the person's consent (3LO), through the gateway.
func oauth2() toolkit.Auth {
	return toolkit.Auth{
		Scheme: "OAUTH2",
		Name:   "confluence_oauth",
		ConfigFields: append(clientFields("The client id of your app at developer.atlassian.com/console.", "The app's client secret."),
			toolkit.Field{
				Name: "oauth_redirect_uri", DisplayName: "Redirect URI", Type: "url",
				Description: "The callback URL that is registered with the app. Left out, it is this router's own: its public address and /oauth/callback, or a path below that where the addresses are not the usual ones.",
			},
			toolkit.Field{
				Name: "scopes", DisplayName: "Scopes",
				Description: "What is asked for, with commas or spaces between. Left out: what the enabled tools need, and offline_access.",
			},
			advanced(configAuthorize, "Authorization URL", "Where people are asked for their consent.", defaultAuthorize),
			advanced(configToken, "Token URL", "Where codes are exchanged for tokens.", defaultToken),
			advanced(configAPI, "API URL", "The gateway, where sites are listed and called.", defaultAPI),
		),
		Fields: []toolkit.Field{{
			Name: fieldSubdomain, DisplayName: "Your Subdomain", Placeholder: "acme",
			Description: "The name of the site: the part before .atlassian.net. Left out, you choose among your sites.",
		}},
		BaseURL:   gatewayURL,
		Authorize: bearer,
		OAuth: &toolkit.OAuth{
			Endpoint: func(config map[string]string) (toolkit.Endpoint, error) {
				e, err := endpoint(config)
				e.Params = map[string]string{"audience": "api.atlassian.com", "prompt": "consent"}
				e.PKCE = true
				return e, err
			},
			Scopes:      []string{"read:content-details:confluence", "offline_access"},
			CheckFields: checkSubdomain,
			Explain:     explainScopes,
			Sites:       accessible,
		},
	}
}

// serviceAccount connects a service account by the credentials of the project.
func serviceAccount() toolkit.Auth {
	return toolkit.Auth{
		Scheme: "S2S_OAUTH2",
		Name:   "confluence_s2s_oauth2",
		ConfigFields: append(clientFields("The client id of the service account's OAuth 2.0 credential, from admin.atlassian.com.", "The credential's client secret."),
			advanced(configToken, "Token URL", "Where tokens are given.", defaultToken),
			advanced(configAPI, "API URL", "The gateway, where sites are listed and called.", defaultAPI),
		),
		Fields: []toolkit.Field{{
			Name: fieldSubdomain, DisplayName: "Your Subdomain", Required: true, Placeholder: "acme",
			Description: "The name of the site that the service account works on: the part before .atlassian.net.",
		}},
		BaseURL:   gatewayURL,
		Authorize: bearer,
		OAuth: &toolkit.OAuth{
			Endpoint: func(config map[string]string) (toolkit.Endpoint, error) {
				e, err := endpoint(config)
				e.AuthorizeURL = ""
				return e, err
			},
			CheckFields: checkSubdomain,
			Explain:     explainScopes,
			Sites:       serviceSites,
		},
	}
}

func clientFields(id, secret string) []toolkit.Field {
	return []toolkit.Field{
		{Name: configClientID, DisplayName: "Client ID", Required: true, Description: id},
		{Name: configSecret, DisplayName: "Client Secret", Required: true, Secret: true, Type: "password", Description: secret},
	}
}

func advanced(name, display, what, usual string) toolkit.Field {
	return toolkit.Field{
		Name: name, DisplayName: display, Type: "url", Advanced: true, Placeholder: usual,
		Description: what + " Only for a proxy or a sandbox: usually " + usual + ".",
	}
}

func bearer(r *http.Request, _ map[string]string, secrets toolkit.Secrets) {
	r.Header.Set("Authorization", "Bearer "+secrets["access_token"])
}

// endpoint gives Atlassian's addresses, or those that the config names.
func endpoint(config map[string]string) (toolkit.Endpoint, error) {
	var e toolkit.Endpoint
	for _, a := range []struct {
		to          *string
		name, usual string
	}{
		{&e.AuthorizeURL, configAuthorize, defaultAuthorize}, {&e.TokenURL, configToken, defaultToken}, {&e.APIURL, configAPI, defaultAPI},
	} {
		*a.to = a.usual
		given := strings.TrimSpace(config[a.name])
		if given == "" {
			continue
		}
		address, err := plainAddress(a.name, given)
		if err != nil {
			return e, err
		}
		*a.to = address
	}
	return e, nil
}

// plainAddress judges an address that a project names. Whether it may be reached
// is the guarded client's to say.
func plainAddress(field, given string) (string, error) {
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", toolkit.Invalid(field, "expected an address that starts with https:// and has no user, ? or #")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// gatewayURL gives the address of the chosen site behind the gateway.
func gatewayURL(fields map[string]string) (string, error) {
	if base := fields[fieldBaseURL]; base != "" {
		return plainAddress(fieldBaseURL, base)
	}
	return "", &toolkit.Error{
		Kind: toolkit.KindAuth, Message: "It is not known yet which site the account is for.", Fix: "Connect the account again.",
	}
}

// checkSubdomain judges the site's name where one is given.
func checkSubdomain(fields map[string]string) error {
	if fields[fieldSubdomain] == "" {
		return nil
	}
	_, err := siteName(fields[fieldSubdomain])
	return err
}

// cloudID is what a site's id may look like; it becomes part of an address.
var cloudID = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// resource is one answer of accessible-resources. A site with several products
// may be there several times.
type resource struct {
	ID     string   `json:"id"`
	URL    string   `json:"url"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
}

// accessible lists the sites that a token reaches, Confluence's scopes of each.
func accessible(ctx context.Context, call *toolkit.Call) ([]toolkit.Site, error) {
	wanted := ""
	if given := call.Account[fieldSubdomain]; given != "" {
		var err error
		if wanted, err = siteName(given); err != nil {
			return nil, err
		}
	}
	list, err := resources(ctx, call)
	if err != nil {
		return nil, err
	}
	var sites []toolkit.Site
	for _, r := range list {
		if !cloudID.MatchString(r.ID) || len(r.Scopes) > 0 && !slices.ContainsFunc(r.Scopes, ofConfluence) {
			continue // another product's
		}
		i := slices.IndexFunc(sites, func(s toolkit.Site) bool { return s.ID == r.ID })
		if i < 0 {
			name := subdomainOf(r)
			sites = append(sites, toolkit.Site{
				ID: r.ID, Name: r.Name, URL: r.URL, Wanted: wanted != "" && name == wanted,
				Fields: siteFields(name, call.BaseURL, r.ID),
			})
			i = len(sites) - 1
		}
		for _, scope := range r.Scopes {
			if !slices.Contains(sites[i].Scopes, scope) {
				sites[i].Scopes = append(sites[i].Scopes, scope)
			}
		}
	}
	return sites, nil
}

func ofConfluence(scope string) bool { return strings.Contains(scope, "confluence") }

func siteFields(subdomain, api, id string) map[string]string {
	return map[string]string{fieldSubdomain: subdomain, fieldCloudID: id, fieldBaseURL: api + "/ex/confluence/" + id}
}

// subdomainOf gives the name by which people know a site.
func subdomainOf(r resource) string {
	if u, err := url.Parse(r.URL); err == nil {
		if name, ok := strings.CutSuffix(strings.ToLower(u.Hostname()), ".atlassian.net"); ok {
			return name
		}
	}
	return strings.ToLower(r.Name)
}

// resources asks which sites the token is for.
func resources(ctx context.Context, call *toolkit.Call) ([]resource, error) {
	var list []resource
	err := getJSON(ctx, call, call.BaseURL+"/oauth/token/accessible-resources", "the list of sites", &list)
	return list, err
}

// serviceSites finds the site of a service account: in the list of sites, or, for
// a credential that may not ask for it, by the site's own word.
func serviceSites(ctx context.Context, call *toolkit.Call) ([]toolkit.Site, error) {
	sites, err := accessible(ctx, call)
	if len(sites) > 0 {
		return sites, nil
	}
	var refused *toolkit.Error
	if err != nil && (!errors.As(err, &refused) || refused.Kind != toolkit.KindAuth && refused.Kind != toolkit.KindForbidden) {
		return nil, err
	}
	name, err := siteName(call.Account[fieldSubdomain])
	if err != nil {
		return nil, err
	}
	site := "https://" + name + ".atlassian.net"
	id, err := tenant(ctx, call, site)
	if err != nil {
		return nil, err
	}
	return []toolkit.Site{{ID: id, Name: name, URL: site, Wanted: true, Fields: siteFields(name, call.BaseURL, id)}}, nil
}

// tenant asks a site for its cloud id, for which it needs no credentials.
func tenant(ctx context.Context, call *toolkit.Call, site string) (string, error) {
	var info struct {
		CloudID string `json:"cloudId"`
	}
	if err := getJSON(ctx, call, site+"/_edge/tenant_info", "the site's cloud id", &info); err != nil {
		return "", err
	}
	if !cloudID.MatchString(info.CloudID) {
		return "", toolkit.Invalid(fieldSubdomain, "there is no Confluence Cloud site at %s", site)
	}
	return info.CloudID, nil
}

// maxFound bounds the answers that are read while connecting, in bytes.
const maxFound = 1 << 20

// getJSON reads one answer at an address that is not below the account's own.
func getJSON(ctx context.Context, call *toolkit.Call, address, what string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("confluence: make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := call.HTTP.Do(req)
	if err != nil {
		return transportError(ctx, request{method: http.MethodGet}, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFound))
	if err != nil {
		return cutError(ctx, request{method: http.MethodGet}, resp.StatusCode, err)
	}
	if resp.StatusCode >= 300 {
		return statusError(request{method: http.MethodGet, what: what}, resp, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &toolkit.Error{
			Kind: toolkit.KindUnavailable, Status: resp.StatusCode, Cause: err,
			Message: "Atlassian did not give " + what + " in a form that can be read.", Fix: "Try again in a moment.",
		}
	}
	return nil
}
