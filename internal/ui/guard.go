package ui

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
)

// guard sets the headers of every page: no scripts, no frames, no referrer (the
// address holds the link's secret), nothing kept. Browsers hold the redirect
// after a form to form-action as well, so the callback's origin is in it. It
// gives the page's style.
func (p *pages) guard(w http.ResponseWriter, callback string, brand connect.Branding) look {
	action := "'self'"
	if u, err := url.Parse(callback); err == nil && plainHost.MatchString(u.Host) {
		action += " " + u.Scheme + "://" + u.Host
	}
	l := p.look(brand)
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+l.styleIs+"; img-src data:"+l.imageIs+"; form-action "+action+
		"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	return l
}

// plainHost keeps a callback from adding to the policy: Go's URLs may have ";"
// in their host.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// sameOrigin says whether the form comes from our own page, as far as the
// browser tells. Old browsers send no Sec-Fetch-Site, and an Origin of "null"
// under our referrer policy: then the cookie alone decides.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// newCSRF gives the browser's form token: the one that its cookie has already,
// so that two open pages do not disturb each other, or a new one.
func (p *pages) newCSRF(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(cookieName); err == nil && len(c.Value) == csrfLength {
		return c.Value
	}
	token := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/link/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: p.secure(r),
	})
	return token
}

// browserOf is the secret by which a link knows the browser that began with it;
// "" before the first page.
func browserOf(r *http.Request) string {
	if c, err := r.Cookie(cookieName); err == nil && len(c.Value) == csrfLength {
		return c.Value
	}
	return ""
}

// secure says whether the browser speaks https with us, as far as can be told. A
// header that anyone may set only ever makes a cookie stricter.
func (p *pages) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(p.origin(r), "https://") || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

const csrfLength = 26 // of rand.Text

func goodCSRF(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	return err == nil && len(c.Value) == csrfLength &&
		subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.PostForm.Get("csrf"))) == 1
}
