package confluence

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/sluice-run/sluice/toolkit"
)

// The names of the connection's fields on the wire.
const (
	fieldSubdomain = "subdomain"
	fieldEmail     = "generic_id"
	fieldToken     = "generic_api_key"
	fieldBaseURL   = "base_url"
)

// apiKey connects with an e-mail address and an API token, over basic auth.
func apiKey() toolkit.Auth {
	return toolkit.Auth{
		Scheme: "API_KEY",
		Name:   "confluence_api_key",
		Fields: []toolkit.Field{
			{
				Name: fieldSubdomain, DisplayName: "Your Subdomain", Required: true, Placeholder: "acme",
				Description: "The name of the site: the part before .atlassian.net. The site's address works too.",
			},
			{
				Name: fieldEmail, DisplayName: "Email", Required: true, Type: "email", Placeholder: "you@example.com",
				Description: "The e-mail address of the Atlassian account that the API token belongs to.",
			},
			{
				Name: fieldToken, DisplayName: "API Key", Required: true, Secret: true, Type: "password",
				Description: "An Atlassian API token, with or without scopes, made at id.atlassian.com/manage-profile/security/api-tokens.",
			},
			{
				Name: fieldBaseURL, DisplayName: "Base URL", Type: "url", Advanced: true, Placeholder: "https://wiki.example.com",
				Description: "Only for a site that is not at {subdomain}.atlassian.net: its address, without /wiki.",
			},
		},
		ConfigFields: []toolkit.Field{
			advanced(configAPI, "API URL", "The gateway, which takes API tokens that have scopes.", defaultAPI),
		},
		BaseURL: baseURL,
		Resolve: findGateway,
		Authorize: func(r *http.Request, fields map[string]string, secrets toolkit.Secrets) {
			r.SetBasicAuth(fields[fieldEmail], secrets[fieldToken])
		},
	}
}

// baseURL gives the site's address from the connection's public fields.
func baseURL(fields map[string]string) (string, error) {
	if gateway := fields[fieldGateway]; gateway != "" {
		return plainAddress(fieldGateway, gateway)
	}
	if base := strings.TrimSpace(fields[fieldBaseURL]); base != "" {
		return customBase(base)
	}
	name, err := siteName(fields[fieldSubdomain])
	if err != nil {
		return "", err
	}
	return "https://" + name + ".atlassian.net", nil
}

// findGateway finds out whether the token has scopes: the site itself refuses
// such a token, and the gateway takes it. It gives nothing where the site takes
// the token, and where the gateway does not: Check then says what is wrong.
func findGateway(ctx context.Context, call *toolkit.Call, config map[string]string) (map[string]string, error) {
	if call.Account[fieldBaseURL] != "" && config[configAPI] == "" {
		return nil, nil // a site elsewhere: Atlassian's gateway has no business with its tokens
	}
	c, err := newClient(call)
	if err != nil {
		return nil, err
	}
	if _, err = c.currentUser(ctx); err == nil || !refusedCredentials(err) {
		return nil, nil
	}
	id, err := tenant(ctx, call, call.BaseURL)
	if err != nil {
		return nil, nil //nolint:nilerr // no Confluence Cloud
	}
	e, err := endpoint(config)
	if err != nil {
		return nil, err
	}
	return map[string]string{fieldCloudID: id, fieldGateway: e.APIURL + "/ex/confluence/" + id}, nil
}

// refusedCredentials says whether the site took nobody for the credentials.
func refusedCredentials(err error) bool {
	var te *toolkit.Error
	return errors.As(err, &te) && te.Kind == toolkit.KindAuth
}

func customBase(base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "", toolkit.Invalid(fieldBaseURL, "expected an address such as https://wiki.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", toolkit.Invalid(fieldBaseURL, "expected an address that starts with https:// or http://")
	case u.User != nil:
		return "", toolkit.Invalid(fieldBaseURL, "the address must not contain credentials; put the e-mail into %s and the API token into %s", fieldEmail, fieldToken)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", toolkit.Invalid(fieldBaseURL, "expected the site's address alone, without ? and #")
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	path = strings.TrimSuffix(path, "/wiki")
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimRight(path, "/"), nil
}

var siteLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// siteName takes "acme", "acme.atlassian.net" or an address of that site.
func siteName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	if name == "" {
		return "", toolkit.Invalid(fieldSubdomain, "is required: the name of the site, the part before .atlassian.net")
	}
	if rest, ok := cutScheme(name); ok {
		u, err := url.Parse("https://" + rest)
		if err != nil || u.User != nil || u.Port() != "" {
			return "", badSubdomain()
		}
		name = u.Hostname()
		if !strings.HasSuffix(name, ".atlassian.net") {
			return "", badSubdomain()
		}
	}
	name = strings.TrimSuffix(name, "/")
	name = strings.TrimSuffix(name, "/wiki")
	name = strings.TrimSuffix(name, ".atlassian.net")
	if !siteLabel.MatchString(name) {
		return "", badSubdomain()
	}
	return name, nil
}

func cutScheme(s string) (string, bool) {
	for _, scheme := range []string{"https://", "http://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			return rest, true
		}
	}
	return s, false
}

func badSubdomain() error {
	e := toolkit.Invalid(fieldSubdomain, "expected the name of a site, as acme of https://acme.atlassian.net, or that address")
	e.Fix = "For a site at another address fill in " + fieldBaseURL + " as well."
	return e
}
