package api

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// cleanPath makes one path of the many that clients send: "//" and a trailing
// slash go, and /api/v3 becomes /api/v3.1 with a mark in the caller. It never
// redirects: a redirected POST loses its body.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		clean := path.Clean("/" + r.URL.EscapedPath())
		if rest, ok := strings.CutPrefix(clean, "/api/v3"); ok && (rest == "" || rest[0] == '/') {
			clean, c.v3 = prefix+rest, true
		}
		plain, err := url.PathUnescape(clean)
		if err != nil { // EscapedPath is always valid
			plain = clean
		}
		u := *r.URL
		u.Path, u.RawPath = plain, clean
		r = r.WithContext(withCaller(r.Context(), c))
		r.URL = &u
		next.ServeHTTP(w, r)
	})
}
