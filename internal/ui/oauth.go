package ui

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-run/sluice/internal/connect"
	"github.com/sluice-run/sluice/internal/domain"
)

// The routes of the pages, as they are logged and counted: without what is
// secret in their addresses.
const (
	RouteLink     = "/link/{token}"
	RouteCallback = connect.CallbackPath
	RouteFinish   = "/oauth/finish/{flow}"
)

const (
	finishPath       = "/oauth/finish/"
	flowCookiePrefix = "sluice_flow_"
	flowCookieAge    = 20 * 60 // seconds: the way there and back, and the questions after it
)

// Serves gives the route of a path that belongs to the pages, or "".
func Serves(path string) string {
	switch {
	case path == RouteCode:
		return RouteCode
	case strings.HasPrefix(path, "/link/"):
		return RouteLink
	case slices.Contains(connect.CallbackPaths(), path), strings.HasPrefix(path, connect.CallbackPath+"/"):
		return RouteCallback
	case strings.HasPrefix(path, finishPath):
		return RouteFinish
	}
	return ""
}

// depart sends the browser of a form to the provider.
func (p *pages) depart(w http.ResponseWriter, r *http.Request, form *connect.Form, token string) {
	d, err := p.connect.Depart(r.Context(), token, p.origin(r), submitted(form, r))
	if err != nil {
		p.again(w, r, form, err)
		return
	}
	p.leave(w, r, form, d)
}

// leave gives the browser the flow's cookie and sends it off. It is a page that
// moves on by itself, no redirect: browsers would hold each hop of one after a
// form to form-action, and where a provider signs people in is not known here.
func (p *pages) leave(w http.ResponseWriter, r *http.Request, form *connect.Form, d *connect.Departure) {
	for _, path := range flowCookiePaths(d.RedirectURI, p.origin(r)) {
		p.setFlowCookie(w, r, d.Flow, d.Browser, path, flowCookieAge)
	}
	l := p.guard(w, "", form.Brand)
	p.render(w, http.StatusOK, "leave.html", leavePage{look: l, Toolkit: form.Toolkit.Name, To: d.URL, Host: hostOf(d.URL)})
}

func (p *pages) setFlowCookie(w http.ResponseWriter, r *http.Request, flow, value, path string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: flowCookie(flow), Value: value, Path: path, MaxAge: age, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // the provider's redirect must bring it
		Secure:   p.secure(r),
	})
}

// flowCookiePaths are where the cookie is needed: on the way back, and at the
// questions. An address that is not ours passes the browser on to one that we do
// not know.
func flowCookiePaths(redirect, origin string) []string {
	const own = "/oauth/"
	u, err := url.Parse(redirect)
	switch {
	case err != nil || u.Host != hostOf(origin) || Serves(u.Path) != RouteCallback:
		return []string{"/"}
	case strings.HasPrefix(u.Path, own):
		return []string{own}
	}
	return []string{u.Path, own}
}

// flowCookie names the cookie of a flow, so that two at once do not disturb each
// other.
func flowCookie(flow string) string { return flowCookiePrefix + flow[:min(16, len(flow))] }

// flowBrowser is the secret of the browser that is on the flow.
func flowBrowser(r *http.Request, flow string) string {
	c, err := r.Cookie(flowCookie(flow))
	if err != nil {
		return ""
	}
	return c.Value
}

// flowCSRF is the token of the forms of a flow. It follows from the cookie, which
// no other site can read.
func flowCSRF(browser string) string {
	sum := sha256.Sum256([]byte("form of " + browser))
	return hex.EncodeToString(sum[:16])
}

// arrive takes the browser that comes back from the provider.
func (p *pages) arrive(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		p.notAllowed(w, "GET")
		return
	}
	q := r.URL.Query()
	flow := connect.FlowOf(q.Get("state"))
	in := connect.Arrived{
		Path: r.URL.Path, State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Description: q.Get("error_description"),
		Issuer: q.Get("iss"), Browser: flowBrowser(r, flow),
	}
	if !p.take() {
		p.busy(w)
		return
	}
	defer p.give()
	done, pending, err := p.connect.Arrive(r.Context(), in)
	p.outcome(w, r, flow, in.Browser, done, pending, err, true)
}

