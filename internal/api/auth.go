package api

import (
	"net/http"
	"strings"

	"github.com/sluice-run/sluice/internal/domain"
	"github.com/sluice-run/sluice/internal/identity"
)

// authenticate lets a request pass that carries exactly one credential, a good
// API key, and puts the caller into its context. What isPublic needs none.
func authenticate(next http.Handler, ids *identity.Service, origin func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		c.origin = origin(r)
		if !isPublic(r.Method, r.URL.Path) {
			p, err := principal(r, ids)
			if err != nil {
				if r.ContentLength != 0 {
					w.Header().Set("Connection", "close") // net/http would wait for a stranger's body
				}
				writeError(w, fail(domain.AsError(err), r.Method, c.requestID))
				return
			}
			c.principal = p
			noteSeen(r.Context(), p)
		}
		next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), c)))
	})
}

// credentialHeaders are the headers by which the contract's clients send a key.
var credentialHeaders = []string{"X-Api-Key", "X-User-Api-Key", "X-Org-Api-Key", "Authorization"}

func principal(r *http.Request, ids *identity.Service) (domain.Principal, error) {
	var name, value string
	found := 0
	for _, h := range credentialHeaders {
		for _, v := range r.Header.Values(h) {
			if v != "" {
				name, value = h, v
				found++
			}
		}
	}
	if found > 1 {
		return domain.Principal{}, domain.Errorf(domain.CodeUnauthenticated, "the request carries more than one credential").
			WithFix("Send exactly one of x-api-key and Authorization: Bearer.")
	}
	switch name {
	case "X-Org-Api-Key":
		p, err := ids.AuthenticateOperator(r.Context(), value)
		if err == nil && !operatorPath(r.URL.Path) {
			err = domain.Errorf(domain.CodeForbidden, "an operator's key may do nothing within a project").
				WithFix("Send a key of the project as x-api-key. An operator's key makes one: POST /api/v3.1/org/owner/project/{id}/regenerate_api_key.")
		}
		return p, err
	case "X-User-Api-Key":
		return domain.Principal{}, domain.Errorf(domain.CodeUnauthenticated, "%s is not offered here", strings.ToLower(name)).
			WithFix("Send a project's API key as x-api-key.")
	case "Authorization":
		scheme, token, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return domain.Principal{}, domain.Errorf(domain.CodeUnauthenticated, "the Authorization header is not a bearer token").
				WithFix("Send x-api-key: <key>, or Authorization: Bearer <key>.")
		}
		value = strings.TrimSpace(token)
	}
	return ids.Authenticate(r.Context(), value)
}
