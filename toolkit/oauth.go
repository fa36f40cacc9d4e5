package toolkit

import "context"

// OAuth says how the accounts of an OAuth 2 scheme get their tokens. The tokens
// are the connection's secrets access_token and refresh_token.
type OAuth struct {
	// Endpoint gives the provider's addresses. It gets the public values of the
	// auth config, with which a project may name others than the usual ones, and
	// fails on malformed values with an *Error that names the field.
	Endpoint func(config map[string]string) (Endpoint, error)
	// Scopes are asked for besides what the enabled tools need, where the project
	// does not choose its own: what Check needs, and offline_access.
	Scopes []string
	// CheckFields judges what was given when connecting, before the person leaves
	// for the provider. It fails with an *Error that names the field. Optional.
	CheckFields func(fields map[string]string) error
	// Explain says in plain words what scopes allow, for the person who is asked:
	// one short line each, as in "Read pages and comments". Optional.
	Explain func(scopes []string) []string
	// Sites lists where a fresh grant may work. It is called with a Call whose
	// BaseURL is Endpoint.APIURL and whose Account holds what was given when
	// connecting. nil means that the grant is for one place, which Auth.BaseURL
	// knows.
	Sites func(ctx context.Context, call *Call) ([]Site, error)
}

// Endpoint is a provider's side of OAuth 2.
type Endpoint struct {
	AuthorizeURL string // empty where there is no person to ask: client credentials
	TokenURL     string
	RevokeURL    string            // RFC 7009; empty: the provider offers none
	APIURL       string            // where Sites asks
	Issuer       string            // as the provider names itself in its answer (RFC 9207); empty: the origin of AuthorizeURL
	Params       map[string]string // fixed parameters of the authorize address: audience, prompt
	PKCE         bool              // send an S256 challenge (RFC 7636)
	BasicAuth    bool              // client id and secret in the header, not in the body (RFC 6749, 2.3.1)
}

// Site is one place that a grant reaches.
type Site struct {
	ID   string // distinguishes it from the others; stable
	Name string
	URL  string // for the person who chooses
	// Fields become the connection's public fields: cloud id, base address.
	Fields map[string]string
	// Scopes were granted for this site; nil means that they are not known.
	Scopes []string
	// Wanted says that what was given when connecting names this site.
	Wanted bool
}