// outcome shows where a flow has led.
func (p *pages) outcome(w http.ResponseWriter, r *http.Request, flow, browser string, done *connect.Connected, pending *connect.Pending, err error, arrived bool) {
	var fe *connect.FlowError
	switch {
	case errors.As(err, &fe):
		p.flowFailed(w, r, fe, browser)
	case err != nil:
		p.refuse(w, r, err)
	case pending != nil && arrived: // away from the address that holds the code
		http.Redirect(w, r, finishPath+flow, http.StatusSeeOther)
	case pending != nil:
		p.ask(w, pending, browser)
	default:
		p.connected(w, r, flow, done)
	}
}

func (p *pages) connected(w http.ResponseWriter, r *http.Request, flow string, done *connect.Connected) {
	a := &done.Account
	p.log.InfoContext(r.Context(), "account connected", "account", a.ID, "toolkit", a.Toolkit)
	for _, path := range []string{"/", "/oauth/"} {
		p.setFlowCookie(w, r, flow, "", path, -1)
	}
	if done.Callback != "" {
		http.Redirect(w, r, done.Callback, http.StatusSeeOther)
		return
	}
	l := p.guard(w, "", done.Form.Brand)
	p.render(w, http.StatusOK, "done.html", doneView(l, done.Form, a))
}

func (p *pages) flowFailed(w http.ResponseWriter, r *http.Request, fe *connect.FlowError, browser string) {
	l := p.guard(w, "", fe.Form.Brand)
	page := failedPage{
		look: l, Toolkit: fe.Form.Toolkit.Name, Message: fe.Err.Message, Fix: fe.Err.Fix,
		Again: finishPath + fe.Flow, CSRF: flowCSRF(browser), Back: fe.Callback, BackTo: hostOf(fe.Callback),
	}
	p.render(w, p.statusOf(r, fe.Err), "failed.html", page)
}

// ask shows the question that is left: which site, and whether what was granted
// will do.
func (p *pages) ask(w http.ResponseWriter, pending *connect.Pending, browser string) {
	l := p.guard(w, pending.Form.Link.CallbackURL, pending.Form.Brand)
	p.render(w, http.StatusOK, "finish.html", finishView(l, pending, flowCSRF(browser)))
}

func (p *pages) finishRoute(w http.ResponseWriter, r *http.Request) {
	flow := strings.TrimPrefix(r.URL.Path, finishPath)
	browser := flowBrowser(r, flow)
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		p.notAllowed(w, "GET, POST")
		return
	}
	if r.Method == http.MethodPost && !p.parse(w, r) {
		return
	}
	if !p.take() {
		p.busy(w)
		return
	}
	defer p.give()
	if r.Method == http.MethodGet {
		pending, err := p.connect.Pending(r.Context(), flow, browser)
		p.outcome(w, r, flow, browser, nil, pending, err, false)
		return
	}
	if browser == "" {
		p.refuse(w, r, domain.Errorf(domain.CodeForbidden, "This sign-in is finished, or was not begun in this browser.").
			WithFix("Open your connect link if you are not connected yet."))
		return
	}
	if !sameOrigin(r) || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("csrf")), []byte(flowCSRF(browser))) != 1 {
		p.refuse(w, r, domain.Errorf(domain.CodeForbidden, "The form was not sent from this page.").
			WithFix("Nothing was connected. Go back and send it again; cookies must be allowed for this site."))
		return
	}
	if r.PostForm.Get("action") == "again" {
		form, d, err := p.connect.DepartAgain(r.Context(), flow, browser)
		if err != nil {
			p.refuse(w, r, err)
			return
		}
		p.leave(w, r, form, d)
		return
	}
	done, pending, err := p.connect.Finish(r.Context(), flow, browser, r.PostForm.Get("site"))
	p.outcome(w, r, flow, browser, done, pending, err, false)
}

// take takes a place for a call to a provider, if one is free.
func (p *pages) take() bool {
	select {
	case p.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p *pages) give() { <-p.slots }

func (p *pages) busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	e := tooMany()
	p.notice(w, http.StatusServiceUnavailable, e.Message, "Load this page again in a moment.")
}
