package authscheme

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/sluice-run/sluice/internal/httpx"
	"github.com/sluice-run/sluice/toolkit"
)

const (
	// maxAnswer bounds what a provider may answer, in bytes.
	maxAnswer = 256 << 10
	// patience bounds one request. It is long: an answer that is not waited for
	// may be the one with the rotated token.
	patience = 30 * time.Second
)

// OAuth2 is one application at one provider. Endpoint, ClientID and HTTP are
// required; HTTP is the guarded client that its requests go through, which must
// not repeat a POST by itself. It is safe for concurrent use.
type OAuth2 struct {
	Endpoint     toolkit.Endpoint
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURI  string // of the authorization code grant, exactly as registered
	Scopes       []string
	HTTP         *http.Client
	Now          func() time.Time // time.Now when nil
}

// AuthorizeURL gives the address at which a person is asked for consent. state
// comes back with the answer. verifier is PKCE's, and is used only where the
// provider takes it: make one with [Verifier] in any case.
func (o *OAuth2) AuthorizeURL(state, verifier string) string {
	opts := make([]oauth2.AuthCodeOption, 0, len(o.Endpoint.Params)+1)
	for name, value := range o.Endpoint.Params {
		if !reserved(name) {
			opts = append(opts, oauth2.SetAuthURLParam(name, value))
		}
	}
	if o.Endpoint.PKCE {
		opts = append(opts, oauth2.S256ChallengeOption(verifier))
	}
	return o.config().AuthCodeURL(state, opts...)
}

// reserved says whether a parameter is the protocol's own, which fixed ones must
// not change.
func reserved(name string) bool {
	switch name {
	case "response_type", "client_id", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method":
		return true
	}
	return false
}

// Verifier makes a PKCE code verifier.
func Verifier() string { return oauth2.GenerateVerifier() }

// Exchange gives the tokens for a code that came back from the authorize
// address, with the verifier that was given there. A code works once: after any
// error the person must be asked again.
func (o *OAuth2) Exchange(ctx context.Context, code, verifier string) (*Token, error) {
	var opts []oauth2.AuthCodeOption
	if o.Endpoint.PKCE {
		opts = append(opts, oauth2.VerifierOption(verifier))
	}
	return o.tokens(ctx, "exchanging the code", []string{code, verifier}, func(ctx context.Context) error {
		_, err := o.config().Exchange(ctx, code, opts...)
		return err
	})
}

// Refresh gives new tokens for a refresh token. Where the provider rotates, the
// result holds another refresh token, and the one given is used up, or soon will
// be, whether or not the answer arrives; where it does not, the result holds the
// one given.
func (o *OAuth2) Refresh(ctx context.Context, refreshToken string) (*Token, error) {
	t, err := o.tokens(ctx, "refreshing", []string{refreshToken}, func(ctx context.Context) error {
		_, err := o.config().TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
		return err
	})
	if err == nil && t.RefreshToken == "" {
		t.RefreshToken = refreshToken
	}
	return t, err
}

// ClientCredentials gives an access token for the application itself.
func (o *OAuth2) ClientCredentials(ctx context.Context) (*Token, error) {
	cfg := clientcredentials.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.Endpoint.TokenURL,
		Scopes: o.Scopes, AuthStyle: o.style(),
	}
	return o.tokens(ctx, "asking for a token", nil, func(ctx context.Context) error {
		_, err := cfg.Token(ctx)
		return err
	})
}

// Revoke takes a token back at the provider (RFC 7009). hint is "refresh_token"
// or "access_token", or empty. A token that the provider does not know is revoked.
// The error is a KindUnsupported one where the provider cannot.
func (o *OAuth2) Revoke(ctx context.Context, token, hint string) error {
	const doing = "revoking"
	if o.Endpoint.RevokeURL == "" {
		return &Error{Kind: KindUnsupported, Doing: doing}
	}
	form := url.Values{"token": {token}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	if !o.Endpoint.BasicAuth {
		form.Set("client_id", o.ClientID)
		if o.ClientSecret != "" {
			form.Set("client_secret", o.ClientSecret)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Endpoint.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return &Error{Kind: KindRequest, Doing: doing}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if o.Endpoint.BasicAuth {
		req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
	}
	var got recorder
	client := o.client(&got)
	res, err := client.Do(req)
	if err == nil {
		_ = res.Body.Close() // it is read already
	}
	if got.answer != nil && got.answer.status/100 == 2 {
		return nil
	}
	return o.failure(doing, &got, err, []string{token})
}

// tokens runs one request for tokens and reads its answer.
func (o *OAuth2) tokens(ctx context.Context, doing string, secrets []string, ask func(ctx context.Context) error) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := o.now()
	var got recorder
	client := o.client(&got)
	// The library makes the request. It gives up a whole answer for one odd field,
	// and a rotated token with it, so the answer is read here.
	err := ask(context.WithValue(ctx, oauth2.HTTPClient, &client))
	if got.answer != nil && got.answer.status/100 == 2 {
		if t := got.answer.token(began); t != nil {
			return t, nil
		}
	}
	return nil, o.failure(doing, &got, err, secrets)
}

// failure makes the error of a request that got no token.
func (o *OAuth2) failure(doing string, got *recorder, err error, secrets []string) *Error {
	if got.answer == nil {
		return unanswered(doing, err)
	}
	return got.answer.refusal(doing, o.now(), append(secrets, o.ClientSecret))
}

// client gives o.HTTP with a recorder before its transport. Redirects are not
// followed: what is sent belongs to the address that was configured.
func (o *OAuth2) client(got *recorder) http.Client {
	c := *o.HTTP
	got.next = c.Transport
	c.Transport = got
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

func (o *OAuth2) config() *oauth2.Config {
	return &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURI, Scopes: o.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: o.Endpoint.AuthorizeURL, TokenURL: o.Endpoint.TokenURL, AuthStyle: o.style()},
	}
}

func (o *OAuth2) style() oauth2.AuthStyle {
	if o.Endpoint.BasicAuth {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

func (o *OAuth2) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// recorder keeps the answer of one request, read whole within its bound, and
// hands it on.
type recorder struct {
	next   http.RoundTripper
	answer *answer // nil when there was none that could be read
}

// RoundTrip sends the request and reads its answer.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Accept") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("Accept", "application/json") // some answer as a form otherwise
	}
	res, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	_ = res.Body.Close() // nothing is left to fail
	if err == nil && len(body) > maxAnswer {
		err = &httpx.TooLargeError{What: "response", Limit: maxAnswer}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	r.answer = &answer{status: res.StatusCode, header: res.Header, body: body}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
